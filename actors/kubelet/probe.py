"""Probes as a pure state machine: thresholds, delays and periods (kubelet's `prober` package)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

Kind = Literal["startup", "readiness", "liveness"]
KINDS: Final[tuple[Kind, ...]] = ("startup", "readiness", "liveness")
FIELD: Final[dict[Kind, str]] = {
    "startup": "startupProbe",
    "readiness": "readinessProbe",
    "liveness": "livenessProbe",
}


@dataclass(frozen=True, slots=True)
class ProbeState:
    """One probe of one attempt of a container."""

    attempt: int
    result: bool | None
    """What the container counts as; None: not known yet (startup)."""
    due_s: float
    """When to probe next."""
    successes: int = 0
    """In a row, since the last failure."""
    failures: int = 0


def initial_probe(kind: Kind, probe: dict[str, Any], attempt: int, started_s: float, now_s: float) -> ProbeState:
    """Before the first probe: live, not ready, not started up."""
    result = {"startup": None, "readiness": False, "liveness": True}[kind]
    return ProbeState(attempt, result, max(started_s + (probe.get("initialDelaySeconds") or 0), now_s))


def probed(kind: Kind, state: ProbeState, probe: dict[str, Any], success: bool, now_s: float) -> ProbeState:
    """After one probe: the result turns once enough of them in a row say so."""
    period_s = probe.get("periodSeconds") or 10
    successes = state.successes + 1 if success else 0
    failures = 0 if success else state.failures + 1
    result = state.result
    if success and successes >= (probe.get("successThreshold") or 1):
        result = True
    elif not success and failures >= (probe.get("failureThreshold") or 3):
        result = False
    due_s = now_s + period_s
    if kind != "readiness" and result is False:
        due_s = float("inf")  # the container is being killed: its next attempt is probed anew
    if kind == "startup" and result:
        due_s = float("inf")
    return replace(state, result=result, due_s=due_s, successes=successes, failures=failures)
