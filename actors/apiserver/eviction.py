"""pods/eviction: a delete that asks the pod's disruption budgets first (EvictionREST of Kubernetes)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.meta import format_time, is_being_deleted
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.selector import LabelSelector
from actors.apimachinery.status import ApiError, internal_error, status_failure, too_many_requests
from actors.apiserver.call import Call
from actors.apiserver.delete import plan_delete
from actors.apiserver.entry import Entry
from actors.apiserver.watch_cache import WatchCache
from actors.apiserver.write import Commit, Plan

BUDGETS: Final = "policy/poddisruptionbudgets"


def budgets_of(pod: Object, cache: WatchCache) -> list[Object]:
    """The disruption budgets that select the pod."""
    metadata = pod["metadata"]
    collection = cache.collection(BUDGETS)
    found = []
    for path in collection.paths_of(metadata.get("namespace", "")):
        budget = collection.entries[path].object
        selector = budget["spec"].get("selector")
        if selector is not None and LabelSelector.from_object(selector).matches(metadata.get("labels") or {}):
            found.append(budget)
    return found


def check_eviction(pod: Object, budgets: Sequence[Object]) -> Object | None:
    """The budget that the eviction uses up, None when no budget is asked. Raises `ApiError` (429, 500).

    Pods that don't run (finished, waiting to start, on their way out) are let go freely.
    """
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed", "Pending") or is_being_deleted(pod):
        return None
    if len(budgets) > 1:
        raise internal_error(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not budgets:
        return None
    budget = budgets[0]
    status = budget.get("status") or {}
    if not _is_ready(pod) and _spares_unhealthy(budget, status):
        return None
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 10)
    if status.get("disruptionsAllowed", 0) <= 0:
        raise _exhausted(budget, status)
    return budget


def _exhausted(budget: Object, status: Object) -> ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    name = budget["metadata"]["name"]
    needed, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    cause = {
        "reason": "DisruptionBudget",
        "message": f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently",
    }
    return ApiError(status_failure(429, "TooManyRequests", message, {"causes": [cause]}))


def _is_ready(pod: Object) -> bool:
    conditions: list[Any] = (pod.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _spares_unhealthy(budget: Object, status: Object) -> bool:
    """Whether a pod that isn't ready may go regardless of the budget."""
    if (budget["spec"].get("unhealthyPodEvictionPolicy") or "IfHealthyBudget") == "AlwaysAllow":
        return True
    healthy = status.get("currentHealthy", 0)
    return bool(healthy >= status.get("desiredHealthy", 0) and status.get("desiredHealthy", 0) > 0)


def charged(budget: Object, pod_name: str, now: str) -> Object:
    """The budget after one more disruption."""
    status = dict(budget.get("status") or {})
    status["disruptionsAllowed"] = status.get("disruptionsAllowed", 0) - 1
    status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod_name: now}
    return {**budget, "status": status}


def plan_eviction(call: Call, options: Mapping[str, Any], state: Entry) -> Plan:
    """A delete; a pod that stays for its grace period says why it goes."""
    planned = plan_delete(call, options, state)
    if not isinstance(planned, Commit) or planned.object is None:
        return planned
    pod = planned.object
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": format_time(call.now_s),
    }
    status = pod.get("status") or {}
    others = [c for c in status.get("conditions") or [] if c.get("type") != "DisruptionTarget"]
    pod = {**pod, "status": {**status, "conditions": [*others, condition]}}
    return Commit(encode_object(pod), object=pod)
