"""Publishes etcd's changes on the store's log topic, as the store actor does with its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

from broker.context import Context
from store import protocol
from store.errors import Compacted
from store.etcd_backend.connection import RETRY_S, EtcdConnection
from store.etcd_backend.history import History
from store.etcd_backend.refusals import EtcdUnreachable
from store.etcd_backend.translation import changes_of
from store.key_value import KeyValue
from store.publication import PUBLISHED_EVENTS_MAX, piece_end
from store.wire import log_body

#: A watch that stays silent for so many progress periods although there is something to tell is opened anew.
STALLED_PERIODS_MAX: Final = 2


class RevisionWentBack(Exception):
    """etcd is at an earlier revision than it was: restored from a backup, or another cluster."""


class LogFollower:
    """One watch of everything, reopened where it ended."""

    def __init__(self, ctx: Context, connection: EtcdConnection, history: History) -> None:
        self._ctx = ctx
        self._connection = connection
        self._history = history
        self.position = 0
        """Everything up to this revision is published."""
        self._stalled_periods = 0

    async def start(self) -> None:
        """Begin at the present. Raises `EtcdUnreachable` and `StoreError`."""
        self.position = await self._history.revision()
        self._publish(self.position, [], self.position)

    async def follow(self) -> None:
        """Publish what happens, for ever. Raises `RevisionWentBack`, and `StoreError` when etcd refuses."""
        while True:
            try:
                await self._watch()
            except Compacted:
                await self._skip()
            except EtcdUnreachable:
                await self._ctx.sleep(RETRY_S)

    async def _watch(self) -> None:
        caught_up_at = await self._history.revision()
        if caught_up_at < self.position:
            raise RevisionWentBack(f"etcd is at revision {caught_up_at} but was at {self.position}")
        if self.position < self._history.compacted:
            raise Compacted
        self._stalled_periods = 0
        watch = self._connection.watch(self.position + 1, quiet_s=protocol.PROGRESS_S)
        async with aclosing(watch) as responses:  # type: ignore[type-var]
            async for response in responses:
                if response is None:
                    if not await self._progress():
                        return
                    continue
                if self.position < caught_up_at:
                    # While catching up, a compaction may take deletions away unseen (see `History.since`).
                    await self._history.revision()
                    if self.position < self._history.compacted:
                        raise Compacted
                self._tell(response.events)

    def _tell(self, events: Sequence[Any]) -> None:
        through = events[-1].kv.mod_revision
        changes = changes_of((e for e in events if e.kv.mod_revision > self.position), self._ctx.wall_s())
        self._publish(self.position, changes, through)
        self.position = through
        self._stalled_periods = 0

    async def _progress(self) -> bool:
        """After a silence: a progress mark if there was nothing to tell. False when the watch seems to be broken."""
        before = self.position
        if await self._history.revision() == before == self.position:
            self._publish(self.position, [], self.position)
            self._stalled_periods = 0
            return True
        self._stalled_periods += 1
        return self._stalled_periods <= STALLED_PERIODS_MAX

    async def _skip(self) -> None:
        """Go on at the present: subscribers see the gap and find out that what lies in it is compacted."""
        try:
            self.position = await self._history.revision()
        except EtcdUnreachable:
            await self._ctx.sleep(RETRY_S)
        else:
            self._publish(self.position, [], self.position)

    def _publish(self, prev: int, changes: list[KeyValue], through: int) -> None:
        start = 0
        while True:
            end = piece_end(changes, start, PUBLISHED_EVENTS_MAX)
            piece = changes[start:end]
            last = end >= len(changes)
            piece_through = through if last else piece[-1].mod_revision
            self._ctx.publish(protocol.LOG_TOPIC, log_body(prev, piece, piece_through), [kv.value for kv in piece])
            if last:
                return
            prev, start = piece_through, end
