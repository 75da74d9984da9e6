"""What the scheduler writes: bindings, and the condition of a pod that could not be scheduled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object, Operation
from actors.scheduler.pod_info import DEFAULT_SCHEDULER_NAME
from actors.scheduler.scheduler import Assignment
from broker.message import Cause

PODS: Final = "v1/pods"

Reason = Literal["Unschedulable", "SchedulerError"]


def binding(assignment: Assignment, fence: Mapping[str, Any]) -> Operation:
    """Bind a pod to its node, unless another scheduler has taken over."""
    key, uid = assignment.info.key, assignment.info.uid
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
        "target": {"kind": "Node", "name": assignment.node_name},
    }
    return Operation(
        "create", PODS, key.namespace, key.name, "binding", body, {"fence": fence}, assignment.queued.cause
    )


def unscheduled_condition(
    pod: Object,
    reason: Reason,
    message: str,
    wall_s: float,
    fence: Mapping[str, Any],
    cause: Cause,
    nominated_node: str = "",
) -> Operation | None:
    """Say in the pod's status why it is not scheduled; None when that is what it says already.

    It is written only onto the state of the pod that was seen, so that it can't follow a binding it knows nothing of.
    """
    condition: Object = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    changes: Object = {}
    known = pod.get("status", {}).get("nominatedNodeName") or ""
    if known != nominated_node:
        changes["nominatedNodeName"] = nominated_node or None
    if _complete(condition, pod, wall_s):
        changes["conditions"] = [condition]
    return _status_patch(pod, changes, fence, cause) if changes else None


def preemption_of(victim: Object, wall_s: float, fence: Mapping[str, Any], cause: Cause) -> list[Operation]:
    """Say in a victim's status why it has to go, and delete it."""
    condition: Object = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": f"{DEFAULT_SCHEDULER_NAME}: preempting to accommodate a higher priority pod",
    }
    operations = []
    if _complete(condition, victim, wall_s):
        patch = _status_patch(victim, {"conditions": [condition]}, fence, cause)
        patch.body["metadata"].pop("resourceVersion", None)
        operations.append(patch)
    metadata = victim["metadata"]
    options = {"preconditions": {"uid": metadata.get("uid", "")}, "fence": fence}
    namespace = metadata.get("namespace", "")
    return [*operations, Operation("delete", PODS, namespace, metadata["name"], "", None, options, cause)]


def nomination_withdrawn(pod: Object, fence: Mapping[str, Any], cause: Cause) -> Operation:
    """No room is kept for the pod any more."""
    return _status_patch(pod, {"nominatedNodeName": None}, fence, cause)


def _complete(condition: Object, pod: Object, wall_s: float) -> bool:
    """Fill in generation and times; whether the pod doesn't have this condition already."""
    metadata = pod["metadata"]
    current: Mapping[str, Any] = next(
        (c for c in pod.get("status", {}).get("conditions") or () if c["type"] == condition["type"]), {}
    )
    if metadata.get("generation"):
        condition["observedGeneration"] = metadata["generation"]
    if all(current.get(name) == value for name, value in condition.items()):
        return False
    same = current.get("status") == condition["status"]
    condition["lastProbeTime"] = None
    condition["lastTransitionTime"] = (same and current.get("lastTransitionTime")) or format_time(wall_s)
    return True


def _status_patch(pod: Object, changes: Object, fence: Mapping[str, Any], cause: Cause) -> Operation:
    metadata = pod["metadata"]
    patch = {
        "metadata": {"uid": metadata.get("uid", ""), "resourceVersion": metadata.get("resourceVersion", "")},
        "status": changes,
    }
    options = {"patchType": "strategic", "fence": fence}
    return Operation("patch", PODS, metadata.get("namespace", ""), metadata["name"], "status", patch, options, cause)
