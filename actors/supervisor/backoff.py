"""When a process that ended is started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RESTART_DELAY_S: Final = 0.1
RESTART_DELAY_MAX_S: Final = 10.0
#: A process that ran this long was healthy: its next end counts as the first again.
HEALTHY_AFTER_S: Final = 10.0


@dataclass(slots=True)
class Backoff:
    """The first restart comes at once, each further one after twice as long, until a process stays healthy."""

    ends_in_a_row: int = 0

    def delay_s(self, ran_s: float) -> float:
        """How long to wait after a process that ran for `ran_s` has ended."""
        if ran_s >= HEALTHY_AFTER_S:
            self.ends_in_a_row = 0
        self.ends_in_a_row += 1
        if self.ends_in_a_row == 1:
            return 0.0
        exponent = min(self.ends_in_a_row - 2, 32)
        return float(min(RESTART_DELAY_S * 2**exponent, RESTART_DELAY_MAX_S))
