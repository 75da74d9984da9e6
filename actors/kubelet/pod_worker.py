"""One pod on a node, as its kubelet holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.apimachinery.meta import Key, key_of, uid_of
from actors.apimachinery.operation import Object
from actors.kubelet.admission import Amounts
from actors.kubelet.pod_memory import Plan, PodDependencies, PodMemory
from actors.kubelet.pod_spec import PodSpec
from actors.runtime.protocol import PodSandbox
from broker.message import NO_CAUSE, Cause


@dataclass(slots=True)
class PodWorker:
    """What is known of one pod, and what is going on about it. The kubelet's pod worker, without a thread."""

    pod: Object
    spec: PodSpec
    seen_s: float
    """When it was first seen, on the monotonic clock."""
    cause: Cause = NO_CAUSE
    """Why the kubelet acts on it now."""
    memory: PodMemory = field(default_factory=PodMemory)
    sandbox: PodSandbox | None = None
    plan: Plan = field(default_factory=Plan)
    dependencies: PodDependencies | None = None
    requests: Amounts | None = None
    """What it counts for while it is admitted and not over; None: nothing."""
    busy: bool = False
    """The runtime was asked and has not answered yet."""
    fetching: bool = False
    removed: bool = False
    """The API knows it no more."""
    deleted: bool = False
    """Its final delete was acknowledged."""
    probing: dict[tuple[str, str], None] = field(default_factory=dict)
    wake_s: float = float("inf")
    """When its timer is due, on the monotonic clock."""
    writing: bool = False
    """A write of its status is on its way."""
    look_again: bool = False
    """Something happened meanwhile."""
    pending_status: Object | None = None
    """What is being written."""
    written: tuple[Object, Object] | None = None
    """The status last written, and what the API made of it: as long as both stand, there is nothing to write."""

    @property
    def uid(self) -> str:
        return uid_of(self.pod)

    @property
    def key(self) -> Key:
        return key_of(self.pod)

    def take(self, pod: Object) -> None:
        """A newer state of the pod's object."""
        if (pod["metadata"].get("generation") or 0) != self.spec.generation or not self.spec.generation:
            self.spec = PodSpec(pod, tokens=self.spec.tokens)
        self.pod = pod


def orphan(sandbox: PodSandbox, seen_s: float) -> PodWorker:
    """A worker for what a runtime still has of a pod that the API doesn't know: it only ends it."""
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": sandbox.name, "namespace": sandbox.namespace, "uid": sandbox.uid},
        "spec": {"containers": [{"name": name} for name in sandbox.containers]},
    }
    return PodWorker(pod, PodSpec(pod), seen_s, sandbox=sandbox, removed=True)
