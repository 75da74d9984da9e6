"""The table of pods, with kubectl's reading of a pod's status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import Cell, age_of, items_of, name_of, of, or_none, table
from actors.apimachinery.tables.duration import human_duration, seconds_of


@dataclass(slots=True)
class PodSummary:
    """What one line tells of a pod."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart_s: float | None

    @property
    def ready_of_total(self) -> str:
        return f"{self.ready}/{self.total}"

    def restarts_text(self, now_s: float) -> str:
        """``3 (2m ago)``, or just the number when nothing is known of the last one."""
        if self.restarts and self.last_restart_s is not None:
            return f"{self.restarts} ({human_duration(now_s - self.last_restart_s)} ago)"
        return str(self.restarts)


def _is_sidecar(container: Mapping[str, Any] | None) -> bool:
    return container is not None and container.get("restartPolicy") == "Always"


def _exit_text(terminated: Mapping[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _later(known_s: float | None, status: Mapping[str, Any]) -> float | None:
    finished_s = seconds_of(of(status, "lastState", "terminated", "finishedAt"))
    if finished_s is None:
        return known_s
    return finished_s if known_s is None else max(known_s, finished_s)


def _has_condition(pod: Object, condition_type: str) -> bool:
    return any(
        condition.get("type") == condition_type and condition.get("status") == "True"
        for condition in items_of(pod, "status", "conditions")
    )


def _start(pod: Object, total: int) -> PodSummary:
    status = pod.get("status") or {}
    reason = status.get("reason") or status.get("phase") or ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            reason = "SchedulingGated"
    return PodSummary(0, total, reason, 0, None)


def _init_problem(index: int, status: Mapping[str, Any], init_count: int) -> str:
    """What keeps an init container from being done."""
    terminated = of(status, "state", "terminated")
    if terminated:
        return f"Init:{_exit_text(terminated)}"
    waiting = of(status, "state", "waiting", "reason")
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{index}/{init_count}"


def _read_init_containers(pod: Object, summary: PodSummary) -> tuple[bool, int, float | None]:
    """Whether the pod is still initializing, and what restarts its sidecars had."""
    init_containers = items_of(pod, "spec", "initContainers")
    by_name = {container.get("name"): container for container in init_containers}
    sidecar_restarts, sidecar_restart_s = 0, None
    for index, status in enumerate(items_of(pod, "status", "initContainerStatuses")):
        sidecar = _is_sidecar(by_name.get(status.get("name")))
        restarts = int(status.get("restartCount") or 0)
        summary.restarts += restarts
        summary.last_restart_s = _later(summary.last_restart_s, status)
        if sidecar:
            sidecar_restarts += restarts
            sidecar_restart_s = _later(sidecar_restart_s, status)
        terminated = of(status, "state", "terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and status.get("started"):
            summary.ready += bool(status.get("ready"))
            continue
        summary.status = _init_problem(index, status, len(init_containers))
        return True, sidecar_restarts, sidecar_restart_s
    return False, sidecar_restarts, sidecar_restart_s


def _read_containers(pod: Object, summary: PodSummary) -> None:
    has_running = False
    for status in reversed(items_of(pod, "status", "containerStatuses")):
        summary.restarts += int(status.get("restartCount") or 0)
        summary.last_restart_s = _later(summary.last_restart_s, status)
        state = status.get("state") or {}
        if of(state, "waiting", "reason"):
            summary.status = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            summary.status = _exit_text(state["terminated"])
        elif status.get("ready") and state.get("running") is not None:
            has_running = True
            summary.ready += 1
    if summary.status == "Completed" and has_running:
        summary.status = "Running" if _has_condition(pod, "Ready") else "NotReady"


def summarize_pod(pod: Object) -> PodSummary:
    """Read a pod as kubectl does for its READY, STATUS and RESTARTS columns."""
    sidecars = sum(_is_sidecar(container) for container in items_of(pod, "spec", "initContainers"))
    summary = _start(pod, len(items_of(pod, "spec", "containers")) + sidecars)
    initializing, sidecar_restarts, sidecar_restart_s = _read_init_containers(pod, summary)
    if not initializing or _has_condition(pod, "Initialized"):
        summary.restarts, summary.last_restart_s = sidecar_restarts, sidecar_restart_s
        _read_containers(pod, summary)
    if pod["metadata"].get("deletionTimestamp"):
        if of(pod, "status", "reason") == "NodeLost":
            summary.status = "Unknown"
        elif of(pod, "status", "phase") not in ("Succeeded", "Failed"):
            summary.status = "Terminating"
    return summary


def _readiness_gates(pod: Object) -> str:
    gates = items_of(pod, "spec", "readinessGates")
    if not gates:
        return "<none>"
    true = sum(_has_condition(pod, gate["conditionType"]) for gate in gates)
    return f"{true}/{len(gates)}"


def _pod_ip(pod: Object) -> str:
    addresses = items_of(pod, "status", "podIPs")
    return or_none(addresses[0].get("ip") if addresses else of(pod, "status", "podIP"))


def pod_row(pod: Object, now_s: float) -> Sequence[Cell]:
    """The row of a pod."""
    summary = summarize_pod(pod)
    return (
        name_of(pod),
        summary.ready_of_total,
        summary.status,
        summary.restarts_text(now_s),
        age_of(pod, now_s),
        _pod_ip(pod),
        or_none(of(pod, "spec", "nodeName")),
        or_none(of(pod, "status", "nominatedNodeName")),
        _readiness_gates(pod),
    )


TABLES = {
    "v1/pods": table("Name|Ready|Status|Restarts|Age|IP*|Node*|Nominated Node*|Readiness Gates*", pod_row),
}
