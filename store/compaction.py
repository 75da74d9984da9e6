"""Compaction: giving up history, by request or by itself, and freeing what was given up.

What is compacted is durable and in effect at once; memory and rows are freed afterwards, in steps between which
requests are served. A crash in between leaves rows that the next start finds and frees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from broker.context import Context
from store.alarm import SpaceAlarm
from store.errors import NoSpace
from store.log import Log, LogFull
from store.mvcc import Mvcc
from store.retention import Retention

#: How often automatic compaction is considered.
COMPACTION_CHECK_S: Final = 1.0
#: Compaction frees so many changes in memory (10 ms), then in the log as many at once as that sees fit; in between it
#: lets requests through for so long. A whole step of automatic compaction at once, so that a batch that the log takes
#: apart has nothing left that the next one gives up.
PURGE_EVENTS: Final = 5000
PURGE_PAUSE_S: Final = 0.01
#: How long freeing waits for a disk that is so full that nothing can be deleted.
FULL_DISK_PAUSE_S: Final = 1.0
#: Defragmentation gives back so many pages at once (12 ms), and no more in all than a file of 4 TB has.
DEFRAGMENT_PAGES: Final = 1000
DEFRAGMENT_STEPS_MAX: Final = 1_000_000


class Compactor:
    """Gives up the history of one store."""

    def __init__(self, ctx: Context, mvcc: Mvcc, log: Log, alarm: SpaceAlarm) -> None:
        self._ctx = ctx
        self._mvcc = mvcc
        self._log = log
        self._alarm = alarm
        self._obsolete: Sequence[int] = ()
        """Positions that memory has forgotten and the log has not."""

    def compact(self, revision: int) -> None:
        """Give up everything older. Raises `Compacted`, `FutureRevision`, `NoSpace`; frees nothing, see `purge`."""
        self._mvcc.check_compaction(revision)
        try:
            self._log.compact(revision, ())
        except LogFull as error:
            self._alarm.activate()
            raise NoSpace from error
        self._mvcc.compact(revision)

    async def purge(self) -> None:
        """Free what was compacted, in steps between which requests are served."""
        while self._obsolete or self._mvcc.purge_pending:
            if not self._obsolete:
                self._obsolete = self._mvcc.purge(PURGE_EVENTS)
            try:
                self._obsolete = self._log.compact(self._mvcc.compacted_revision, self._obsolete)
            except LogFull:
                self._alarm.activate()
                await self._ctx.sleep(FULL_DISK_PAUSE_S)
            else:
                await self._ctx.sleep(PURGE_PAUSE_S)
        self._alarm.measure()

    async def defragment(self) -> None:
        """Give free pages back to the disk, in steps between which requests are served. Raises `NoSpace`."""
        for _ in range(DEFRAGMENT_STEPS_MAX):
            try:
                if not self._log.defragment(DEFRAGMENT_PAGES):
                    break
            except LogFull as error:
                self._alarm.activate()
                raise NoSpace from error
            await self._ctx.sleep(PURGE_PAUSE_S)
        self._alarm.measure()

    async def compact_automatically(self, retention: Retention) -> None:
        """Give up what need not be kept, for ever; begins by freeing what a crash left of a compaction."""
        while True:
            await self.purge()
            await self._ctx.sleep(COMPACTION_CHECK_S)
            mvcc = self._mvcc
            compacted = max(mvcc.compacted_revision, 0)
            target = retention.target(mvcc.revision, compacted, mvcc.history_bytes, self._ctx.monotonic_s())
            if target:
                try:
                    self.compact(target)
                except NoSpace:
                    continue  # the alarm is raised; the next round tries again
