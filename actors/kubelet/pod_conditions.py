"""A pod's conditions (kubelet's `status/generate.go`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.kubelet.pod_spec import PodSpec
from actors.runtime.protocol import PodSandbox

OWN_TYPES: Final = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
Verdict = tuple[str, str, str]
"""Status, reason, message."""
TRUE: Final[Verdict] = ("True", "", "")


def pod_conditions(
    pod: Object,
    spec: PodSpec,
    phase: str,
    sandbox: PodSandbox | None,
    inits: Sequence[Object],
    regulars: Sequence[Object],
    now_s: float,
) -> list[Object]:
    """The kubelet's own conditions, and those of others as they were."""
    old = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    ready_containers = _containers_ready(spec, phase, inits, regulars)
    has_sandbox = sandbox is not None and sandbox.ready
    verdicts: dict[str, Verdict] = {
        "PodReadyToStartContainers": TRUE if has_sandbox else ("False", "", ""),
        "Initialized": _initialized(spec, phase, inits, regulars),
        "Ready": _ready(pod, ready_containers, old),
        "ContainersReady": ready_containers,
        "PodScheduled": TRUE,
    }
    generation = pod["metadata"].get("generation")
    now = format_time(now_s)
    conditions = [_condition(name, verdicts[name], old.get(name), generation, now) for name in OWN_TYPES]
    return conditions + [condition for name, condition in old.items() if name not in verdicts]


def _condition(name: str, verdict: Verdict, old: Object | None, generation: Any, now: str) -> Object:
    status, reason, message = verdict
    since = now
    if old is not None and old.get("status") == status:
        since = old.get("lastTransitionTime") or since
    condition: Object = {"type": name, "status": status, "lastTransitionTime": since}
    if generation:
        condition["observedGeneration"] = generation
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def _initialized(spec: PodSpec, phase: str, inits: Sequence[Object], regulars: Sequence[Object]) -> Verdict:
    if phase == "Succeeded":
        return ("True", "PodCompleted", "")
    if any("running" in status["state"] for status in regulars):
        return TRUE
    incomplete = [
        status["name"]
        for container, status in zip(spec.inits, inits, strict=True)
        if not (status["started"] if container.role == "sidecar" else status["ready"])
    ]
    if incomplete:
        names = " ".join(incomplete)
        return ("False", "ContainersNotInitialized", f"containers with incomplete status: [{names}]")
    return TRUE


def _containers_ready(spec: PodSpec, phase: str, inits: Sequence[Object], regulars: Sequence[Object]) -> Verdict:
    if phase == "Succeeded":
        return ("False", "PodCompleted", "")
    if phase == "Failed":
        return ("False", "PodFailed", "")
    lasting = [s for container, s in zip(spec.inits, inits, strict=True) if container.role == "sidecar"]
    unready = [status["name"] for status in (*lasting, *regulars) if not status["ready"]]
    if unready:
        return ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    return TRUE


def _ready(pod: Object, containers: Verdict, conditions: dict[str, Object]) -> Verdict:
    if containers[0] != "True":
        return containers
    problems: list[str] = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        condition = conditions.get(name)
        if condition is None:
            problems.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif condition["status"] != "True":
            shown = condition["status"]
            problems.append(f'the status of pod readiness gate "{name}" is not "True", but {shown}')
    return ("False", "ReadinessGatesNotReady", ", ".join(problems)) if problems else TRUE
