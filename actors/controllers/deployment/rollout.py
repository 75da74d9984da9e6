"""One look at a Deployment and its ReplicaSets: the state a decision is worked out on.

Kubernetes' controller writes as it goes and reads its own writes back. Here a decision is worked out on copies first:
`Rollout` holds the Deployment, its ReplicaSets (changed ones as copies) and what has been decided so far, and turns all
of it into at most one write an object at the end (`decision`). Each write carries the resourceVersion it is based on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from actors.apimachinery.intstr import fenceposts
from actors.apimachinery.meta import Key, annotations_of, key_of, revision_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.template_hash import same_template
from actors.client.decision import Decision, EventNote

DEPLOYMENTS: Final = "apps/v1/deployments"
REPLICASETS: Final = "apps/v1/replicasets"

DESIRED_REPLICAS: Final = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS: Final = "deployment.kubernetes.io/max-replicas"

#: ``progressDeadlineSeconds`` and ``revisionHistoryLimit`` of this value mean: none.
NO_LIMIT: Final = 2**31 - 1


@dataclass(slots=True)
class Replicas:
    """A ReplicaSet as the rollout sees it; `obj` is replaced, never changed."""

    obj: Object
    stored: Object
    """As it was read."""

    @property
    def name(self) -> str:
        name: str = self.obj["metadata"]["name"]
        return name

    @property
    def size(self) -> int:
        """``spec.replicas``: how many pods it is to have."""
        return size_of(self.obj)

    @property
    def growth(self) -> int:
        """By how much its size is to change."""
        return self.size - size_of(self.stored)

    @property
    def created(self) -> tuple[str, str]:
        """Orders by age, then name."""
        return self.obj["metadata"].get("creationTimestamp") or "9999", self.name

    def count(self, name: str) -> int:
        """A count of its status; 0 when it reports none."""
        return int((self.obj.get("status") or {}).get(name) or 0)

    @property
    def available(self) -> int:
        """Pods that are available and will stay: what exceeds its size is about to go, even if not reported yet."""
        return min(self.count("availableReplicas"), self.size)

    def annotated(self, name: str) -> int | None:
        """A whole number in an annotation."""
        text = annotations_of(self.obj).get(name)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

    def resize(self, size: int) -> None:
        """Give it another size."""
        self.obj = {**self.obj, "spec": {**self.obj["spec"], "replicas": size}}

    def annotate(self, annotations: dict[str, str]) -> None:
        """Set annotations."""
        metadata = self.obj["metadata"]
        merged = {**(metadata.get("annotations") or {}), **annotations}
        self.obj = {**self.obj, "metadata": {**metadata, "annotations": merged}}


@dataclass(slots=True)
class Rollout:
    """The Deployment, its ReplicaSets, and what is decided so far."""

    deployment: Object
    new: Replicas | None
    """The ReplicaSet of the current template; None if there is none yet."""
    old: list[Replicas]
    """All others, the oldest first."""
    now_s: float
    status: dict[str, Any]
    """The status as it is to be written."""
    annotations: dict[str, str]
    """The Deployment's annotations as they are to be written (its revision is one)."""
    creates: list[Operation] = field(default_factory=list)
    deletes: list[Operation] = field(default_factory=list)
    events: list[EventNote] = field(default_factory=list)
    requeue_after_s: float | None = None

    @classmethod
    def begin(cls, deployment: Object, replicasets: Iterable[Object], now_s: float) -> Rollout:
        """Tell the new ReplicaSet from the old ones: the oldest whose template is the Deployment's."""
        everything = sorted((Replicas(rs, rs) for rs in replicasets), key=lambda rs: rs.created)
        template = deployment["spec"]["template"]
        new = next((rs for rs in everything if same_template(rs.obj["spec"]["template"], template)), None)
        old = [rs for rs in everything if rs is not new]
        status = dict(deployment.get("status") or {})
        return cls(deployment, new, old, now_s, status, dict(annotations_of(deployment)))

    # What the manifest asks

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.deployment["spec"]
        return spec

    @property
    def desired(self) -> int:
        """``spec.replicas``."""
        return size_of(self.deployment)

    @property
    def is_rolling(self) -> bool:
        """Whether the strategy is RollingUpdate, the default."""
        return bool((self.spec.get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")

    @property
    def max_surge(self) -> int:
        """How many pods there may be above the desired number."""
        return self._fenceposts()[0] if self.is_rolling else 0

    @property
    def max_unavailable(self) -> int:
        """How many pods may be missing from the desired number; never more than that number."""
        if not self.is_rolling or self.desired == 0:
            return 0
        return min(self._fenceposts()[1], self.desired)

    def _fenceposts(self) -> tuple[int, int]:
        rolling = (self.spec.get("strategy") or {}).get("rollingUpdate") or {}
        return fenceposts(rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"), self.desired)

    @property
    def progress_deadline_s(self) -> int | None:
        """``progressDeadlineSeconds``; None when there is no deadline."""
        deadline_s = self.spec.get("progressDeadlineSeconds")
        return None if deadline_s is None or deadline_s == NO_LIMIT else int(deadline_s)

    # What there is

    @property
    def all(self) -> list[Replicas]:
        """Old ones and the new one."""
        return [*self.old, self.new] if self.new is not None else list(self.old)

    @property
    def active(self) -> list[Replicas]:
        """Those that are to have pods."""
        return [rs for rs in self.all if rs.size > 0]

    def total(self, name: str) -> int:
        """Sum of a count over all ReplicaSets' statuses."""
        return sum(rs.count(name) for rs in self.all)

    # What is decided

    def event(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Record an event about the Deployment."""
        self.events.append(EventNote(self.deployment, kind, reason, message))

    def scale(self, rs: Replicas, size: int) -> bool:
        """Give a ReplicaSet a size, and note on it what the Deployment asks for; whether its size changed."""
        before = rs.size
        noted = {DESIRED_REPLICAS: str(self.desired), MAX_REPLICAS: str(self.desired + self.max_surge)}
        if any(annotations_of(rs.obj).get(name) != value for name, value in noted.items()):
            rs.annotate(noted)
        if before == size:
            return False
        rs.resize(size)
        direction = "up" if before < size else "down"
        message = f"Scaled {direction} replica set {rs.name} from {before} to {size}"
        self.event("Normal", "ScalingReplicaSet", message)
        return True

    def decision(self) -> Decision:
        """Everything decided, as writes: ReplicaSets first, those that shrink before those that grow; status last."""
        writes = list(self.creates)
        changed = [rs for rs in self.all if rs.obj is not rs.stored]
        changed.sort(key=lambda rs: rs.growth)
        writes.extend(_update(REPLICASETS, rs.obj) for rs in changed)
        writes.extend(self.deletes)
        writes.extend(self._status_writes())
        return Decision(writes, self.events, self.requeue_after_s)

    def _status_writes(self) -> Sequence[Operation]:
        same_annotations = self.annotations == annotations_of(self.deployment)
        if self.status == (self.deployment.get("status") or {}) and same_annotations:
            return ()
        metadata = {**self.deployment["metadata"], "annotations": self.annotations}
        if not self.annotations:
            del metadata["annotations"]
        return (_update(DEPLOYMENTS, {**self.deployment, "metadata": metadata, "status": self.status}, "status"),)


def _update(resource: str, obj: Object, subresource: str = "") -> Operation:
    key: Key = key_of(obj)
    return Operation("update", resource, key.namespace, key.name, subresource, obj)


def size_of(obj: Object) -> int:
    """``spec.replicas``, 1 if it is left out."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def delete(rs: Replicas) -> Operation:
    """Deletes a ReplicaSet in the state it was seen in."""
    key = key_of(rs.stored)
    preconditions = {"uid": uid_of(rs.stored), "resourceVersion": str(revision_of(rs.stored))}
    return Operation("delete", REPLICASETS, key.namespace, key.name, options={"preconditions": preconditions})
