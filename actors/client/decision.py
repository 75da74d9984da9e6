"""What a controller decides: plain data, so that deciding is a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from actors.apimachinery.operation import Object, Operation


@dataclass(frozen=True, slots=True)
class EventNote:
    """An event to record about an object, as `kubectl get events` shows it."""

    about: Object
    """The object (apiVersion, kind and metadata are what is used of it)."""
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    field_path: str = ""
    """Part of the object, such as ``spec.containers{web}``."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about one key: writes in order, events to record, and when to look again unasked."""

    writes: Sequence[Operation] = field(default_factory=tuple)
    events: Sequence[EventNote] = field(default_factory=tuple)
    requeue_after_s: float | None = None
    """Look again after this long even if nothing happens (deadlines, minReadySeconds); None: no need."""


NOTHING_TO_DO = Decision()
