"""Follows the store's log, and hands each change to the watchers that want it.

The store's publications are hints (`store.protocol`): each says which revision it follows, so that a lost one is
noticed, and then the missing changes are asked for. While some watcher wants previous values, changes are always asked
for, since publications don't carry them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from broker.context import Context, RequestTimeout
from broker.message import Publication
from store import protocol
from store.etcd_api.answers import event
from store.etcd_api.watcher import Change, Watcher

STORE: Final = "store"


class StoreWentBack(Exception):
    """The store lost revisions it had told of; watchers must begin anew."""


class WatchHub:
    """Every synced watcher of every stream."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.revision = 0
        """Synced watchers were given everything up to here."""
        self._by_key: dict[bytes, dict[Watcher, None]] = {}
        self._ranges: dict[Watcher, None] = {}
        self._wanting_prev_kv: dict[Watcher, None] = {}
        self._fetching = False
        self._wanted_revision = 0

    async def start(self) -> None:
        """Begin to follow the store, from now."""
        self._ctx.subscribe(protocol.LOG_TOPIC, self._on_publication)
        reply = await self._ctx.request(STORE, protocol.STATUS)
        self.revision = max(self.revision, reply.body["revision"])

    # -- watchers

    def add(self, watcher: Watcher) -> None:
        """Have a watcher in the books; changes reach it through the hub once it is synced."""
        if watcher.range_end:
            self._ranges[watcher] = None
        else:
            self._by_key.setdefault(watcher.key, {})[watcher] = None
        if watcher.wants_prev_kv:
            self._wanting_prev_kv[watcher] = None

    def remove(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._ranges.pop(watcher, None)
        self._wanting_prev_kv.pop(watcher, None)
        same_key = self._by_key.get(watcher.key)
        if same_key is not None:
            same_key.pop(watcher, None)
            if not same_key:
                del self._by_key[watcher.key]

    # -- the log

    def _on_publication(self, publication: Publication) -> None:
        prev, rows, through = publication.body
        if self.revision == 0:
            return  # not started
        if through < self.revision and not rows:
            self._ctx.spawn(self._check_not_behind(), "went-back")
        if through <= self.revision:
            return
        if prev > self.revision or self._wanting_prev_kv or self._fetching:
            self.follow(through)
            return
        pairs = zip(rows, publication.blobs, strict=True)
        watched = self._by_key
        changes = [change_of(row, value) for row, value in pairs if self._ranges or row[1] in watched]
        self._deliver(changes, through, has_prev_kv=False)

    def follow(self, revision: int) -> None:
        """Have every change up to a revision of the store delivered soon."""
        self._wanted_revision = max(self._wanted_revision, revision)
        if not self._fetching and self.revision < self._wanted_revision:
            self._fetching = True
            self._ctx.spawn(self._fetch(), "follow")

    async def _fetch(self) -> None:
        try:
            while self.revision < self._wanted_revision:
                prev_kv = bool(self._wanting_prev_kv)
                changes, through = await self.read(self.revision, prev_kv)
                self._deliver(changes, through, prev_kv)
        except RequestTimeout:
            pass  # the next publication asks again
        finally:
            self._fetching = False

    async def read(self, since: int, prev_kv: bool) -> tuple[list[Change], int]:
        """Changes after a revision, as many as the store gives at once, and how far they reach.

        Raises `RequestFailed` ("Compacted", "FutureRevision") and `RequestTimeout`.
        """
        reply = await self._ctx.request(STORE, protocol.WATCH, {"since": since, "prev_kv": prev_kv})
        _, rows, through, *rest = reply.body
        values = iter(reply.blobs)
        own = [next(values) for _ in rows]
        previous = rest[0] if rest else [None] * len(rows)
        changes = [
            change_of(row, value, before, next(values) if before else b"")
            for row, value, before in zip(rows, own, previous, strict=True)
        ]
        return changes, through

    def _deliver(self, changes: Sequence[Change], through: int, has_prev_kv: bool) -> None:
        """Hand changes out, to each watcher all of its own at once."""
        told: dict[Watcher, list[Change]] = {}
        for change in changes:
            if change.revision <= self.revision:
                continue
            for watcher in self._by_key.get(change.key, ()):
                if watcher.synced and watcher.wants(change):
                    told.setdefault(watcher, []).append(change)
            for watcher in self._ranges:
                if watcher.synced and watcher.wants(change):
                    told.setdefault(watcher, []).append(change)
        self.revision = max(self.revision, through)
        for watcher, its_changes in told.items():
            if watcher.wants_prev_kv and not has_prev_kv:  # it came while these were on their way
                watcher.stream.fall_behind(watcher, its_changes[0].revision)
            else:
                watcher.stream.tell(watcher, its_changes)

    async def _check_not_behind(self) -> None:
        seen = self.revision  # before asking: the answer may be older than what comes meanwhile
        try:
            reply = await self._ctx.request(STORE, protocol.STATUS)
        except RequestTimeout:
            return  # it will be looked at again
        if reply.body["revision"] < seen:
            raise StoreWentBack(f"the store is at revision {reply.body['revision']}, it was at {seen}")


def change_of(row: Sequence[Any], value: bytes, previous: Sequence[Any] | None = None, before: bytes = b"") -> Change:
    """A change from an event of the store's protocol."""
    message = event(row, value, None, b"")
    return Change(row[0], row[1], row[3], message, event(row, value, previous, before) if previous else message)
