"""Keeps the watch cache at the store's heels: loads it, follows the log, and fills gaps.

The log's publications are hints that may get lost; the chain of revisions (`store.protocol`) shows when one was, and
the store is then asked. When what is missing was compacted away, everything is loaded anew, and streams begin anew too.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from actors.apiserver.entry import Entry
from actors.apiserver.storage_key import PREFIX, PREFIX_END
from actors.apiserver.watch_cache import Change, Gap, WatchCache
from broker.context import Context, RequestError, RequestFailed
from broker.message import Publication
from store.protocol import LOG_TOPIC, PROGRESS_S, RANGE, STATUS, WATCH

#: At start the window is rebuilt this many revisions back, so that informers need not list again.
WINDOW_REBUILT_REVISIONS: Final = 5_000
LOAD_PAGE: Final = 2_000
RETRY_S: Final = 0.05
#: Without a word from the store's log for this long, it is asked.
SILENCE_MAX_S: Final = 2.5 * PROGRESS_S
#: A read waits this long at most for the cache to catch up with the store.
FRESHNESS_TIMEOUT_S: Final = 3.0

STORE: Final = "store"

ChangeHandler = Callable[[list[Change]], None]
Ready = Callable[[bool], None]


class Follower:
    """The one that feeds the cache."""

    def __init__(
        self,
        ctx: Context,
        cache: WatchCache,
        on_changes: ChangeHandler,
        on_reload: Callable[[], None],
        store: str = STORE,
    ) -> None:
        self._ctx = ctx
        self._store = store
        self._cache = cache
        self._on_changes = on_changes
        self._on_reload = on_reload
        self._wake = asyncio.Event()
        self._wanted = 0
        """A revision the store is known to have reached."""
        self._heard_s = 0.0
        self._waiting: list[tuple[int, int, Ready]] = []
        self._count = count()
        self._asking: list[Ready] = []
        self._ask_running = False

    async def start(self) -> None:
        """Load the cache and begin to follow; returns when it shows the store as it is."""
        self._ctx.subscribe(LOG_TOPIC, self._on_log)
        await self._load()
        await self._catch_up()
        self._ctx.spawn(self._keep_up(), "follower")

    # Waiting for revisions

    def when_at(self, revision: int, ready: Ready, timeout_s: float = FRESHNESS_TIMEOUT_S) -> None:
        """Call back with True once the cache has reached a revision, or with False after a time."""
        if self._cache.revision >= revision:
            ready(True)
            return
        waiting = True

        def once(reached: bool) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                timer.cancel()
                ready(reached)

        timer = asyncio.get_running_loop().call_later(timeout_s, once, False)
        heapq.heappush(self._waiting, (revision, next(self._count), once))

    def when_fresh(self, ready: Ready) -> None:
        """Call back with True once the cache is as new as every write the store acknowledged before this call.

        Questions that come while the store is being asked share the next one.
        """
        self._asking.append(ready)
        if not self._ask_running:
            self._ask_running = True
            self._ctx.after_drain(self._spawn_ask)

    def _spawn_ask(self) -> None:
        self._ctx.spawn(self._ask_revision(), "freshness")

    async def _ask_revision(self) -> None:
        while self._asking:
            asked, self._asking = self._asking, []
            try:
                reply = await self._ctx.request(self._store, STATUS, None, timeout_s=FRESHNESS_TIMEOUT_S)
            except RequestError:
                for ready in asked:
                    ready(False)
                continue
            revision: int = reply.body["revision"]
            self._want(revision)
            for ready in asked:
                self.when_at(revision, ready)
        self._ask_running = False

    # Following

    def _on_log(self, publication: Publication) -> None:
        if self._cache.revision == 0:
            return
        prev, events, through = publication.body
        if through >= self._cache.revision:
            self._heard_s = self._ctx.monotonic_s()
        self._follow(prev, events, through, publication.blobs)

    def _follow(self, prev: int, events: Sequence[Any], through: int, blobs: Sequence[bytes]) -> None:
        changes = self._cache.follow(prev, events, through, blobs)
        if isinstance(changes, Gap):
            self._want(through)
            return
        if changes:
            self._on_changes(changes)
        while self._waiting and self._waiting[0][0] <= self._cache.revision:
            heapq.heappop(self._waiting)[2](True)

    def _want(self, revision: int) -> None:
        """The store has reached a revision. What the log hasn't told by now is asked for."""
        if revision > self._wanted:
            self._wanted = revision
        if self._wanted > self._cache.revision:
            self._wake.set()

    async def _keep_up(self) -> None:
        """Fill gaps, and ask when the log is silent for too long."""
        while True:
            timer = asyncio.get_running_loop().call_later(SILENCE_MAX_S, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            behind = self._wanted > self._cache.revision
            if behind:
                await self._ctx.sleep(0.002)  # the publication is often on its way
            silent = self._ctx.monotonic_s() - self._heard_s >= SILENCE_MAX_S
            if self._wanted > self._cache.revision or silent:
                await self._catch_up()

    async def _catch_up(self) -> None:
        """Ask for the log since the cache's revision until what is known to exist is here."""
        while True:
            since = self._cache.revision
            try:
                reply = await self._ctx.request(self._store, WATCH, {"since": since})
            except RequestFailed as failure:
                if failure.code == "Compacted":
                    await self._load()
                    self._on_reload()
                    continue
                if failure.code == "FutureRevision":  # a restored backup, say: what we know is not the store's past
                    raise RuntimeError(f"the store is not at revision {since} any more") from failure
                await self._ctx.sleep(RETRY_S)
                continue
            except RequestError:
                await self._ctx.sleep(RETRY_S)
                continue
            self._heard_s = self._ctx.monotonic_s()
            _, events, through = reply.body
            self._follow(since, events, through, reply.blobs)
            if self._cache.revision >= self._wanted:
                return
            if not events:
                await self._ctx.sleep(RETRY_S)

    # Loading

    async def _load(self) -> None:
        """Read everything at one revision, a little in the past where the store's history allows it."""
        while True:
            try:
                status = (await self._ctx.request(self._store, STATUS)).body
                revision = max(status["compacted"], status["revision"] - WINDOW_REBUILT_REVISIONS, 1)
                if self._cache.revision:  # a reload: be done with the past
                    revision = status["revision"]
                rows = await self._read_all(revision)
            except RequestError:
                await self._ctx.sleep(RETRY_S)
                continue
            self._cache.load(iter(rows), revision)
            self._wanted = max(self._wanted, status["revision"])
            return

    async def _read_all(self, revision: int) -> list[tuple[bytes, Entry]]:
        rows: list[tuple[bytes, Entry]] = []
        key = PREFIX
        while True:
            question = {"key": key, "range_end": PREFIX_END, "revision": revision, "limit": LOAD_PAGE}
            reply = await self._ctx.request(self._store, RANGE, question)
            _, pairs, more, _ = reply.body
            for pair, blob in zip(pairs, reply.blobs, strict=True):
                rows.append((pair[0], Entry(blob, pair[2], pair[1])))
            if not more or not pairs:
                return rows
            key = pairs[-1][0] + b"\0"
