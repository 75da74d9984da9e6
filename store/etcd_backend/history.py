"""What etcd is asked about its past: how far it reaches, and what happened since a revision.

Every revision of etcd has at least one event, so a watch of all keys that has told revision N has told everything up to
N. That makes it exact how far a reader has come, without etcd's progress notifications (which ran ahead of the events
in etcd before 3.5.8).
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from store.errors import Compacted, FutureRevision
from store.etcd_api import messages
from store.etcd_backend.connection import CompactedAt, EtcdConnection
from store.etcd_backend.note import NOTE_KEY


@dataclass(slots=True)
class Past:
    """What happened after a revision."""

    events: list[Any] = field(default_factory=list)
    """etcd's, complete up to `through`."""
    through: int = 0


class History:
    """Questions about the past of one etcd."""

    def __init__(self, connection: EtcdConnection) -> None:
        self._connection = connection
        self.compacted = 0
        """The compacted revision as far as known."""

    async def revision(self) -> int:
        """The present revision, linearizable; `compacted` is up to date afterwards."""
        while True:
            # Readable exactly when nothing later is compacted: one call answers both questions.
            probe = messages.RangeRequest(key=NOTE_KEY, count_only=True, revision=max(self.compacted, 1))
            try:
                answer = await self._connection.call("KV", "Range", probe)
            except Compacted:
                await self._find_compacted()
            else:
                revision: int = answer.header.revision
                return revision

    async def _find_compacted(self) -> None:
        try:
            async with aclosing(self._connection.watch(1, quiet_s=0.5)) as responses:  # type: ignore[type-var]
                async for _ in responses:
                    return
        except CompactedAt as compacted:
            self.compacted = max(self.compacted, compacted.revision)

    async def since(self, since: int, events_max: int, *, prev_kv: bool = False) -> Past:
        """Every event later than a revision, or at least `events_max`, never splitting a revision.

        Raises `Compacted` and `FutureRevision`, and as `EtcdConnection.call` does.
        """
        now = await self.revision()
        if since > now:
            raise FutureRevision
        if since < self.compacted:
            raise Compacted
        past = Past(through=since)
        if since < now:
            watch = self._connection.watch(since + 1, prev_kv=prev_kv)
            async with aclosing(watch) as responses:  # type: ignore[type-var]
                async for response in responses:
                    past.events += response.events
                    past.through = response.events[-1].kv.mod_revision
                    if past.through >= now or len(past.events) >= events_max:
                        break
            # A compaction meanwhile may have taken deletions away unseen: etcd only cancels watches that begin before.
            await self.revision()
        if since < self.compacted:
            raise Compacted
        return past
