"""Holds what reaches the actors against the store's history, at every message.

- no acknowledged write is lost: whatever the API server says it did is in the store's log by then, at that revision
- a watcher's view is some past state of the store, and never goes back: each informer, whenever a message has reached
  its actor, shows exactly what its stream selects at the revision that it claims (but for own writes, which it may know
  ahead of its stream)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.apimachinery.meta import Key
from actors.apimachinery.resources import RESOURCES
from actors.apimachinery.selector import FieldSelector, LabelSelector
from actors.client.informer import Informer
from actors.simulation.message_surgery import WRITES
from actors.simulation.oracles import Oracles
from broker.message import unpack
from broker.simulation import SimulatedContext


@dataclass(slots=True)
class _Seen:
    """What is known of one informer."""

    kind: str
    labels: LabelSelector
    fields: FieldSelector
    revision: int = 0
    position: int = 0
    """How much of the history of its kind it has been held against."""
    expected: dict[Key, str] = field(default_factory=dict)
    """What it must show: by key the revision."""
    unchecked: dict[Key, None] = field(default_factory=dict)


class HistoryWitness:
    """A `Witness` that knows the store's history."""

    def __init__(self, oracles: Oracles) -> None:
        self._oracles = oracles
        self._asked: dict[str, list[list[Any]]] = {}
        self._seen: dict[int, tuple[Informer, _Seen | None]] = {}
        self.looks = 0
        """How many times a view or an answer was checked."""

    # Acknowledged writes

    def asked(self, message_id: str, operations: Sequence[list[Any]]) -> None:
        """A batch reaches the API server."""
        if any(operation[0] in WRITES for operation in operations):
            self._asked[message_id] = list(operations)

    def answered(self, message_id: str, frames: Sequence[bytes]) -> None:
        """An answer of the API server reaches the one who asked."""
        operations = self._asked.pop(message_id, None)
        if operations is None:
            return
        for operation, (code, revision, *_) in zip(operations, unpack(frames[1]), strict=False):
            verb, resource, namespace, name, _, options, *_ = operation
            if code >= 400 or verb not in WRITES or verb == "deletecollection" or options.get("dryRun"):
                continue
            self.looks += 1
            if revision and revision not in self._oracles.revisions:
                what = f"{verb} {resource} {namespace}/{name} was acknowledged at revision {revision}"
                self._oracles.object_to(f"{what}, at which the store has nothing")

    # Views

    def told(self, context: SimulatedContext) -> None:
        """A message has reached an actor: look at its informers."""
        for view in context.views:
            if isinstance(view, Informer):
                self._check(context.name, view)

    def _check(self, reader: str, informer: Informer) -> None:
        known = self._seen.get(id(informer))
        if known is None:
            known = self._seen[id(informer)] = (informer, _seen(informer))
        seen = known[1]
        if seen is None:
            return
        revision = informer.revision
        if revision < seen.revision:
            self._oracles.object_to(
                f"{reader}: the view of {informer.stream.topic} went back from {seen.revision} to {revision}"
            )
        if revision > seen.revision:
            self._advance(informer, seen, revision)
        if seen.unchecked:
            self._compare(reader, informer, seen)

    def _advance(self, informer: Informer, seen: _Seen, revision: int) -> None:
        history = self._oracles.history.get(seen.kind, [])
        seen.revision = revision
        while seen.position < len(history) and history[seen.position][0] <= revision:
            at, key, obj = history[seen.position]
            seen.position += 1
            if informer.stream.namespace not in ("", key.namespace):
                continue
            if (
                obj is not None
                and seen.labels.matches(obj["metadata"].get("labels") or {})
                and seen.fields.matches(obj)
            ):
                seen.expected[key] = str(at)
            else:
                seen.expected.pop(key, None)
            seen.unchecked[key] = None

    def _compare(self, reader: str, informer: Informer, seen: _Seen) -> None:
        for key in list(seen.unchecked):
            if informer.is_ahead(key):
                continue
            del seen.unchecked[key]
            self.looks += 1
            shown = informer.get(key)
            at = shown["metadata"].get("resourceVersion") if shown is not None else None
            if at != seen.expected.get(key):
                wanted = seen.expected.get(key) or "nothing"
                self._oracles.object_to(
                    f"{reader}: the view of {informer.stream.topic} at revision {seen.revision} shows {key} "
                    f"as of {at or 'never'}, not {wanted}"
                )


def _seen(informer: Informer) -> _Seen | None:
    """None for a kind that is not looked at."""
    resource = RESOURCES.get(informer.stream.resource)
    if resource is None or resource.kind == "Event":
        return None
    stream = informer.stream
    fields = FieldSelector.parse(stream.field_selector, resource.key, resource.selectable_fields)
    return _Seen(resource.kind, LabelSelector.parse(stream.label_selector), fields)


def committed(oracles: Oracles) -> dict[tuple[str, Key], str]:
    """Every object's revision as the store's log has it."""
    return {
        (kind, key): str(obj["metadata"]["resourceVersion"])
        for kind, table in oracles.objects.items()
        for key, obj in table.items()
    }
