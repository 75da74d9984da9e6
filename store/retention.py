"""How much history automatic compaction keeps: etcd's two modes, and a bound on memory.

`revision` keeps so many revisions; `periodic` keeps what is younger than so long. Whichever mode, and with none, the
watch log's keys and values in memory stay below a bound: when they exceed it, the older half is given up.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

Mode = Literal["revision", "periodic"]

#: Revisions that stay readable unless something else is asked for.
HISTORY_REVISIONS: Final = 50_000
#: Bound of the watch log's keys and values.
HISTORY_BYTES: Final = 128 * 1024 * 1024
#: Compaction waits until so-and-so large a part (a tenth) of the history can go: a sync is not worth a few revisions.
COMPACTION_STEPS: Final = 10
#: A period is looked at so many times.
SAMPLES: Final = 10

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


class InvalidRetention(ValueError):
    """The setting makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much history automatic compaction leaves. A limit of 0 is none."""

    revisions: int = HISTORY_REVISIONS
    bytes: int = HISTORY_BYTES
    period_s: float = 0.0


def read_retention(mode: str, retention: str, bytes_max: int = HISTORY_BYTES) -> HistoryLimits:
    """etcd's --auto-compaction-mode and --auto-compaction-retention. Raises `InvalidRetention`.

    A retention of 0 turns automatic compaction off. A plain number is revisions in the one mode, hours in the other.
    """
    if mode not in ("revision", "periodic"):
        raise InvalidRetention(f"auto-compaction-mode: {mode!r} is neither periodic nor revision")
    if not retention:
        return HistoryLimits(bytes=bytes_max)
    if retention == "0":
        return HistoryLimits(0, 0)
    if re.fullmatch(r"\d{1,18}", retention):
        number = int(retention)
        return HistoryLimits(number, bytes_max) if mode == "revision" else HistoryLimits(0, bytes_max, number * 3600.0)
    if mode == "revision":
        raise InvalidRetention(f"auto-compaction-retention: {retention!r} is not a number of revisions")
    if not _DURATION.fullmatch(retention):
        raise InvalidRetention(f"auto-compaction-retention: {retention!r} is not a duration such as 30m or 1h")
    period_s = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(retention))
    return HistoryLimits(0, bytes_max, period_s)


class Retention:
    """What may go, as time passes."""

    def __init__(self, limits: HistoryLimits) -> None:
        self._limits = limits
        self._samples: deque[tuple[float, int]] = deque()
        """When (in seconds) the store was at which revision, oldest first."""

    def target(self, revision: int, compacted: int, history_bytes: int, now_s: float) -> int:
        """The revision to compact at now; 0 for none. `compacted` is 0 when nothing was compacted yet."""
        limits = self._limits
        target = 0
        if limits.revisions:
            step = max(1, limits.revisions // COMPACTION_STEPS)
            if revision - limits.revisions >= compacted + step:
                target = revision - limits.revisions
        if limits.period_s:
            target = max(target, self._older_than_period(revision, now_s))
        if limits.bytes and history_bytes > limits.bytes:
            target = max(target, (revision + compacted) // 2)
        return target if target > compacted else 0

    def _older_than_period(self, revision: int, now_s: float) -> int:
        samples, period_s = self._samples, self._limits.period_s
        if not samples or now_s - samples[-1][0] >= period_s / SAMPLES:
            samples.append((now_s, revision))
        found = 0
        while samples and samples[0][0] <= now_s - period_s:
            found = samples.popleft()[1]
        return found
