"""The one loop over all pods of an actor: who needs a look now, and who later."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from actors.kubelet.pod_worker import PodWorker
from broker.context import Context

Look = Callable[[PodWorker], None]


class PodLoop:
    """Looks at each pod once a drain, however many messages were about it, and keeps one timer for all."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._due: dict[int, tuple[PodWorker, Look]] = {}
        self._later: list[tuple[float, int, PodWorker, Look]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None

    def now(self, worker: PodWorker, look: Look) -> None:
        """Look at a pod at the end of this drain."""
        if not self._due:
            self._ctx.after_drain(self._drain)
        self._due[id(worker)] = (worker, look)

    def later(self, worker: PodWorker, look: Look, at_s: float) -> None:
        """Look at a pod at a time on the monotonic clock, unless it is to be looked at earlier."""
        if at_s >= worker.wake_s:
            return
        worker.wake_s = at_s
        self._sequence += 1
        heapq.heappush(self._later, (at_s, self._sequence, worker, look))
        if self._later[0][2] is worker:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(self._later[0][0] - self._ctx.monotonic_s(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now_s = self._ctx.monotonic_s()
        while self._later and self._later[0][0] <= now_s:
            at_s, _, worker, look = heapq.heappop(self._later)
            if worker.wake_s == at_s:
                worker.wake_s = float("inf")
                self.now(worker, look)
        if self._later:
            self._set_timer()

    def _drain(self) -> None:
        due, self._due = self._due, {}
        for worker, look in due.values():
            with self._ctx.acting_on(worker.cause):
                look(worker)
