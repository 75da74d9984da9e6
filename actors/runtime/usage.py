"""What containers use of their node, as CRI's stats: how much processor time so far, and how much memory now.

    LIST_CONTAINER_STATS reply   [[uid, namespace, pod, [[container, started_s, cpu_s, memory_bytes], ...]], ...]

Processor time only grows while a container runs; whoever wants a rate looks twice (`CpuRates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

LIST_CONTAINER_STATS: Final = "list_container_stats"
RATE_WINDOW_MIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What one container uses."""

    cpu_s: float = 0.0
    """Processor seconds since it started."""
    memory_bytes: int = 0
    """Its working set."""


class Counter(NamedTuple):
    """Processor time of one run of a container."""

    started_s: float
    cpu_s: float


class CpuRates:
    """Rates from two looks at counters that grow."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, Counter, float]] = {}
        """Of each counter: when it was looked at, what it was, and the rate that was told."""

    def update(self, counters: Mapping[str, Counter], now_s: float) -> dict[str, float]:
        """Cores that each uses: since the last look, or since its start when it is new or was started again.

        Looks less than `RATE_WINDOW_MIN_S` apart tell the same rate: a clock's ticks would be most of a new one.
        """
        seen: dict[str, tuple[float, Counter, float]] = {}
        for name, counter in counters.items():
            before = self._seen.get(name)
            if before is None or before[1].started_s != counter.started_s:
                seen[name] = (now_s, counter, _rate(counter.cpu_s, now_s - counter.started_s))
            elif 0 <= now_s - before[0] < RATE_WINDOW_MIN_S:
                seen[name] = before
            else:
                seen[name] = (now_s, counter, _rate(counter.cpu_s - before[1].cpu_s, now_s - before[0]))
        self._seen = seen
        return {name: rate for name, (_, _, rate) in seen.items()}


def _rate(cpu_s: float, window_s: float) -> float:
    return max(cpu_s, 0.0) / window_s if window_s > 0 else 0.0
