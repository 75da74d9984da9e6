"""An event loop whose clock jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from contextvars import Context as Variables
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class Deadlock(Exception):
    """Nothing is scheduled and nothing ever will be: the simulated world stands still."""


class _JumpingSelector(selectors.SelectSelector):
    """Where a real selector would sleep, advances the virtual clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("no timer is set and no task can run")
        if timeout > 0:
            # A wait too short for the clock's precision must move it all the same, or it would never end.
            self.now_s = max(self.now_s + timeout, math.nextafter(self.now_s, math.inf))
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs callbacks in the order of their virtual times; deterministic, as nothing outside can reach it."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9
        #: Given a timer's callback, says whether it should still run when its time has come.
        self.timer_guard: Callable[[], Callable[[], bool] | None] = lambda: None

    def time(self) -> float:
        return self._jumping.now_s

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Variables | None = None,
    ) -> asyncio.TimerHandle:
        still_wanted = self.timer_guard()
        if still_wanted is None:
            return super().call_at(when, callback, *args, context=context)

        def run_if_wanted(*values: Any) -> None:
            if still_wanted():
                callback(*values)

        return super().call_at(when, run_if_wanted, *args, context=context)  # type: ignore[arg-type]
