"""What ``spec.podFailurePolicy`` makes of a failed pod: the first rule that matches decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.meta import key_of
from actors.apimachinery.operation import Object

FAIL_JOB: Final = "FailJob"
FAIL_INDEX: Final = "FailIndex"
IGNORE: Final = "Ignore"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a failure."""

    counts: bool = True
    """Towards the limits, and in ``status.failed``."""
    action: str = ""
    """That of the rule; empty when none matched."""
    message: str = ""
    """Why the Job fails, if it does."""


_COUNTED: Final = Verdict()


def judge(job: Object, pod: Object) -> Verdict:
    """What the Job's policy says of a failed pod. Without a policy it counts."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    for number, rule in enumerate(rules):
        why = _match(rule, pod)
        if why:
            action = rule["action"]
            message = f"{why} matching {action} rule at index {number}" if action == FAIL_JOB else ""
            return Verdict(action != IGNORE, action, message)
    return _COUNTED


def _match(rule: Mapping[str, Any], pod: Object) -> str:
    """Why a rule matches; empty when it doesn't."""
    status = pod.get("status") or {}
    if rule.get("onExitCodes") is not None:
        for kind in ("containerStatuses", "initContainerStatuses"):
            found = _exited(status.get(kind) or (), rule["onExitCodes"])
            if found:
                name, code = found
                return f"Container {name} for pod {key_of(pod)} failed with exit code {code}"
        return ""
    for condition in status.get("conditions") or ():
        for pattern in rule.get("onPodConditions") or ():
            if (condition["type"], condition["status"]) == (pattern["type"], pattern.get("status", "True")):
                return f"Pod {key_of(pod)} has condition {condition['type']}"
    return ""


def _exited(statuses: Sequence[Mapping[str, Any]], requirement: Mapping[str, Any]) -> tuple[str, int] | None:
    """The first container that ended with a code that is asked for. Code 0 is no failure and matches nothing."""
    wanted = requirement.get("containerName")
    for status in statuses:
        terminated = (status.get("state") or {}).get("terminated")
        code = terminated.get("exitCode", 0) if terminated else 0
        if code == 0 or wanted not in (None, status["name"]):
            continue
        if (code in (requirement.get("values") or ())) == (requirement["operator"] == "In"):
            return status["name"], code
    return None
