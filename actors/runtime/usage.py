"""What containers use of their node, as CRI's stats: how much processor time so far, and how much memory now.

    LIST_CONTAINER_STATS reply   [[uid, namespace, pod, [[container, started_s, cpu_s, memory_bytes], ...]], ...]

Processor time only grows while a container runs; whoever wants a rate looks twice (`CpuRates`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

LIST_CONTAINER_STATS: Final = "list_container_stats"


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
        self._seen: dict[str, tuple[float, Counter]] = {}

    def update(self, counters: Mapping[str, Counter], now_s: float) -> dict[str, float]:
        """Cores that each uses: since the last look, or since its start when it is new or was started again."""
        rates: dict[str, float] = {}
        for name, counter in counters.items():
            since_s, before = self._seen.get(name, (counter.started_s, Counter(counter.started_s, 0.0)))
            if before.started_s != counter.started_s:
                since_s, before = counter.started_s, Counter(counter.started_s, 0.0)
            window_s = now_s - since_s
            rates[name] = max(counter.cpu_s - before.cpu_s, 0.0) / window_s if window_s > 0 else 0.0
        self._seen = {name: (now_s, counter) for name, counter in counters.items()}
        return rates
