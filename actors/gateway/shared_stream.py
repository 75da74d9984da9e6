"""Watch streams of the API server, each followed once for any number of HTTP watches.

A `SharedStream` takes part in one stream (`actors.apimachinery.stream`) without keeping its objects: it knows how far
it has got, passes each event on to its watchers, and asks for what it missed. A watcher that begins at an older
revision asks for the events up to now itself; what arrives meanwhile waits in its queue, so nothing is lost in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from actors.apimachinery.operation import WATCH, Object, decode_object
from actors.apimachinery.stream import HELLO_TOPIC, PROGRESS_IDLE_S, RENEWAL_S, Stream
from actors.gateway.managed_fields import spell_out_managers
from broker.context import Context, RequestFailed, RequestTimeout
from broker.message import Publication

APISERVER: Final = "apiserver"
SILENCE_MAX_S: Final = 2.5 * PROGRESS_IDLE_S
RETRY_S: Final = 0.2
#: A watcher that is so many events behind is cut off; its client comes back and asks again.
QUEUE_MAX: Final = 10_000


class Expired(Exception):
    """The events since that revision are no longer known; the client must list again."""


@dataclass(slots=True)
class StreamEvent:
    """One event, decoded when it is first looked at, and then for all watchers."""

    kind: str
    revision: int
    blob: bytes
    _object: Object | None = None
    forms: dict[str, bytes] = field(default_factory=dict)
    """Its encodings, by the form they are in: made once for all watchers."""

    @property
    def object(self) -> Object:
        if self._object is None:
            self._object = decode_object(self.blob, self.revision)
            spell_out_managers(self._object)
        return self._object


class Watcher:
    """One HTTP watch of a stream."""

    def __init__(self, stream: SharedStream) -> None:
        self.stream = stream
        self._queue: deque[StreamEvent] = deque()
        self._wake = asyncio.Event()
        self._ended: Exception | None = None

    def offer(self, event: StreamEvent) -> None:
        """Take an event in."""
        if len(self._queue) >= QUEUE_MAX:
            self.end(TimeoutError("too slow"))
            return
        self._queue.append(event)
        self._wake.set()

    def end(self, why: Exception) -> None:
        """Nothing will come any more."""
        self._ended = why
        self._wake.set()

    def take(self) -> list[StreamEvent]:
        """What has come. Raises what ended the watch once everything before it was taken."""
        taken = list(self._queue)
        self._queue.clear()
        self._wake.clear()
        if self._ended is not None:
            if not taken:
                raise self._ended
            self._wake.set()
        return taken

    async def wait(self, timeout_s: float) -> None:
        """Until something comes, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return


async def ask_since(ctx: Context, stream: Stream, since: int) -> tuple[int, list[StreamEvent], int]:
    """Where the stream was, its events since a revision, and through which one. Registers it, too.

    Raises `Expired`, or `RequestError`.
    """
    question = {
        "resource": stream.resource,
        "namespace": stream.namespace,
        "labelSelector": stream.label_selector,
        "fieldSelector": stream.field_selector,
        "since": since,
    }
    try:
        reply = await ctx.request(APISERVER, WATCH, question)
    except RequestFailed as failure:
        if failure.code == "Expired":
            raise Expired from failure
        raise
    return _events_of(reply.body, reply.blobs)


def _events_of(body: Any, blobs: list[bytes]) -> tuple[int, list[StreamEvent], int]:
    prev, rows, through = body
    return prev, [StreamEvent(row[0], row[1], blob) for row, blob in zip(rows, blobs, strict=True)], through


class SharedStream:
    """One stream and its watchers."""

    def __init__(self, ctx: Context, stream: Stream, position: int) -> None:
        self.stream = stream
        self.position = position
        self.watchers: list[Watcher] = []
        self._ctx = ctx
        self._wake = asyncio.Event()
        self._must_ask = True
        self._heard_s = ctx.monotonic_s()
        self._ended = False

    def start(self) -> None:
        """Begin to follow."""
        self._ctx.subscribe(self.stream.topic, self._on_publication)
        self._ctx.spawn(self._follow(), f"stream {self.stream.topic}")

    def stop(self, why: Exception | None = None) -> None:
        """Cease to follow."""
        if self._ended:
            return
        self._ended = True
        self._ctx.unsubscribe(self.stream.topic)
        for watcher in self.watchers:
            watcher.end(why or ConnectionError("the gateway stops"))
        self._wake.set()

    @property
    def ended(self) -> bool:
        return self._ended

    def ask_now(self) -> None:
        """Ask what was missed; it also registers with a new incarnation of the server."""
        self._must_ask = True
        self._wake.set()

    async def _follow(self) -> None:
        while not self._ended:
            if self._must_ask:
                try:
                    self._must_ask = False
                    self._apply(*await ask_since(self._ctx, self.stream, self.position))
                except Expired as expired:
                    self.stop(expired)
                    return
                except (RequestFailed, RequestTimeout) as failure:
                    if isinstance(failure, RequestFailed) and failure.code == "NotFound":  # a deleted definition's
                        self.stop(ConnectionError("the resource is not served any more"))
                        return
                    self._must_ask = True
                    await self._ctx.sleep(RETRY_S * (1 + self._ctx.random.random()))
                    continue
            await self._wait()

    async def _wait(self) -> None:
        until_s = min(self._ctx.monotonic_s() + RENEWAL_S, self._heard_s + SILENCE_MAX_S)
        if not self._must_ask and not self._ended:
            self._wake.clear()
            try:
                async with asyncio.timeout(max(until_s - self._ctx.monotonic_s(), RETRY_S)):
                    await self._wake.wait()
            except TimeoutError:
                self._must_ask = True

    def _on_publication(self, publication: Publication) -> None:
        self._apply(*_events_of(publication.body, publication.blobs))

    def _apply(self, prev: int, events: list[StreamEvent], through: int) -> None:
        self._heard_s = self._ctx.monotonic_s()
        if self._ended or through <= self.position:
            return
        if prev > self.position:
            self.ask_now()
            return
        for event in events:
            if event.revision > self.position:
                for watcher in self.watchers:
                    watcher.offer(event)
        self.position = through


class StreamHub:
    """The streams that are being watched."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._streams: dict[Stream, SharedStream] = {}
        ctx.subscribe(HELLO_TOPIC, self._on_hello)

    def _on_hello(self, _publication: Publication) -> None:
        for shared in self._streams.values():
            shared.ask_now()

    def join(self, stream: Stream, position: int) -> Watcher:
        """A watcher of a stream that is followed from `position` when nobody follows it yet."""
        shared = self._streams.get(stream)
        if shared is None or shared.ended:
            shared = self._streams[stream] = SharedStream(self._ctx, stream, position)
            shared.start()
        watcher = Watcher(shared)
        shared.watchers.append(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Its client has gone."""
        shared = watcher.stream
        if watcher in shared.watchers:
            shared.watchers.remove(watcher)
        if not shared.watchers and self._streams.get(shared.stream) is shared:
            del self._streams[shared.stream]
            shared.stop()
