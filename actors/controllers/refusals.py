"""Controllers that report what the API server refused: ReplicaFailure, ReplicaSetCreateError and their events.

A decision can't know how its writes will fare. A controller that has something to say about a refusal (a quota that is
used up, an admission that denies) has one more pure function, `refused`, whose decision is carried out once when a
reconcile's writes fail; the reconcile itself is then tried again with backoff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Operation, Result
from actors.client.controller import Controller, ControllerLoop, View, settled
from actors.client.decision import NOTHING_TO_DO, Decision
from broker.context import Context


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that the API server answered with an error other than a conflict."""

    operation: Operation
    message: str


class ReportingController(Controller, Protocol):
    """A controller that says something about refused writes."""

    def refused(self, key: Key, view: View, now_s: float, refusals: Sequence[Refusal]) -> Decision: ...


class ReportingLoop(ControllerLoop):
    """The controllers' loop, with `refused` carried out when writes are refused."""

    def __init__(
        self, ctx: Context, controller: ReportingController, fence: Mapping[str, Any] | None = None, since: int = 0
    ) -> None:
        super().__init__(ctx, controller, fence, since)
        self._reporting = controller

    def after_failure(
        self, key: Key, view: View, now_s: float, operations: Sequence[Operation], results: Sequence[Result | None]
    ) -> Decision:
        """The controller's word on what was refused; nothing when no write was."""
        refusals = refusals_of(operations, results)
        return self._reporting.refused(key, view, now_s, refusals) if refusals else NOTHING_TO_DO


def refusals_of(operations: Sequence[Operation], results: Sequence[Result | None]) -> list[Refusal]:
    """What was refused for good reasons: conflicts and unanswered writes just come again."""
    refusals = []
    for operation, result in zip(operations, results, strict=True):
        if result is None or settled(operation, result) or result.code == 409:
            continue
        status = result.status or {}
        causes = (status.get("details") or {}).get("causes") or ()
        if not any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
            refusals.append(Refusal(operation, str(status.get("message", ""))))
    return refusals


async def run_reporting_controller(
    ctx: Context, controller: ReportingController, fence: Mapping[str, Any] | None = None, since: int = 0
) -> None:
    """Run a controller that reports refusals as an actor."""
    await ReportingLoop(ctx, controller, fence, since).run()
