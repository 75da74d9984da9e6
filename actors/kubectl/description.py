"""What ``describe`` writes: labelled lines on levels, aligned in columns at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.duration import age, seconds_of
from actors.kubectl.last_applied import ANNOTATION as LAST_APPLIED
from actors.kubectl.tab_writer import align

ANNOTATION_LINE_MAX: Final = 140


def full_time(time: str | None) -> str:
    """A timestamp as RFC 1123 has it: ``Mon, 02 Jan 2006 15:04:05 +0000``."""
    at_s = seconds_of(time)
    if at_s is None:
        return time or "<unset>"
    return datetime.fromtimestamp(at_s, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


class Description:
    """Collects lines. Tabs separate the columns."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def line(self, level: int, text: str) -> None:
        """One line on a level (two blanks each)."""
        self._parts.append("  " * level + text + "\n")

    def labels(self, title: str, labels: Mapping[str, str] | None, *, indent: str = "") -> None:
        """Labels or a node selector, one a line."""
        shown = [f"{key}={labels[key]}" for key in sorted(labels)] if labels else []
        self.several(title, shown, indent=indent)

    def several(self, title: str, lines: Sequence[str], *, indent: str = "") -> None:
        """A title and values below one another; ``<none>`` for none."""
        for index, shown in enumerate(lines or ["<none>"]):
            self._parts.append(f"{indent}{title}:\t{shown}\n" if index == 0 else f"\t{shown}\n")

    def annotations(self, annotations: Mapping[str, str] | None, *, indent: str = "") -> None:
        """Annotations, long ones on lines of their own, without the one that ``apply`` keeps."""
        shown: list[str] = []
        for key in sorted(annotations or ()):
            if key == LAST_APPLIED:
                continue
            value = str((annotations or {})[key]).removesuffix("\n")
            if len(value) + len(key) + 2 <= ANNOTATION_LINE_MAX and "\n" not in value:
                shown.append(f"{key}: {value}")
                continue
            shown.append(f"{key}:")
            shown.extend(f"  {_shortened(part)}" for part in value.split("\n"))
        self.several("Annotations", shown, indent=indent)

    def events(self, events: Sequence[Object], now_s: float, *, with_field: bool = False) -> None:
        """The table of events, newest last; `with_field` names the part of the object (a container) before each."""
        if not events:
            self.line(0, "Events:\t<none>")
            return
        self.line(0, "Events:")
        self.line(1, "Type\tReason\tAge\tFrom\tMessage")
        self.line(1, "----\t------\t----\t----\t-------")
        for event in sorted(events, key=last_seen_s):
            source = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
            message = str(event.get("message") or "").strip()
            field = (event.get("involvedObject") or {}).get("fieldPath") if with_field else None
            message = f"{field}: {message}" if field else message
            kind, reason = event.get("type", ""), event.get("reason", "")
            self.line(1, f"{kind}\t{reason}\t{event_interval(event, now_s)}\t{source}\t{message}")

    def text(self) -> str:
        """Everything, aligned."""
        return align("".join(self._parts))

    def raw(self) -> str:
        """Everything, the tabs left in."""
        return "".join(self._parts)


def _shortened(text: str) -> str:
    return text if len(text) <= ANNOTATION_LINE_MAX else text[: ANNOTATION_LINE_MAX - 2] + "..."


def last_seen_s(event: Object) -> float:
    """When an event happened last, for sorting."""
    series = event.get("series") or {}
    time = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return seconds_of(time) or 0.0


def event_interval(event: Object, now_s: float) -> str:
    """``3m``, or ``10s (x5 over 2m)`` for an event that was repeated."""
    series = event.get("series")
    first = event.get("firstTimestamp") or event.get("eventTime")
    first_age = age(first, now_s)
    if series:
        return f"{age(series.get('lastObservedTime'), now_s)} (x{series.get('count', 1)} over {first_age})"
    count = int(event.get("count") or 1)
    if count > 1:
        return f"{age(event.get('lastTimestamp'), now_s)} (x{count} over {first_age})"
    return first_age


def truth(value: Any) -> str:
    """A boolean as describe writes it: ``True``."""
    return "True" if value else "False"
