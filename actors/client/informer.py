"""Informers: a cache of one watch stream, exact by its chain of revisions.

How it stays exact (the protocol is in `actors.apimachinery.stream`): subscribe to the stream's topic, list, ask for
what happened since the list; from then on a publication that continues the chain is applied, one that shows a gap makes
the informer ask for what it missed, and when that has left the server's window it lists again. Its `revision` never
goes back, and its content is always the state of the collection at that revision.

*Read your writes.* The answer to one's own write may be seen before the watch tells of it. `observe` puts it into the
cache at once; it stays until the stream has passed its revision, and older events don't undo it. So a controller never
acts on a view that lacks what it did itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from actors.apimachinery.meta import Key, key_of, revision_of
from actors.apimachinery.operation import WATCH, Object, decode_object
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import ADDED, DELETED, MODIFIED, PROGRESS_IDLE_S, RENEWAL_S, Stream
from actors.apimachinery.user import USER
from actors.client.client import Client
from broker.context import RequestFailed, RequestTimeout
from broker.message import Cause, Publication

IndexFunction = Callable[[Object], Iterable[str]]
EventHandler = Callable[[str, Object, Object | None], None]

LIST_PAGE_SIZE: Final = 500
#: With nothing heard of the stream for this long, the informer asks.
SILENCE_MAX_S: Final = 2.5 * PROGRESS_IDLE_S
#: After an error from the API server, ask again after this long.
RETRY_S: Final = 0.2


class Informer:
    """The objects of a stream, kept up to date. Objects in it are shared: copy before changing."""

    def __init__(self, client: Client, stream: Stream) -> None:
        self.stream = stream
        self.resource = stream.resource
        self.revision = 0
        """The cache shows the collection as it was at this store revision."""
        self._client = client
        self._ctx = client.ctx
        self._objects: dict[Key, Object] = {}
        self._ahead: dict[Key, int] = {}
        """Keys whose state came from `observe`, with its revision, until the stream has reached it."""
        self._indexes: dict[str, tuple[IndexFunction, dict[str, dict[Key, None]]]] = {}
        self._handlers: list[EventHandler] = []
        self._wake = asyncio.Event()
        self._synced = asyncio.Event()
        self._must_list = True
        self._must_ask = True
        self._heard_s = 0.0
        self._started = False
        self._refusal = ""

    # Reading

    def get(self, key: Key) -> Object | None:
        """The object of that key."""
        return self._objects.get(key)

    def items(self) -> list[Object]:
        """All objects."""
        return list(self._objects.values())

    def in_namespace(self, namespace: str) -> list[Object]:
        """The objects of a namespace."""
        return [obj for key, obj in self._objects.items() if key.namespace == namespace]

    def by_index(self, name: str, value: str) -> list[Object]:
        """The objects for which the index's function gave the value."""
        return [self._objects[key] for key in self._indexes[name][1].get(value, ())]

    def __len__(self) -> int:
        return len(self._objects)

    def is_ahead(self, key: Key) -> bool:
        """Whether what is shown of a key is an own write that the stream has not told of yet."""
        return key in self._ahead

    # Setting up

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Keep an index; the function gives an object's values in it."""
        if name in self._indexes:
            return
        table: dict[str, dict[Key, None]] = {}
        self._indexes[name] = (function, table)
        for key, obj in self._objects.items():
            for value in function(obj):
                table.setdefault(value, {})[key] = None

    def on_event(self, handler: EventHandler) -> None:
        """Have each change told: type, object, and its state before. Runs acting on the change's cause."""
        self._handlers.append(handler)

    async def start(self) -> None:
        """Begin to follow; returns when the cache shows a state at least as new as the call."""
        if not self._started:
            self._started = True
            self._ctx.show_view(self)
            self._ctx.subscribe(self.stream.topic, self._on_publication)
            self._client.on_server_start(self._on_server_start)
            self._ctx.spawn(self._follow(), f"informer {self.stream.topic}")
        await self._synced.wait()

    async def refresh(self) -> None:
        """Ask now what happened: the cache is then as new as what the server showed to anybody before this call.

        Once started. When the server doesn't answer the cache stays as it is, and is brought up to date later.
        """
        with contextlib.suppress(RequestFailed, RequestTimeout):
            await self._ask()

    def stop(self) -> None:
        """Cease to follow. The registration at the server lapses by itself."""
        self._ctx.unsubscribe(self.stream.topic)
        self._started = False
        self._wake.set()

    # Following

    async def _follow(self) -> None:
        while self._started:
            try:
                if self._must_list:
                    await self._list()
                if self._must_ask:
                    await self._ask()
            except (RequestTimeout, RequestFailed, ApiError) as error:
                self._tell_refusal(error)
                await self._ctx.sleep(RETRY_S * (1 + self._ctx.random.random()))
                continue
            await self._wait()

    def _tell_refusal(self, error: Exception) -> None:
        """Somebody without the right to list or watch goes on trying, and whoever looks into the log sees why."""
        refused = (isinstance(error, ApiError) and error.code == 403) or (
            isinstance(error, RequestFailed) and error.code == "Forbidden"
        )
        if refused and str(error) != self._refusal:
            self._refusal = str(error)
            sys.stderr.write(f"{self._ctx.name}: {self.stream.topic}: {self._refusal}\n")
            sys.stderr.flush()

    async def _wait(self) -> None:
        """Until there is something to ask, the registration wants renewal, or the stream has been silent too long."""
        asked_s = self._ctx.monotonic_s()
        while self._started and not (self._must_ask or self._must_list):
            now_s = self._ctx.monotonic_s()
            until_s = min(asked_s + RENEWAL_S, max(self._heard_s, asked_s) + SILENCE_MAX_S)
            if now_s >= until_s:
                self._must_ask = True
                return
            self._wake.clear()
            timer = asyncio.get_running_loop().call_later(until_s - now_s, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    def _on_server_start(self) -> None:
        self._must_ask = True
        self._wake.set()

    async def _list(self) -> None:
        items: list[Object] = []
        token, revision = "", 0
        while True:
            page = await self._client.list(
                self.stream.resource,
                self.stream.namespace,
                label_selector=self.stream.label_selector,
                field_selector=self.stream.field_selector,
                limit=LIST_PAGE_SIZE,
                continue_token=token,
            )
            items.extend(page.items)
            revision = page.revision
            token = page.continue_token
            if not token:
                break
        self._must_list, self._must_ask = False, True
        self._replace(items, revision)

    async def _ask(self) -> None:
        """Ask what happened since; this also registers the stream with the server."""
        self._must_ask = False
        question: dict[str, Any] = {
            "resource": self.stream.resource,
            "namespace": self.stream.namespace,
            "labelSelector": self.stream.label_selector,
            "fieldSelector": self.stream.field_selector,
            "since": self.revision,
        }
        if self._client.user is not None:
            question[USER] = self._client.user.wire()
        try:
            reply = await self._ctx.request(self._client.target, WATCH, question)
        except RequestFailed as failure:
            self._must_ask = True
            if failure.code == "Expired":
                self._must_list = True
                return
            raise
        except RequestTimeout:
            self._must_ask = True
            raise
        self._apply(reply.body, reply.blobs, reply.received_s)
        self._synced.set()

    def _on_publication(self, publication: Publication) -> None:
        if self._synced.is_set():
            self._apply(publication.body, publication.blobs, publication.received_s)

    def _apply(self, body: Any, blobs: list[bytes], received_s: float) -> None:
        prev, events, through = body
        self._heard_s = self._ctx.monotonic_s()
        if through <= self.revision:
            return
        if prev > self.revision:
            self._must_ask = True
            self._wake.set()
            return
        for (kind, revision, namespace, name, operation_id, _wall_s), blob in zip(events, blobs, strict=True):
            if revision > self.revision:
                cause = Cause(operation_id, revision, received_s)
                self._apply_event(kind, Key(namespace, name), revision, blob, cause)
        self.revision = through
        self._settle_ahead()

    def _apply_event(self, kind: str, key: Key, revision: int, blob: bytes, cause: Cause) -> None:
        ahead = self._ahead.get(key)
        if ahead is not None:
            if revision < ahead:
                return
            del self._ahead[key]
            if revision == ahead and kind != DELETED and key in self._objects:
                return  # it is what `observe` showed already
        with self._ctx.acting_on(cause):
            if kind == DELETED:
                self._remove(key, decode_object(blob, revision))
            else:
                self._put(key, decode_object(blob, revision))

    def _settle_ahead(self) -> None:
        """Own writes that the stream has passed without telling of them do not belong to it (its selector)."""
        if not self._ahead:
            return
        passed = [key for key, revision in self._ahead.items() if revision <= self.revision]
        for key in passed:
            del self._ahead[key]
            if key in self._objects:
                self._remove(key, self._objects[key])

    def _replace(self, items: list[Object], revision: int) -> None:
        """Take over a list's answer, telling the differences."""
        received_s = self._ctx.wall_s()
        kept = {key: rev for key, rev in self._ahead.items() if rev > revision}
        self._ahead = kept
        listed = {key_of(obj): obj for obj in items}
        for key in [key for key in self._objects if key not in listed and key not in kept]:
            with self._ctx.acting_on(Cause("", revision, received_s)):
                self._remove(key, self._objects[key])
        for key, obj in listed.items():
            if key in kept:
                continue
            known = self._objects.get(key)
            if known is None or revision_of(known) != revision_of(obj):
                with self._ctx.acting_on(Cause(f"@{revision_of(obj)}", revision_of(obj), received_s)):
                    self._put(key, obj)
        self.revision = max(self.revision, revision)
        self._settle_ahead()

    # Own writes

    def observe(self, obj: Object) -> None:
        """Show the state a write of one's own was answered with, unless the stream knows it already."""
        revision = revision_of(obj)
        key = key_of(obj)
        if revision <= self.revision or revision <= self._ahead.get(key, 0):
            return
        self._ahead[key] = revision
        with self._ctx.acting_on(Cause(f"@{revision}", revision, self._ctx.wall_s())):
            self._put(key, obj)

    def observe_deleted(self, key: Key, revision: int) -> None:
        """Show that an object is gone, which a delete of one's own at that revision was answered with."""
        if revision <= self.revision or revision <= self._ahead.get(key, 0):
            return
        self._ahead[key] = revision
        if key in self._objects:
            with self._ctx.acting_on(Cause(f"@{revision}", revision, self._ctx.wall_s())):
                self._remove(key, self._objects[key])

    # The cache itself

    def _put(self, key: Key, obj: Object) -> None:
        old = self._objects.get(key)
        self._objects[key] = obj
        if self._indexes:
            self._reindex(key, old, obj)
        for handler in self._handlers:
            handler(MODIFIED if old is not None else ADDED, obj, old)

    def _remove(self, key: Key, last: Object) -> None:
        old = self._objects.pop(key, None)
        if old is None:
            return
        self._reindex(key, old, None)
        for handler in self._handlers:
            handler(DELETED, last, old)

    def _reindex(self, key: Key, old: Object | None, new: Object | None) -> None:
        for function, table in self._indexes.values():
            before = list(function(old)) if old is not None else []
            after = list(function(new)) if new is not None else []
            if before == after:
                continue
            for value in before:
                keys = table.get(value)
                if keys is not None:
                    keys.pop(key, None)
                    if not keys:
                        del table[value]
            for value in after:
                table.setdefault(value, {})[key] = None


class InformerSet:
    """The informers of one actor: equal streams are followed once."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._informers: dict[Stream, Informer] = {}

    def of(self, resource: str, namespace: str = "", label_selector: str = "", field_selector: str = "") -> Informer:
        """The informer of a stream, made when it is asked for first. Selectors in canonical form."""
        stream = Stream(resource, namespace, label_selector, field_selector)
        informer = self._informers.get(stream)
        if informer is None:
            informer = self._informers[stream] = Informer(self.client, stream)
        return informer

    def whole(self, resource: str) -> Informer | None:
        """The informer of a whole collection, if there is one."""
        return self._informers.get(Stream(resource))

    def forget(self, resource: str) -> None:
        """Cease to follow a whole collection."""
        informer = self._informers.pop(Stream(resource), None)
        if informer is not None:
            informer.stop()

    async def start(self) -> None:
        """Start all; returns when every one is synced."""
        await asyncio.gather(*(informer.start() for informer in self._informers.values()))

    async def reach(self, revision: int) -> None:
        """Return when all of them show a state at least as new as a revision. Once started."""
        while behind := [informer for informer in self._informers.values() if informer.revision < revision]:
            await asyncio.gather(*(informer.refresh() for informer in behind))
            if any(informer.revision < revision for informer in behind):
                await self.client.ctx.sleep(RETRY_S)
