"""Work in rounds: once the waiting messages are handled, everything that is ready is worked on together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.apimachinery.meta import Key
from actors.client.work_queue import WorkQueue
from broker.context import Context
from broker.message import Cause

Taken = Sequence[tuple[Key, Cause]]


class Rounds:
    """A work queue and the rounds that empty it. Nothing is worked on before `start`."""

    def __init__(self, ctx: Context, keys_a_round_max: int, work: Callable[[Taken], None]) -> None:
        self._ctx = ctx
        self._keys_a_round_max = keys_a_round_max
        self._work = work
        self._started = False
        self._round_set = False
        self.queue = WorkQueue(self._on_ready)
        """Each key that `work` is given must be given back to it, by ``done`` or ``failed``."""

    def start(self) -> None:
        """Begin to work."""
        self._started = True
        self._on_ready()

    def add(self, key: Key) -> None:
        """Ask for a look at a key, because of what is being handled now."""
        self.queue.add(key, self._ctx.cause)

    def _on_ready(self) -> None:
        if self._started and not self._round_set:
            self._round_set = True
            self._ctx.after_drain(self._round)

    def _round(self) -> None:
        self._round_set = False
        taken = self.queue.take(self._keys_a_round_max)
        if taken:
            self._work(taken)
        if len(self.queue):
            self._on_ready()
