"""Delta debugging: of a failing schedule's steps, the few that are needed for it to fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from actors.simulation.fault_plan import Step
from actors.simulation.run import execute
from actors.simulation.schedule import RunReport

#: Runs that shrinking one failure may take.
RUNS_MAX: Final = 150


def shrink(report: RunReport, runs_max: int = RUNS_MAX) -> RunReport:
    """A smaller run with a failure of the same kind; the given one when nothing can be left out."""
    if report.failure is None:
        raise ValueError("this run did not fail")
    kind = report.failure.kind
    best = report
    budget = runs_max

    def still_fails(steps: Sequence[Step]) -> bool:
        nonlocal best, budget
        budget -= 1
        attempt = execute(replace(report.schedule, steps=tuple(steps)))
        if attempt.failure is None or attempt.failure.kind != kind:
            return False
        best = attempt
        return True

    minimal(report.schedule.steps, still_fails, lambda: budget > 0)
    return best


def minimal(
    steps: Sequence[Step], still_fails: Callable[[Sequence[Step]], bool], may_go_on: Callable[[], bool]
) -> list[Step]:
    """Zeller's ddmin: leave out ever smaller parts as long as it still fails."""
    kept = list(steps)
    parts = 2
    while kept and may_go_on():
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            if not may_go_on():
                return kept
            rest = kept[:start] + kept[start + size :]
            if still_fails(rest):
                kept = rest
                parts = max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(kept))
    return kept
