"""Pairs of concurrent messages: those that reach an actor one right after the other, and neither caused the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.operation import OPERATE
from actors.simulation.fault_plan import MESSAGE_KIND_NAMES
from actors.simulation.interception import APISERVER, MessageKey
from actors.simulation.message_surgery import writes_in
from broker.message import KIND_PUBLICATION, KIND_REQUEST, unpack

#: Messages further apart than this (virtual seconds) are not swapped: delays cover those.
WINDOW_S: Final = 0.05
#: Causes are followed so far back.
CHAIN_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Pair:
    """The first arrived just before the second."""

    first: MessageKey
    second: MessageKey
    alike: tuple[Any, ...]

    def second_as_plain(self) -> dict[str, Any]:
        """How a step names it."""
        sender, _, kind, subject, n = self.second
        return {"sender": sender, "kind": MESSAGE_KIND_NAMES[kind], "subject": subject, "n": n}


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_s: float
    key: MessageKey
    message_id: str
    meaning: tuple[Any, ...]
    objects: frozenset[tuple[str, str, str]]


class Pairs:
    """Finds them as messages arrive."""

    def __init__(self) -> None:
        self._causes: dict[str, str] = {}
        self._last: dict[str, _Arrival] = {}

    def arrived(
        self, now_s: float, key: MessageKey, frames: Sequence[bytes], meaning: tuple[Any, ...] | None
    ) -> Pair | None:
        """The pair that a message makes with the one before it at the same actor. Without a meaning it makes none."""
        header = unpack(frames[0])
        message_id = header[2]
        self._causes.setdefault(message_id, str(header[5][0]).partition("#")[0])
        if meaning is None:
            return None
        arrival = _Arrival(now_s, key, message_id, meaning, _objects(key, frames))
        before = self._last.get(key[1])
        self._last[key[1]] = arrival
        if before is None or now_s - before.at_s > WINDOW_S or _same_link(before.key, key):
            return None
        if before.message_id == message_id or self._is_caused_by(arrival, before):
            return None
        if key[1] == APISERVER and not before.objects & arrival.objects:
            return Pair(before.key, key, ("commuting writes",))
        return Pair(before.key, key, (before.meaning, arrival.meaning))

    def _is_caused_by(self, later: _Arrival, earlier: _Arrival) -> bool:
        message_id = later.message_id
        for _ in range(CHAIN_MAX):
            message_id = self._causes.get(message_id, "")
            if not message_id:
                return False
            if message_id == earlier.message_id:
                return True
        return True


def _objects(key: MessageKey, frames: Sequence[bytes]) -> frozenset[tuple[str, str, str]]:
    if key[2] != KIND_REQUEST or key[3] != OPERATE:
        return frozenset()
    return frozenset((write[1], write[2], write[3]) for write in writes_in(frames))


def _same_link(one: MessageKey, other: MessageKey) -> bool:
    """Links keep their order; publications travel by a link of their own."""
    return one[0] == other[0] and (one[2] == KIND_PUBLICATION) == (other[2] == KIND_PUBLICATION)
