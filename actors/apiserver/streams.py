"""Watch streams: who is told of which change, and the chain of revisions each stream publishes.

Streams are indexed so that a change costs only the streams it can match: those of the whole resource, those of its
namespace, and those of the value that a field has (a thousand kubelets watch pods, each by its ``spec.nodeName``; a
pod's change is looked up, not tried on a thousand selectors). Only streams with other selectors are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from actors.apimachinery.resources import Resource
from actors.apimachinery.selectable_fields import field_value
from actors.apimachinery.selector import FieldSelector, LabelSelector
from actors.apimachinery.stream import ADDED, DELETED, MODIFIED, Stream
from actors.apiserver.conversion import shown_entry
from actors.apiserver.entry import Entry
from actors.apiserver.served_resources import ServedResources
from actors.apiserver.storage_key import collection_of
from actors.apiserver.watch_cache import Change

Row = list[Any]


class Filter:
    """What of a collection is seen: a namespace and selectors."""

    __slots__ = ("fields", "is_everything", "labels", "namespace")

    def __init__(self, namespace: str, labels: LabelSelector, fields: FieldSelector) -> None:
        self.namespace = namespace
        self.labels = labels
        self.fields = fields
        self.is_everything = labels.is_empty and fields.is_empty
        """Whether it has no selectors."""

    @classmethod
    def parse(cls, resource: Resource, namespace: str, labels: str, fields: str) -> Filter:
        """From texts. Raises `SelectorError`."""
        chosen = FieldSelector.parse(fields, resource.key, resource.selectable_fields)
        return cls(namespace, LabelSelector.parse(labels), chosen)

    def selects(self, entry: Entry) -> bool:
        """Whether an object of the right namespace is seen."""
        return self.is_everything or (self.labels.matches(entry.labels) and self.fields.matches(entry.object))

    def seen_as(self, change: Change) -> str | None:
        """How a change looks through it: ADDED, MODIFIED, DELETED, or not at all.

        An object that stops matching is gone for the watcher, one that begins to match is new.
        """
        if self.namespace and change.key.namespace != self.namespace:
            return None
        if self.is_everything:
            return change.type
        before = change.old is not None and self.selects(change.old)
        after = change.new is not None and self.selects(change.new)
        if before:
            return MODIFIED if after else DELETED
        return ADDED if after else None


@dataclass(slots=True)
class Subscription:
    """A stream that somebody follows."""

    stream: Stream
    filter: Filter
    resource: Resource
    """As it was when the stream began; a custom resource may have changed since."""
    collection: str
    prev: int
    """Revision of its last event; nothing happened on it between that and the next one published."""
    expires_s: float
    subscribers: dict[str, float] = field(default_factory=dict)
    """Who follows it, and until when they are known to."""
    rows: list[Row] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    busy_until_s: float = 0.0
    mark_due_s: float = 0.0
    """When a progress mark is due next."""
    look_s: float = 0.0
    """When `watching` looks whether one is."""


def row_of(kind: str, change: Change) -> Row:
    """A change as a stream tells of it."""
    key = change.key
    return [kind, change.revision, key.namespace, key.name, change.note, change.wall_s]


def blob_of(kind: str, change: Change, resource: Resource) -> bytes:
    """The object that goes with it: the new state, or for a DELETED the last one that belonged to the stream."""
    entry = change.old if kind == DELETED and change.old is not None else change.last
    return shown_entry(resource, entry).data


class _Group:
    """The subscriptions of one collection, by what can make them match."""

    def __init__(self) -> None:
        self.whole: dict[str, Subscription] = {}
        self.by_namespace: dict[str, dict[str, Subscription]] = {}
        self.by_field: dict[str, dict[str, dict[str, Subscription]]] = {}
        self.evaluated: dict[str, Subscription] = {}

    def _table(self, subscription: Subscription) -> dict[str, Subscription]:
        """Where a subscription is kept, by topic."""
        chosen = subscription.filter
        pinned = [(r.field, r.value) for r in chosen.fields.requirements if r.equal]
        if pinned:
            path, value = pinned[0]
            return self.by_field.setdefault(path, {}).setdefault(value, {})
        if not chosen.is_everything:
            return self.evaluated
        if chosen.namespace:
            return self.by_namespace.setdefault(chosen.namespace, {})
        return self.whole

    def add(self, subscription: Subscription) -> None:
        self._table(subscription)[subscription.stream.topic] = subscription

    def remove(self, subscription: Subscription) -> None:
        del self._table(subscription)[subscription.stream.topic]

    def candidates(self, change: Change) -> Iterator[Subscription]:
        """The subscriptions that a change could concern, each once."""
        yield from self.whole.values()
        of_namespace = self.by_namespace.get(change.key.namespace)
        if of_namespace:
            yield from of_namespace.values()
        for path, by_value in self.by_field.items():
            old = field_value(change.old.object, path) if change.old is not None else None
            new = field_value(change.new.object, path) if change.new is not None else None
            if old is not None and old in by_value:
                yield from by_value[old].values()
            if new is not None and new != old and new in by_value:
                yield from by_value[new].values()
        yield from self.evaluated.values()


@dataclass(frozen=True, slots=True)
class Chapter:
    """One publication on a stream."""

    topic: str
    prev: int
    rows: list[Row]
    blobs: list[bytes]


class Streams:
    """All subscriptions. Pure bookkeeping: `actor` publishes what `take` gives."""

    def __init__(self, resources: ServedResources) -> None:
        self._resources = resources
        self._by_topic: dict[str, Subscription] = {}
        self._groups: dict[str, _Group] = {}
        self._pending: dict[str, Subscription] = {}

    def __len__(self) -> int:
        return len(self._by_topic)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._by_topic.values()))

    def get(self, topic: str) -> Subscription | None:
        """The subscription of a topic, if anybody follows it."""
        return self._by_topic.get(topic)

    def register(self, stream: Stream, chosen: Filter, resource: Resource, revision: int) -> Subscription:
        """Begin to publish a stream, or go on with it. Everything up to `revision` counts as told."""
        known = self._by_topic.get(stream.topic)
        if known is not None:
            return known
        subscription = Subscription(stream, chosen, resource, collection_of(resource), revision, 0.0)
        self._by_topic[stream.topic] = subscription
        self._groups.setdefault(subscription.collection, _Group()).add(subscription)
        return subscription

    def drop(self, subscription: Subscription) -> None:
        """Publish it no more."""
        topic = subscription.stream.topic
        del self._by_topic[topic]
        self._groups[subscription.collection].remove(subscription)
        self._pending.pop(topic, None)

    def take_in(self, changes: list[Change]) -> bool:
        """Note what is to be told; whether anything is."""
        for change in changes:
            group = self._groups.get(change.collection)
            if group is None:
                continue
            for subscription in group.candidates(change):
                kind = subscription.filter.seen_as(change)
                if kind is not None:
                    subscription.rows.append(row_of(kind, change))
                    resource = self._resources.get(subscription.stream.resource) or subscription.resource
                    subscription.blobs.append(blob_of(kind, change, resource))
                    self._pending[subscription.stream.topic] = subscription
        return bool(self._pending)

    def begin_anew(self, revision: int) -> None:
        """What happened up to a revision can't be told: whoever isn't there sees a gap."""
        self._pending.clear()
        for subscription in self._by_topic.values():
            subscription.rows, subscription.blobs = [], []
            subscription.prev = revision

    def take(self) -> Iterator[tuple[Subscription, Chapter]]:
        """What is to be published now, one chapter for each stream."""
        pending, self._pending = self._pending, {}
        for topic, subscription in pending.items():
            rows, blobs = subscription.rows, subscription.blobs
            subscription.rows, subscription.blobs = [], []
            chapter = Chapter(topic, subscription.prev, rows, blobs)
            subscription.prev = rows[-1][1]
            yield subscription, chapter
