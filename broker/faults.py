"""Faults of the fabric: what becomes of a message on its way.

A `FaultPolicy` is asked once a message and link; its answer is a list of delays, one for each copy that is delivered:
``[]`` drops the message, ``[0.0]`` delivers it, ``[0.0, 0.3]`` delivers it twice. Actors don't know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Final, Protocol

from broker.chaos import Chaos, Fault, matches
from broker.message import KIND_PUBLICATION

#: The fate of a message that nothing happens to.
DELIVERED: Final[Sequence[float]] = (0.0,)
DROPPED: Final[Sequence[float]] = ()
#: Damaged on its way: it never gets there, and its receiver notices. Known by identity.
CORRUPTED: Final[Sequence[float]] = (float("inf"),)

#: Faults that befall each message with a probability, in the order in which they are drawn.
MESSAGE_RATES: Final = ("drop", "duplicate", "delay", "reorder", "corrupt")
#: Delays are drawn up to this, those that only change the order up to the other.
DELAY_MAX_S: Final = 0.5
REORDER_MAX_S: Final = 0.005
#: Publications go through it: a link to or from it is theirs.
BROKER: Final = "broker"


class FaultPolicy(Protocol):
    """Decides the fate of messages."""

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        """The delays (seconds) of the copies to deliver."""
        ...


def fate_of(fault: str, delay_max_s: float, random: Random) -> Sequence[float]:
    """What a fault of this name does to a message."""
    if fault == "drop":
        return DROPPED
    if fault == "corrupt":
        return CORRUPTED
    if fault == "duplicate":
        return (0.0, random.uniform(0.0, delay_max_s))
    return (random.uniform(0.0, min(delay_max_s, REORDER_MAX_S) if fault == "reorder" else delay_max_s),)


@dataclass(frozen=True, slots=True)
class RandomFaults:
    """Each message, independently, meets a fault with a given probability. Late ones overtake each other."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    delay_max_s: float = DELAY_MAX_S

    def __post_init__(self) -> None:
        for name in MESSAGE_RATES:
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: {value} is not a probability (0 to 1)")
        if self.delay_max_s < 0:
            raise ValueError(f"delay_max_s: {self.delay_max_s} is negative")

    @staticmethod
    def from_plain(spec: Mapping[str, Any]) -> RandomFaults:
        """From a plain mapping with these names. Raises `ValueError` for an unknown name or a wrong value."""
        known = {f.name for f in fields(RandomFaults)}
        for name in spec:
            if name not in known:
                raise ValueError(f"{name}: unknown fault; known are {', '.join(sorted(known))}")
        return RandomFaults(**{name: float(value) for name, value in spec.items()})

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        draw = random.random()
        for name in MESSAGE_RATES:
            rate = getattr(self, name)
            if draw < rate:
                return fate_of(name, self.delay_max_s, random)
            draw -= rate
        return DELIVERED


class ChaosFaults:
    """The faults of messages that are in force: cut and slow links, and rates, each perhaps for some links only."""

    def __init__(self, chaos: Chaos) -> None:
        self._links = [*chaos.of("partition"), *chaos.of("slow")]
        self._rates = [fault for name in MESSAGE_RATES for fault in chaos.of(name)]
        self.last = ""
        """What befell the message that was asked about last; empty for nothing."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing befalls any message."""
        return not self._links and not self._rates

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        self.last = ""
        slow_s = 0.0
        for fault in self._links:
            if not _is_on(fault, sender, receiver, kind, subject):
                continue
            self.last = fault.kind
            if fault.kind == "partition":
                return DROPPED
            slow_s += fault.details["delay_s"]
        fate = self._drawn(sender, receiver, kind, subject, random)
        if slow_s and fate is not CORRUPTED:
            return [slow_s + delay_s for delay_s in fate]
        return fate

    def _drawn(self, sender: str, receiver: str, kind: int, subject: str, random: Random) -> Sequence[float]:
        if not self._rates:
            return DELIVERED
        draw = random.random()
        for fault in self._rates:
            if not _is_on(fault, sender, receiver, kind, subject):
                continue
            if draw < fault.details["rate"]:
                self.last = fault.kind
                return fate_of(fault.kind, fault.details.get("delay_s", DELAY_MAX_S), random)
            draw -= fault.details["rate"]
        return DELIVERED


def _is_on(fault: Fault, sender: str, receiver: str, kind: int, subject: str) -> bool:
    """Whether a fault concerns a message. Partitions go both ways unless they say otherwise."""
    details = fault.details
    if not subject.startswith(details.get("subject", "")):
        return False
    one, other = details.get("from", "*"), details.get("to", "*")
    if _goes(one, other, sender, receiver, kind):
        return True
    both_ways = fault.kind == "partition" and not details.get("one_way")
    return both_ways and _goes(other, one, sender, receiver, kind)


def _goes(start: str, end: str, sender: str, receiver: str, kind: int) -> bool:
    if matches(start, sender) and matches(end, receiver):
        return True
    if kind != KIND_PUBLICATION:
        return False
    return (start == BROKER and matches(end, receiver)) or (end == BROKER and matches(start, sender))
