"""Serving watch streams: registration, publications, and progress marks (the protocol is in `apimachinery.stream`).

A change is told once a stream: everything that happened while waiting messages were handled goes out as one
publication. Streams that had nothing to tell carry progress marks, so that a subscriber that lost the last publication
notices. Whoever has just joined gets some marks soon, because its subscription may not have been in force when the
first publications after its registration went out.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import Any, Final

from actors.apimachinery.selector import SelectorError
from actors.apimachinery.stream import HELLO_TOPIC, PROGRESS_BUSY_S, PROGRESS_IDLE_S, REGISTRATION_S, Stream
from actors.apiserver.follower import Follower
from actors.apiserver.served_resources import ServedResources
from actors.apiserver.storage_key import collection_of
from actors.apiserver.streams import Filter, Streams, Subscription, blob_of, row_of
from actors.apiserver.watch_cache import Change, WatchCache
from broker.context import Context
from broker.message import MalformedMessage, Request

#: After somebody joined a stream, it carries marks so much later.
MARKS_AFTER_JOINING_S: Final = (0.02, 0.1, 0.5)
HELLO_AFTER_S: Final = (0.0, 0.05, 0.2, 1.0)
#: The fault that keeps progress marks back (`broker.chaos`).
MISSING_BOOKMARKS: Final = "missing-bookmarks"


class _NoSuchResource(Exception):
    """A watch names a resource that isn't served."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no resource {key}")


class Watching:
    """The server's side of all streams."""

    def __init__(self, ctx: Context, resources: ServedResources, cache: WatchCache) -> None:
        self._ctx = ctx
        self._resources = resources
        self._cache = cache
        self.streams = Streams(resources)
        self._publishing = False
        self._due: list[tuple[float, int, str, bool]] = []
        self._count = count()
        self._timer: asyncio.TimerHandle | None = None

    def say_hello(self) -> None:
        """Tell subscribers, several times over the first second, that this incarnation is here."""
        loop = asyncio.get_running_loop()
        for after_s in HELLO_AFTER_S:
            loop.call_later(after_s, self._ctx.publish, HELLO_TOPIC, self._ctx.incarnation)

    # Telling changes

    def on_changes(self, changes: list[Change]) -> None:
        """Have changes told to whom they concern, with the end of this drain cycle."""
        if self.streams.take_in(changes) and not self._publishing:
            self._publishing = True
            self._ctx.after_drain(self._publish)
        for change in changes:
            if change.old is not None:
                change.old.forget_object()

    def on_reload(self) -> None:
        """What happened meanwhile is not known one by one: streams begin anew."""
        self.streams.begin_anew(self._cache.revision)

    def _publish(self) -> None:
        self._publishing = False
        through = self._cache.revision
        now_s = self._ctx.monotonic_s()
        for subscription, chapter in self.streams.take():
            self._ctx.publish(chapter.topic, [chapter.prev, chapter.rows, through], chapter.blobs)
            subscription.busy_until_s = now_s + PROGRESS_IDLE_S
            subscription.mark_due_s = now_s + PROGRESS_BUSY_S
            if subscription.mark_due_s < subscription.look_s:
                self._look_at(subscription, subscription.mark_due_s)

    # Joining

    def on_watch(self, request: Request, follower: Follower) -> None:
        """Method WATCH: register a stream, and tell what happened on it since a revision."""
        try:
            stream, since, chosen = self._read(request.body)
        except _NoSuchResource as error:
            request.fail("NotFound", str(error))
            return
        except (SelectorError, TypeError, ValueError, MalformedMessage) as error:
            request.fail("BadRequest", str(error))
            return

        def ready(reached: bool) -> None:
            if not reached or since < self._cache.floor:
                request.fail("Expired", f"too old resource version: {since} ({self._cache.floor})")
            else:
                self._join(request, stream, chosen, since)

        follower.when_at(since, ready)

    def _read(self, body: Any) -> tuple[Stream, int, Filter]:
        if not isinstance(body, dict):
            raise TypeError("a watch is a mapping")
        texts = [body.get(name) or "" for name in ("resource", "namespace", "labelSelector", "fieldSelector")]
        since = body.get("since") or 0
        if not all(isinstance(text, str) for text in texts) or isinstance(since, bool) or not isinstance(since, int):
            raise ValueError("a watch's resource, namespace and selectors are strings, its since a number")
        stream = Stream(*texts)
        resource = self._resources.get(stream.resource)
        if resource is None:
            raise _NoSuchResource(stream.resource)
        return stream, since, Filter.parse(resource, *texts[1:])

    def _join(self, request: Request, stream: Stream, chosen: Filter, since: int) -> None:
        now_s = self._ctx.monotonic_s()
        resource = self._resources.get(stream.resource)
        if resource is None:  # its definition went while the cache was catching up
            request.fail("NotFound", str(_NoSuchResource(stream.resource)))
            return
        subscription = self.streams.register(stream, chosen, resource, self._cache.revision)
        if not subscription.mark_due_s:
            subscription.mark_due_s = now_s + PROGRESS_IDLE_S
            self._look_at(subscription, subscription.mark_due_s)
        if subscription.subscribers.get(request.sender, 0.0) < now_s:
            for after_s in MARKS_AFTER_JOINING_S:
                self._wake_at(now_s + after_s, stream.topic, joined=True)
        subscription.subscribers[request.sender] = subscription.expires_s = now_s + REGISTRATION_S
        rows, blobs = [], []
        for change in self._cache.collection(collection_of(resource)).changes_since(since):
            kind = chosen.seen_as(change)
            if kind is not None:
                rows.append(row_of(kind, change))
                blobs.append(blob_of(kind, change, resource))
        request.reply([since, rows, self._cache.revision], blobs)

    # Progress marks

    def _look_at(self, subscription: Subscription, at_s: float) -> None:
        """See then whether a regular mark is due. An earlier such plan for the stream is void."""
        subscription.look_s = at_s
        self._wake_at(at_s, subscription.stream.topic, joined=False)

    def _wake_at(self, at_s: float, topic: str, *, joined: bool) -> None:
        heapq.heappush(self._due, (at_s, next(self._count), topic, joined))
        if self._timer is None or self._due[0][0] == at_s:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            delay_s = max(0.0, self._due[0][0] - self._ctx.monotonic_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        now_s = self._ctx.monotonic_s()
        while self._due and self._due[0][0] <= now_s:
            at_s, _, topic, joined = heapq.heappop(self._due)
            subscription = self.streams.get(topic)
            if subscription is None:
                continue
            if joined:
                self._publish_mark(subscription)
            elif at_s == subscription.look_s:
                self._regular_mark(subscription, now_s)
        self._set_timer()

    def _regular_mark(self, subscription: Subscription, now_s: float) -> None:
        """Publish a progress mark unless something was told meanwhile; a stream that nobody follows ends here."""
        if subscription.expires_s <= now_s:
            self.streams.drop(subscription)
            return
        if now_s >= subscription.mark_due_s:
            self._publish_mark(subscription)
            busy = now_s < subscription.busy_until_s
            subscription.mark_due_s = now_s + (PROGRESS_BUSY_S if busy else PROGRESS_IDLE_S)
        self._look_at(subscription, subscription.mark_due_s)

    def _publish_mark(self, subscription: Subscription) -> None:
        missing = any(
            fault.details.get("resource") in (None, subscription.stream.resource)
            for fault in self._ctx.chaos.of(MISSING_BOOKMARKS)
        )
        if not subscription.rows and not missing:  # what is about to be told says as much
            self._ctx.publish(subscription.stream.topic, [subscription.prev, [], self._cache.revision])
