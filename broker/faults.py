"""Faults of the fabric: what becomes of a message on its way.

A `FaultPolicy` is asked once a message and link; its answer is a list of delays, one for each copy that is delivered:
``[]`` drops the message, ``[0.0]`` delivers it, ``[0.0, 0.3]`` delivers it twice. Actors don't know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

#: The fate of a message that nothing happens to.
DELIVERED: Final[Sequence[float]] = (0.0,)
DROPPED: Final[Sequence[float]] = ()


class FaultPolicy(Protocol):
    """Decides the fate of messages."""

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        """The delays (seconds) of the copies to deliver."""
        ...


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """Each message, independently: dropped, doubled or late with a given probability. Late ones overtake each other."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_max_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("drop", "duplicate", "delay"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: {value} is not a probability (0 to 1)")
        if self.delay_max_s < 0:
            raise ValueError(f"delay_max_s: {self.delay_max_s} is negative")

    @staticmethod
    def from_plain(spec: Mapping[str, Any]) -> RandomFaults:
        """From a plain mapping with these names. Raises `ValueError` for an unknown name or a wrong value."""
        known = {"drop", "duplicate", "delay", "delay_max_s"}
        for name in spec:
            if name not in known:
                raise ValueError(f"{name}: unknown fault; known are {', '.join(sorted(known))}")
        return RandomFaults(**{name: float(value) for name, value in spec.items()})

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        draw = random.random()
        if draw < self.drop:
            return DROPPED
        draw -= self.drop
        if draw < self.duplicate:
            return (0.0, random.uniform(0.0, self.delay_max_s))
        draw -= self.duplicate
        if draw < self.delay:
            return (random.uniform(0.0, self.delay_max_s),)
        return DELIVERED
