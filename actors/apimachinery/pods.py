"""What a Pod's state means: phases, readiness, availability, termination (``k8s.io/kubernetes/pkg/api/v1/pod``).

Pure readings of the plain object; none of them changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.meta import parse_time

PENDING: Final = "Pending"
RUNNING: Final = "Running"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
UNKNOWN: Final = "Unknown"

TERMINAL_PHASES: Final = (SUCCEEDED, FAILED)

Pod = Mapping[str, Any]


def phase(pod: Pod) -> str:
    """``status.phase``; a pod without one is Pending."""
    return (pod.get("status") or {}).get("phase") or PENDING


def is_terminal(pod: Pod) -> bool:
    """Whether all containers have ended for good (Succeeded or Failed)."""
    return phase(pod) in TERMINAL_PHASES


def is_active(pod: Pod) -> bool:
    """Whether it counts for its controller: neither ended nor being deleted (``IsPodActive``)."""
    return not pod["metadata"].get("deletionTimestamp") and not is_terminal(pod)


def is_terminating(pod: Pod) -> bool:
    """Whether it is being deleted and has not ended yet (``IsPodTerminating``)."""
    return bool(pod["metadata"].get("deletionTimestamp")) and not is_terminal(pod)


def condition(pod: Pod, condition_type: str) -> Mapping[str, Any] | None:
    """The pod's condition of a type, if it has one."""
    for found in (pod.get("status") or {}).get("conditions") or ():
        if found["type"] == condition_type:
            result: Mapping[str, Any] = found
            return result
    return None


def is_ready(pod: Pod) -> bool:
    """Whether the condition ``Ready`` is True."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def ready_since_s(pod: Pod) -> float | None:
    """When it became ready (seconds since the epoch); None when it is not ready or does not say since when."""
    found = condition(pod, "Ready")
    if found is None or found["status"] != "True" or not found.get("lastTransitionTime"):
        return None
    return parse_time(found["lastTransitionTime"])


def available_in_s(pod: Pod, min_ready_seconds: int, now_s: float) -> float | None:
    """How long until it counts as available if it stays ready: 0 when it is, None when that can't be foreseen."""
    if not is_ready(pod):
        return None
    if min_ready_seconds <= 0:
        return 0.0
    since_s = ready_since_s(pod)
    return None if since_s is None else max(0.0, since_s + min_ready_seconds - now_s)


def is_available(pod: Pod, min_ready_seconds: int, now_s: float) -> bool:
    """Whether it has been ready for at least `min_ready_seconds` (``IsPodAvailable``)."""
    return available_in_s(pod, min_ready_seconds, now_s) == 0.0


def node_name(pod: Pod) -> str:
    """The node it is bound to; empty when it has none yet."""
    name: str = pod["spec"].get("nodeName") or ""
    return name
