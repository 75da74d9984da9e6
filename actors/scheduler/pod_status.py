"""What the scheduler writes: bindings, and the condition of a pod that could not be scheduled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object, Operation
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
    pod: Object, reason: Reason, message: str, wall_s: float, fence: Mapping[str, Any], cause: Cause
) -> Operation | None:
    """Say in the pod's status why it is not scheduled; None when that is what it says already.

    It is written only onto the state of the pod that was seen, so that it can't follow a binding it knows nothing of.
    """
    metadata = pod["metadata"]
    current: Mapping[str, Any] = next(
        (c for c in pod.get("status", {}).get("conditions") or () if c["type"] == "PodScheduled"), {}
    )
    condition: dict[str, Any] = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    if metadata.get("generation"):
        condition["observedGeneration"] = metadata["generation"]
    if all(current.get(name) == value for name, value in condition.items()):
        return None
    condition["lastProbeTime"] = None
    condition["lastTransitionTime"] = format_time(wall_s)
    if current.get("status") == "False" and current.get("lastTransitionTime"):
        condition["lastTransitionTime"] = current["lastTransitionTime"]
    patch = {
        "metadata": {"uid": metadata.get("uid", ""), "resourceVersion": metadata.get("resourceVersion", "")},
        "status": {"conditions": [condition]},
    }
    options = {"patchType": "strategic", "fence": fence}
    return Operation("patch", PODS, metadata.get("namespace", ""), metadata["name"], "status", patch, options, cause)
