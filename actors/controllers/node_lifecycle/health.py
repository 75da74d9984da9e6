"""Whether a node is alive, and what its conditions and taints should say: pure.

As Kubernetes' node lifecycle controller: a kubelet renews its Lease; when neither the lease nor the node's own
heartbeat has changed for the grace period, all conditions become Unknown. Conditions turn into taints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.meta import format_time, parse_time
from actors.apimachinery.operation import Object

#: How long a silent node is still believed to be ready (kube-controller-manager's ``node-monitor-grace-period``).
GRACE_PERIOD_S: Final = 50.0

UNREACHABLE: Final = "node.kubernetes.io/unreachable"
NOT_READY: Final = "node.kubernetes.io/not-ready"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
NO_SCHEDULE: Final = "NoSchedule"
NO_EXECUTE: Final = "NoExecute"

#: Condition and status, and the taint that goes with them.
_CONDITION_TAINTS: Final = (
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
)
_MANAGED: Final = (*(key for _, _, key in _CONDITION_TAINTS), UNSCHEDULABLE)
#: What a silent node's conditions are set to Unknown for, whether it ever told them or not.
_TOLD: Final = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")

Taint = Mapping[str, Any]


def ready_status(node: Object) -> str:
    """``True``, ``False`` or ``Unknown``; the last also for a node that never said."""
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return str(condition.get("status"))
    return "Unknown"


def heartbeat(node: Object, lease: Object | None) -> str:
    """Changes whenever the kubelet shows a sign of life."""
    renewed = ((lease or {}).get("spec") or {}).get("renewTime") or ""
    conditions = (node.get("status") or {}).get("conditions") or ()
    told = max((str(c.get("lastHeartbeatTime") or "") for c in conditions), default="")
    return f"{renewed} {told}"


def unknown_conditions(node: Object, now_s: float) -> list[dict[str, Any]]:
    """The conditions to set on a node that fell silent; those that are Unknown already are left alone."""
    known = {c.get("type"): c for c in (node.get("status") or {}).get("conditions") or ()}
    now = format_time(now_s)
    changed: list[dict[str, Any]] = []
    for name in _TOLD:
        before = known.get(name)
        if before is None:
            reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
            heard = node["metadata"].get("creationTimestamp") or now
        elif before.get("status") != "Unknown":
            reason, message = "NodeStatusUnknown", "Kubelet stopped posting node status."
            heard = before.get("lastHeartbeatTime") or now
        else:
            continue
        changed.append(
            {
                "type": name,
                "status": "Unknown",
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": heard,
                "lastTransitionTime": now,
            }
        )
    return changed


def wanted_taints(node: Object, now_s: float) -> list[dict[str, Any]]:
    """All taints the node should have: others' as they are, then those its conditions and ``unschedulable`` ask for.

    A new one says since when it is there (``SwapNodeControllerTaint``); one that is there already stays as it is.
    """
    present: Sequence[Taint] = (node.get("spec") or {}).get("taints") or ()
    added = {(t.get("key") or "", t.get("effect") or ""): t.get("timeAdded") for t in present}
    wanted = [dict(taint) for taint in present if taint.get("key") not in _MANAGED]
    statuses = {c.get("type"): c.get("status") for c in (node.get("status") or {}).get("conditions") or ()}
    statuses.setdefault("Ready", "Unknown")
    for condition, status, key in _CONDITION_TAINTS:
        if statuses.get(condition) == status:
            wanted.append(_taint(key, NO_SCHEDULE, added, now_s))
            if condition == "Ready":
                wanted.append(_taint(key, NO_EXECUTE, added, now_s))
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append(_taint(UNSCHEDULABLE, NO_SCHEDULE, added, now_s))
    return wanted


def _taint(key: str, effect: str, added: Mapping[tuple[str, str], str | None], now_s: float) -> dict[str, Any]:
    taint: dict[str, Any] = {"key": key, "effect": effect}
    time_added = added[key, effect] if (key, effect) in added else format_time(now_s)
    if time_added:
        taint["timeAdded"] = time_added
    return taint


def evicted_in_s(pod: Object, taints: Sequence[Taint], now_s: float) -> float | None:
    """When a pod must leave a node for its NoExecute taints: seconds from now (0: at once), or None for never.

    A pod that doesn't tolerate one of them leaves at once. Otherwise the shortest ``tolerationSeconds`` counts, from
    when the taint was added.
    """
    deadlines: list[float] = []
    for taint in taints:
        if taint.get("effect") != NO_EXECUTE:
            continue
        toleration = _toleration_of(pod, taint)
        if toleration is None:
            return 0.0
        seconds = toleration.get("tolerationSeconds")
        if seconds is not None:
            since_s = parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now_s
            deadlines.append(since_s + max(seconds, 0))
    return max(0.0, min(deadlines) - now_s) if deadlines else None


def _toleration_of(pod: Object, taint: Taint) -> Mapping[str, Any] | None:
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint.get("effect")):
            continue
        if toleration.get("key") not in (None, "", taint.get("key")):
            continue
        exists = toleration.get("operator") == "Exists"
        if exists or (toleration.get("key") and (toleration.get("value") or "") == (taint.get("value") or "")):
            found: Mapping[str, Any] = toleration
            return found
    return None
