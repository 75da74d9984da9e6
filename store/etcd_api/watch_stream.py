"""One Watch call: creates and cancels watches as its client asks, and keeps each told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from broker.context import Context, RequestFailed, RequestTimeout
from store import protocol
from store.etcd_api import messages
from store.etcd_api.answers import Identity
from store.etcd_api.refusal import Refusal, refusal_of
from store.etcd_api.watch_hub import STORE, WatchHub
from store.etcd_api.watcher import NO_WATCH, Change, Watcher, batches, new_watcher, refusal_to_watch, responses

#: Responses that wait for a client; what comes then is read from the store's log again when it has caught up.
QUEUE_MAX: Final = 128
#: How often a quiet watch that asked for it is told where the store is (etcd's default).
PROGRESS_INTERVAL_S: Final = 600.0
RETRY_S: Final = 0.1


class WatchStream:
    """The watches of one call. `sending` and `receiving` run until the call ends; then `close`."""

    def __init__(self, ctx: Context, hub: WatchHub, identity: Identity, progress_interval_s: float) -> None:
        self._ctx = ctx
        self._hub = hub
        self._identity = identity
        self._progress_interval_s = progress_interval_s
        self._watchers: dict[int, Watcher] = {}
        self._compacted_ids: set[int] = set()
        """Of watches that compaction ended: as in etcd they stay taken until the client cancels them too."""
        self._next_id = 0
        self._queue: deque[Any] = deque()
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._has_room.set()

    def close(self) -> None:
        """Forget every watch."""
        for watcher in self._watchers.values():
            self._hub.remove(watcher)
        self._watchers.clear()
        for task in self._tasks:
            task.cancel()

    def _has(self, watcher: Watcher) -> bool:
        return self._watchers.get(watcher.id) is watcher

    def _start(self, name: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Watcher) -> None:
        async def until_store_is_gone() -> None:
            try:
                await work(*arguments)
            except RequestTimeout as error:
                self._send(refusal_of(error))

        task = self._ctx.spawn(until_store_is_gone(), name)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    # -- to the client

    async def next_response(self) -> Any:
        """What the client is to be sent next. Raises `Refusal` when the store does not answer."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        response = self._queue.popleft()
        if len(self._queue) < QUEUE_MAX:
            self._has_room.set()
        if isinstance(response, Refusal):
            raise response
        return response

    def _send(self, response: Any) -> None:
        self._queue.append(response)
        self._filled.set()
        if len(self._queue) >= QUEUE_MAX:
            self._has_room.clear()

    def tell(self, watcher: Watcher, changes: Sequence[Change]) -> None:
        """Tell a synced watcher of new changes, each revision in a response of its own, as etcd does.

        It falls behind when its client's queue is full.
        """
        for revision, of_revision in groupby(changes, key=attrgetter("revision")):
            if not self._has_room.is_set():
                self.fall_behind(watcher, revision)
                return
            self._tell(watcher, list(of_revision), revision)

    def _tell(self, watcher: Watcher, changes: Sequence[Change], revision: int) -> None:
        watcher.quiet = False
        for response in responses(self._identity.header(revision), watcher, changes):
            self._send(response)

    # -- from the client

    async def on_request(self, request: Any) -> None:
        """Do what the client asks."""
        match request.WhichOneof("request_union"):
            case "create_request":
                await self._create(request.create_request)
            case "cancel_request":
                await self._cancel(request.cancel_request.watch_id)
            case "progress_request":
                self._start("watch-progress", self._report_progress)

    async def _revision(self) -> int:
        reply = await self._ctx.request(STORE, protocol.STATUS)
        revision: int = reply.body["revision"]
        self._hub.follow(revision)
        return revision

    async def _create(self, request: Any) -> None:
        revision = await self._revision()
        header = self._identity.header(revision)
        reason = refusal_to_watch(request, self._watchers.keys() | self._compacted_ids)
        if reason:
            self._send(
                messages.WatchResponse(
                    header=header, watch_id=NO_WATCH, created=True, canceled=True, cancel_reason=reason
                )
            )
            return
        watcher = new_watcher(request, request.watch_id or self._free_id(), revision)
        watcher.stream = self
        self._watchers[watcher.id] = watcher
        self._hub.add(watcher)
        self._send(messages.WatchResponse(header=header, watch_id=watcher.id, created=True))
        if watcher.next_revision > self._hub.revision and not watcher.wants_prev_kv:
            watcher.synced = True
        else:
            self._start("watch-catch-up", self._catch_up, watcher)
        if watcher.wants_progress:
            self._start("watch-notify", self._report_when_quiet, watcher)

    def _free_id(self) -> int:
        while self._next_id in self._watchers or self._next_id in self._compacted_ids:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    async def _cancel(self, watch_id: int) -> None:
        watcher = self._watchers.pop(watch_id, None)
        if watcher is not None:
            self._hub.remove(watcher)
        elif watch_id in self._compacted_ids:
            self._compacted_ids.discard(watch_id)
        else:
            return
        header = self._identity.header(self._hub.revision)
        self._send(messages.WatchResponse(header=header, watch_id=watch_id, canceled=True))

    # -- what is behind

    def fall_behind(self, watcher: Watcher, revision: int) -> None:
        """Have a watcher read from the log what begins with a revision."""
        watcher.synced = False
        watcher.next_revision = revision
        self._start("watch-catch-up", self._catch_up, watcher)

    async def _catch_up(self, watcher: Watcher) -> None:
        """Read the log until the watcher knows what the hub knows."""
        while self._has(watcher):
            await self._has_room.wait()
            if watcher.next_revision > self._hub.revision:
                watcher.synced = True
                return
            try:
                changes, through = await self._hub.read(watcher.next_revision - 1, watcher.wants_prev_kv)
            except RequestTimeout:
                continue
            except RequestFailed as error:
                if error.code == "Compacted":
                    await self._cancel_compacted(watcher)
                    return
                await self._ctx.sleep(RETRY_S)
                continue
            if not self._has(watcher):
                return
            wanted = [change for change in changes if watcher.wants(change)]
            for batch in batches(wanted):
                self._tell(watcher, batch, through)
            watcher.next_revision = max(watcher.next_revision, through + 1)

    async def _cancel_compacted(self, watcher: Watcher) -> None:
        reply = await self._ctx.request(STORE, protocol.STATUS)
        if not self._has(watcher):
            return
        del self._watchers[watcher.id]
        self._compacted_ids.add(watcher.id)
        self._hub.remove(watcher)
        self._send(
            messages.WatchResponse(
                header=self._identity.header(0),  # as etcd has it
                watch_id=watcher.id,
                canceled=True,
                compact_revision=reply.body["compacted"],
            )
        )

    # -- progress

    async def _synced_revision(self, *watchers: Watcher) -> int:
        """A revision of now up to which everything was sent to the watchers (no one: to all)."""
        wanted = await self._revision()
        while True:
            behind = any(not watcher.synced for watcher in watchers or self._watchers.values())
            if not behind and self._hub.revision >= wanted:
                return self._hub.revision
            await self._ctx.sleep(0.01)

    async def _report_progress(self) -> None:
        revision = await self._synced_revision()
        self._send(messages.WatchResponse(header=self._identity.header(revision), watch_id=NO_WATCH))

    async def _report_when_quiet(self, watcher: Watcher) -> None:
        while True:
            watcher.quiet = True
            await self._ctx.sleep(self._progress_interval_s * (1 + self._ctx.random.random() / 10))
            if not self._has(watcher):
                return
            if watcher.quiet:
                revision = await self._synced_revision(watcher)
                self._send(messages.WatchResponse(header=self._identity.header(revision), watch_id=watcher.id))
