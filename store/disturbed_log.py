"""A log whose disk can be made full or slow: the store's part of `broker.chaos`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from broker.context import Context
from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.log import Log, LogContent, LogFull, LogSizes

DISK_FULL: Final = "disk-full"
SLOW_SYNC: Final = "slow-sync"


class DisturbedLog(Log):
    """Passes everything on to another log, unless a fault is in force."""

    def __init__(self, log: Log, ctx: Context, block: Callable[[float], None]) -> None:
        """`block` waits as a slow disk would: it returns after so many seconds, and nothing else happens meanwhile."""
        self._log = log
        self._ctx = ctx
        self._block = block

    def load(self) -> LogContent:
        return self._log.load()

    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        if self._ctx.chaos.faults:
            self._disturb()
        self._log.append(changes, leases)

    def _disturb(self) -> None:
        for fault in self._ctx.chaos.of(SLOW_SYNC):
            self._ctx.note_fault(SLOW_SYNC, self._ctx.name, "append")
            self._block(fault.details["delay_s"])
        if any(self._ctx.chaos.of(DISK_FULL)):
            self._ctx.note_fault(DISK_FULL, self._ctx.name, "append")
            raise LogFull("no space left on the device (podchain chaos disk-full)")

    def compact(self, revision: int, obsolete: Sequence[int]) -> Sequence[int]:
        return self._log.compact(revision, obsolete)

    def set_nospace(self, raised: bool) -> None:
        self._log.set_nospace(raised)

    def sizes(self) -> LogSizes:
        return self._log.sizes()

    def defragment(self, pages_max: int) -> bool:
        return self._log.defragment(pages_max)

    def refill_reserve(self) -> bool:
        return not any(self._ctx.chaos.of(DISK_FULL)) and self._log.refill_reserve()

    def close(self) -> None:
        self._log.close()
