"""A controller that scales in order, as a StatefulSet does, written on the actor API as anybody's would be.

Podchain's control plane has no StatefulSet controller; this one is small, and there to be tested: pods ``web-0``,
``web-1``, ... are created one after another, each when the one before is ready; removed from the last to the first,
each when the one after is gone; and replaced in that order when the template changes. No name is there twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from actors.apimachinery.meta import (
    Key,
    controller_of,
    is_being_deleted,
    key_of,
    labels_of,
    new_controller_reference,
    uid_of,
)
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.pods import is_ready
from actors.apimachinery.template_hash import pod_template_hash
from actors.client.controller import Trigger, View, run_controller
from actors.client.decision import NOTHING_TO_DO, Decision
from actors.simulation.oracles import Oracles
from broker.context import Context

NAME: Final = "ordered-scale-controller"
SETS: Final = "apps/v1/statefulsets"
PODS: Final = "v1/pods"
BY_OWNER: Final = "owner"
REVISION_LABEL: Final = "controller-revision-hash"


class OrderedScaleController:
    """The decision."""

    name = NAME

    @property
    def triggers(self) -> Sequence[Trigger]:
        return (
            Trigger(SETS, lambda obj, _: (key_of(obj),)),
            Trigger(PODS, _keys_of_pod, {BY_OWNER: _owner_uids}),
        )

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        """The next step of one set: a pod at a time, and the status."""
        owner = view.get(SETS, key)
        if owner is None or is_being_deleted(owner):
            return NOTHING_TO_DO
        pods = {_ordinal(owner, pod): pod for pod in view.by_index(PODS, BY_OWNER, uid_of(owner))}
        step = _next_step(owner, pods)
        status = {
            "observedGeneration": owner["metadata"].get("generation"),
            "replicas": len(pods),
            "readyReplicas": sum(is_ready(pod) for pod in pods.values()),
        }
        writes = [step] if step is not None else []
        known = owner.get("status") or {}
        if any((known.get(name) or 0) != value for name, value in status.items()):
            options = {"patchType": "merge"}
            writes.append(Operation("patch", SETS, key.namespace, key.name, "status", {"status": status}, options))
        return Decision(writes)


def _next_step(owner: Object, pods: dict[int, Object]) -> Operation | None:
    if any(is_being_deleted(pod) for pod in pods.values()):
        return None  # it has to be gone first
    wanted = int(owner["spec"].get("replicas", 1))
    revision = pod_template_hash(owner["spec"]["template"])
    for ordinal in range(wanted):
        pod = pods.get(ordinal)
        if pod is None:
            return _create(owner, ordinal, revision)
        if not is_ready(pod) and labels_of(pod).get(REVISION_LABEL) == revision:
            return None
    leaving = [n for n, pod in pods.items() if n >= wanted or labels_of(pod).get(REVISION_LABEL) != revision]
    return _delete(pods[max(leaving)]) if leaving else None


def _create(owner: Object, ordinal: int, revision: str) -> Operation:
    metadata, template = owner["metadata"], owner["spec"]["template"]
    name = f"{metadata['name']}-{ordinal}"
    labels = {**(template.get("metadata") or {}).get("labels", {}), REVISION_LABEL: revision}
    own = {"name": name, "namespace": metadata["namespace"], "labels": labels}
    body: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**own, "ownerReferences": [new_controller_reference(owner)]},
        "spec": template["spec"],
    }
    return Operation("create", PODS, metadata["namespace"], name, "", body)


def _delete(pod: Object) -> Operation:
    metadata = pod["metadata"]
    options = {"preconditions": {"uid": metadata["uid"]}}
    return Operation("delete", PODS, metadata["namespace"], metadata["name"], options=options)


def _ordinal(owner: Object, pod: Object) -> int:
    return int(pod["metadata"]["name"].removeprefix(f"{owner['metadata']['name']}-"))


def _owner_uids(pod: Object) -> tuple[str, ...]:
    owner = controller_of(pod)
    return (str(owner["uid"]),) if owner is not None and owner["kind"] == "StatefulSet" else ()


def _keys_of_pod(pod: Object, _: View) -> tuple[Key, ...]:
    owner = controller_of(pod)
    return (Key(key_of(pod).namespace, owner["name"]),) if owner is not None and owner["kind"] == "StatefulSet" else ()


async def run(ctx: Context) -> None:
    """The actor."""
    await run_controller(ctx, OrderedScaleController())


def set_manifest(name: str, replicas: int, image: str) -> Object:
    """A StatefulSet of one container a pod."""
    spec: dict[str, Any] = {
        "replicas": replicas,
        "serviceName": name,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}], "terminationGracePeriodSeconds": 1},
        },
    }
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def unsettled_sets(oracles: Oracles) -> list[str]:
    """StatefulSets that are not as asked."""
    problems: list[str] = []
    for owner in oracles.of_kind("StatefulSet"):
        image = owner["spec"]["template"]["spec"]["containers"][0]["image"]
        wanted = {f"{owner['metadata']['name']}-{n}" for n in range(int(owner["spec"].get("replicas", 1)))}
        own = [pod for pod in oracles.of_kind("Pod") if uid_of(owner) in _owner_uids(pod)]
        there = {pod["metadata"]["name"] for pod in own if is_ready(pod)}
        old = [pod for pod in own if pod["spec"]["containers"][0]["image"] != image]
        if there != wanted or len(own) != len(wanted) or old:
            problems.append(
                f"StatefulSet {key_of(owner)}: {len(there)} of {len(own)} pods are ready, not {len(wanted)}"
            )
    return problems
