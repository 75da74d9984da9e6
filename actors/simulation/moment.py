"""A moment in the causal trace: "after the third pod create, before its answer".

    when: {operation: create, resource: v1/pods, nth: 3, point: before-answer}
    when: {event: ADDED, resource: v1/pods, to: scheduler, point: before}

An operation is counted when its request first reaches the API server (repeats of a request don't count again); its
points are ``before`` it is carried out, ``before-answer``: it is done and its sender does not know it yet, and
``after-answer``. An event of a watch is counted at each reader it is told to; its points are ``before`` and ``after``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BEFORE: Final = "before"
BEFORE_ANSWER: Final = "before-answer"
AFTER_ANSWER: Final = "after-answer"
AFTER: Final = "after"
_POINTS: Final = {"operation": (BEFORE, BEFORE_ANSWER, AFTER_ANSWER), "event": (BEFORE, AFTER)}
_OPTIONAL: Final = ("resource", "name", "nth", "point", "by", "to")


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment. Empty fields match anything."""

    operation: str = ""
    """The verb; for subresources ``create binding``."""
    event: str = ""
    """ADDED, MODIFIED or DELETED; exactly one of `operation` and `event` is set."""
    resource: str = ""
    name: str = ""
    by: str = ""
    """The actor that asks."""
    to: str = ""
    """The reader that is told."""
    nth: int = 1
    point: str = BEFORE

    def matches_operation(self, sender: str, operation: list[Any]) -> bool:
        """Whether an operation on the wire is one of those that are counted."""
        verb, resource, _, name, subresource = operation[:5]
        asked = f"{verb} {subresource}" if subresource else verb
        return (
            asked == self.operation
            and self.resource in ("", resource)
            and self.name in ("", name)
            and self.by in ("", sender)
        )

    def matches_event(self, reader: str, resource: str, event: list[Any]) -> bool:
        """Whether an event of a watch stream is one of those that are counted."""
        return (
            event[0] == self.event
            and self.resource in ("", resource)
            and self.name in ("", event[3])
            and self.to in ("", reader)
        )

    def __str__(self) -> str:
        what = f"{self.operation or self.event} of {self.resource or 'anything'}{self.name and ' ' + self.name}"
        who = (f" by {self.by}" if self.by else "") + (f" told to {self.to}" if self.to else "")
        point = {BEFORE_ANSWER: "after (and before the answer to)", AFTER_ANSWER: "after the answer to"}
        return f"{point.get(self.point, self.point)} {what}{who} #{self.nth}"

    def to_plain(self) -> dict[str, Any]:
        """As it stands in a file."""
        plain = {name: getattr(self, name) for name in ("operation", "event", "resource", "name", "by", "to")}
        return {**{name: value for name, value in plain.items() if value}, "nth": self.nth, "point": self.point}

    @staticmethod
    def from_plain(spec: Any) -> Moment:
        """The reverse of `to_plain`. Raises `ValueError`, naming what is wrong."""
        if not isinstance(spec, Mapping) or ("operation" in spec) == ("event" in spec):
            raise ValueError("when: a moment names either an operation or an event")
        about = "operation" if "operation" in spec else "event"
        for name, value in spec.items():
            if name not in (about, *_OPTIONAL):
                raise ValueError(f"when: {name} is unknown")
            if name == "nth":
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    raise ValueError(f"when: nth: {value!r} is not a number from 1 on")
            elif not isinstance(value, str):
                raise ValueError(f"when: {name}: {value!r} is not a name")
        if spec.get("point", BEFORE) not in _POINTS[about]:
            raise ValueError(f"when: point: {spec['point']!r} is none of {', '.join(_POINTS[about])}")
        return Moment(**spec)
