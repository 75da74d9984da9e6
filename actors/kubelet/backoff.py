"""Back-off as client-go's `flowcontrol.Backoff` keeps it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Of restarts of crashing containers, and of pulls of images that fail (kubelet's constants).
BACKOFF_INITIAL_S: Final = 10.0
BACKOFF_MAX_S: Final = 300.0
#: An entry older than this counts for nothing: a container that ran for so long starts over.
FORGOTTEN_AFTER_S: Final = 2 * BACKOFF_MAX_S


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to hold off after the next failure."""

    delay_s: float
    updated_s: float

    def expired(self, event_s: float) -> bool:
        """Whether the entry had lapsed when the event happened."""
        return event_s - self.updated_s > FORGOTTEN_AFTER_S


def until_s(backoff: Backoff | None, event_s: float) -> float:
    """Until when to hold off after something that failed at `event_s`; `event_s` itself when not at all."""
    if backoff is None or backoff.expired(event_s):
        return event_s
    return event_s + backoff.delay_s


def next_backoff(backoff: Backoff | None, now_s: float, event_s: float) -> Backoff:
    """The entry after one more try: 10 s, then doubling up to 300 s."""
    if backoff is None or backoff.expired(event_s):
        return Backoff(BACKOFF_INITIAL_S, now_s)
    return Backoff(min(backoff.delay_s * 2, BACKOFF_MAX_S), now_s)


def format_duration(seconds: float) -> str:
    """A duration as Go prints it: ``10s``, ``1m20s``, ``1.5s``, ``350ms``."""
    if seconds < 1:
        return "0s" if seconds <= 0 else f"{seconds * 1000:.6g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
