"""The work queue of controllers: keys that want a look, each once, with backoff for those that fail.

As client-go's: a key added while it waits is there once; a key added while it is being worked on comes again
afterwards; failures come back after 5 ms, doubling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from actors.apimachinery.meta import Key
from broker.message import Cause

BACKOFF_BASE_S: Final = 0.005
BACKOFF_MAX_S: Final = 60.0


class WorkQueue:
    """Keys, each with the cause that first asked for it."""

    def __init__(self, on_ready: Callable[[], None]) -> None:
        self._on_ready = on_ready
        self._ready: dict[Key, Cause] = {}
        self._working: dict[Key, None] = {}
        self._again: dict[Key, Cause] = {}
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, tuple[float, asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is being worked on (timers may be set)."""
        return not self._ready and not self._working

    def add(self, key: Key, cause: Cause) -> None:
        """Ask for a look at the key."""
        if key in self._working:
            self._again.setdefault(key, cause)
        elif key not in self._ready:
            self._ready[key] = cause
            self._on_ready()

    def take(self, limit: int) -> list[tuple[Key, Cause]]:
        """Take keys to work on, oldest first; each must be given back by `done` or `failed`."""
        taken: list[tuple[Key, Cause]] = []
        while self._ready and len(taken) < limit:
            key = next(iter(self._ready))
            taken.append((key, self._ready.pop(key)))
            self._working[key] = None
        return taken

    def done(self, key: Key, cause: Cause, look_again_after_s: float | None = None) -> None:
        """The work on a key succeeded; look again after a while, if one is given."""
        self._failures.pop(key, None)
        self._finish(key)
        if look_again_after_s is not None:
            self._add_later(key, cause, look_again_after_s)

    def failed(self, key: Key, cause: Cause) -> float:
        """The work on a key failed: it comes again after its backoff, which is returned (seconds)."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay_s: float = min(BACKOFF_BASE_S * 2.0 ** min(failures - 1, 20), BACKOFF_MAX_S)
        self._finish(key)
        self._add_later(key, cause, delay_s)
        return delay_s

    def _finish(self, key: Key) -> None:
        del self._working[key]
        again = self._again.pop(key, None)
        if again is not None:
            self.add(key, again)

    def _add_later(self, key: Key, cause: Cause, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + delay_s
        set_before = self._timers.get(key)
        if set_before is not None:
            if set_before[0] <= due_s:
                return
            set_before[1].cancel()
        self._timers[key] = (due_s, loop.call_later(delay_s, self._due, key, cause))

    def _due(self, key: Key, cause: Cause) -> None:
        self._timers.pop(key, None)
        self.add(key, cause)
