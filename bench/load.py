"""What the benchmarks' clients are told and what they tell."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Final

#: Without any answer for so long, a benchmark gives up.
ANSWER_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """Clients that each have one request under way and ask again when it is answered."""

    clients: int
    connections: int
    """The clients share so many."""
    seconds: float
    calls_max: int = 1 << 60


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a load."""

    calls: int
    """All of them answered, none refused."""
    took_s: float
    latencies_s: list[float]

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.took_s

    @property
    def median_s(self) -> float:
        """The median latency."""
        return statistics.median(self.latencies_s)
