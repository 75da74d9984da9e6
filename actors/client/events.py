"""Events about objects, as ``kubectl get events`` and ``describe`` show them.

Recording returns at once and never fails. As in client-go (``tools/record``), in this order: repeats of the same event
raise its count; more than `SIMILAR_MAX` that differ in their message only, within `SIMILAR_WINDOW_S`, are combined; a
source may record `BURST_PER_OBJECT` about one object and then one every five minutes; sending is limited to a rate, and
what does not fit the buffer is lost. Events are hints for people: nothing may rest on them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object, Operation
from actors.client.client import Client
from actors.client.decision import EventNote
from broker.context import RequestError
from broker.message import Cause

SIMILAR_MAX: Final = 10
SIMILAR_WINDOW_S: Final = 600.0
BURST_PER_OBJECT: Final = 25
REFILL_PER_OBJECT_S: Final = 300.0
#: As the kubelet's eventRecordQPS and eventBurst.
SEND_RATE_PER_S: Final = 50.0
SEND_BURST: Final = 100
BUFFER_MAX: Final = 1000
REMEMBERED_MAX: Final = 4096
RESOURCE: Final = "v1/events"

_ObjectId = tuple[str, ...]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class _Bucket:
    """A token bucket, filled when it is looked at."""

    tokens: float
    filled_s: float

    def take(self, now_s: float, rate_per_s: float, burst: int) -> bool:
        self.tokens = min(burst, self.tokens + (now_s - self.filled_s) * rate_per_s)
        self.filled_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Similar:
    """Events that differ in their message only."""

    first_s: float
    messages: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Recorded:
    """An event that was sent before: its name, and how often it happened."""

    namespace: str
    name: str
    count: int
    first_time: str


class EventRecorder:
    """Records events of one component."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._ctx = client.ctx
        self._component = component
        self._host = host
        self._recorded: OrderedDict[tuple[str, ...], _Recorded] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._spam: OrderedDict[_ObjectId, _Bucket] = OrderedDict()
        self._outgoing: deque[Operation] = deque()
        self._rate = _Bucket(SEND_BURST, self._ctx.monotonic_s())
        self._sending = False
        self._sequence = 0

    def record(self, note: EventNote) -> None:
        """Record an event; it is sent in the background."""
        now_s = self._ctx.monotonic_s()
        about = note.about
        metadata = about["metadata"]
        object_id = (about.get("kind", ""), metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))
        message = self._combined(object_id, note, now_s)
        bucket = _remembered(self._spam, object_id, lambda: _Bucket(BURST_PER_OBJECT, now_s))
        if not bucket.take(now_s, 1 / REFILL_PER_OBJECT_S, BURST_PER_OBJECT):
            return
        identity = (*object_id, note.field_path, note.type, note.reason, message)
        recorded = self._recorded.get(identity)
        operation = self._repeat(recorded, message) if recorded else self._first(identity, note, message)
        if len(self._outgoing) < BUFFER_MAX:
            self._outgoing.append(operation)
        if not self._sending:
            self._sending = True
            self._ctx.spawn(self._send(), "events")

    def _combined(self, object_id: _ObjectId, note: EventNote, now_s: float) -> str:
        """The message, or the one that stands for many similar ones."""
        group = (*object_id, note.type, note.reason)
        similar = _remembered(self._similar, group, lambda: _Similar(now_s))
        if now_s - similar.first_s > SIMILAR_WINDOW_S:
            similar.first_s = now_s
            similar.messages.clear()
        similar.messages[note.message] = None
        if len(similar.messages) <= SIMILAR_MAX:
            return note.message
        del similar.messages[note.message]
        return f"(combined from similar events): {note.message}"

    def _first(self, identity: tuple[str, ...], note: EventNote, message: str) -> Operation:
        wall_s = self._ctx.wall_s()
        about = note.about
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        self._sequence += 1
        name = f"{metadata['name']}.{int(wall_s * 1e6) * 1000 + self._sequence % 1000:x}"
        time = format_time(wall_s)
        self._recorded[identity] = _Recorded(namespace, name, 1, time)
        while len(self._recorded) > REMEMBERED_MAX:
            self._recorded.popitem(last=False)
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": _reference(about, note.field_path),
            "reason": note.reason,
            "message": message,
            "source": source,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
            "type": note.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }
        return Operation("create", RESOURCE, namespace, name, "", event, {}, self._cause())

    def _repeat(self, recorded: _Recorded, message: str) -> Operation:
        recorded.count += 1
        patch = {
            "count": recorded.count,
            "lastTimestamp": format_time(self._ctx.wall_s()),
            "message": message,
        }
        options = {"patchType": "merge"}
        return Operation("patch", RESOURCE, recorded.namespace, recorded.name, "", patch, options, self._cause())

    def _cause(self) -> Cause:
        return self._ctx.cause

    async def _send(self) -> None:
        """Send what is there, in batches, no faster than the rate."""
        while self._outgoing:
            batch: list[Operation] = []
            now_s = self._ctx.monotonic_s()
            while self._outgoing and self._rate.take(now_s, SEND_RATE_PER_S, SEND_BURST):
                batch.append(self._outgoing.popleft())
            if batch:
                try:
                    await self._client.batch(batch)
                except RequestError:
                    continue  # lost: an event is a hint
            else:
                await self._ctx.sleep(10 / SEND_RATE_PER_S)
        self._sending = False


def _reference(about: Object, field_path: str) -> Object:
    metadata = about["metadata"]
    reference: Object = {"kind": about.get("kind", ""), "name": metadata["name"]}
    if about.get("apiVersion"):
        reference["apiVersion"] = about["apiVersion"]
    for name in ("namespace", "uid", "resourceVersion"):
        if metadata.get(name):
            reference[name] = metadata[name]
    if field_path:
        reference["fieldPath"] = field_path
    return reference


def _remembered(table: OrderedDict[K, V], key: K, new: Callable[[], V]) -> V:
    """The value of a key, made when it is new; the least recently used are forgotten."""
    value = table.get(key)
    if value is None:
        value = table[key] = new()
        if len(table) > REMEMBERED_MAX:
            table.popitem(last=False)
    else:
        table.move_to_end(key)
    return value
