"""What happened in a run, for a reader: the writes of the user and of the actors under test, and what fate did."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.operation import OPERATE
from actors.simulation.cluster import CLIENT
from actors.simulation.fault_plan import MESSAGE_KINDS, Step
from actors.simulation.interception import APISERVER, MessageKey
from actors.simulation.message_surgery import writes_in
from broker.message import KIND_PUBLICATION, KIND_REPLY, KIND_REQUEST, unpack

#: Longer stories lose their beginning.
LINES_MAX: Final = 60
#: What was told so few lines ago is counted, not told again: somebody tries and tries.
REPEATED_WITHIN: Final = 2
#: Collections that tell nothing of what a controller decides.
_UNINTERESTING: Final = ("events", "leases")


@dataclass(slots=True)
class _Line:
    at_s: float
    what: str
    repeats: int = 0

    def __str__(self) -> str:
        again = f" (and {self.repeats} times more)" if self.repeats else ""
        return f"{self.at_s:8.3f} s  {self.what}{again}"


class Story:
    """Listens to the messages of one run."""

    def __init__(self, actors: Container[str], steps: Sequence[Step]) -> None:
        """Tells of the user and of `actors` (looked at when a message comes), and of faults of messages."""
        self._actors = actors
        self._faults = {_key_of(step): step for step in steps if step.kind == "message" and step.when is None}
        self._asked: dict[str, str] = {}
        self._told: list[_Line] = []

    def observe(self, now_s: float, key: MessageKey, frames: Sequence[bytes]) -> None:
        """A message reaches an actor, or would without a fault."""
        sender, receiver, kind, subject, _ = key
        if kind == KIND_REQUEST and subject == OPERATE and self._is_told_of(sender):
            self._tell_request(now_s, sender, frames)
        elif kind == KIND_REPLY and subject == OPERATE and sender == APISERVER:
            self._tell_refusals(now_s, receiver, frames)
        elif kind == KIND_PUBLICATION and self._faults.get(key) is not None:
            self._tell(now_s, f"{receiver} is to be told: {_events(subject, frames)}")
        step = self._faults.get(key)
        if step is not None:
            self._tell(now_s, f"FAULT: {_short(step)}")

    def _is_told_of(self, sender: str) -> bool:
        return sender == CLIENT or sender in self._actors

    def _tell_request(self, now_s: float, sender: str, frames: Sequence[bytes]) -> None:
        message_id = unpack(frames[0])[2]
        writes = [w for w in writes_in(frames) if w[1].rpartition("/")[2] not in _UNINTERESTING]
        if writes and message_id not in self._asked:
            who = "user" if sender == CLIENT else sender
            self._asked[message_id] = who
            self._tell(now_s, f"{who}: {'; '.join(map(_write, writes))}")

    def _tell_refusals(self, now_s: float, receiver: str, frames: Sequence[bytes]) -> None:
        who = self._asked.get(unpack(frames[0])[2])
        refusals = [result[3] for result in unpack(frames[1]) if result[0] >= 400 and result[3]]
        if who is not None and refusals:
            self._tell(now_s, f"{who} is refused: {'; '.join(str(r.get('message')) for r in refusals)}")

    def _tell(self, now_s: float, what: str) -> None:
        for line in self._told[-REPEATED_WITHIN:]:
            if line.what == what:
                line.repeats += 1
                return
        self._told.append(_Line(now_s, what))

    def __str__(self) -> str:
        told = self._told[-LINES_MAX:]
        left_out = len(self._told) - len(told)
        return "\n".join([f"  (... {left_out} lines before)"] * bool(left_out) + [f"  {line}" for line in told])


def _write(operation: Sequence[Any]) -> str:
    verb, resource, namespace, name, subresource = operation[:5]
    collection = resource.rpartition("/")[2] + (f"/{subresource}" if subresource else "")
    return f"{verb} {collection} {f'{namespace}/' if namespace else ''}{name}"


def _events(subject: str, frames: Sequence[bytes]) -> str:
    _, events, _ = unpack(frames[1])
    collection = subject.split("|")[0].rpartition("/")[2]
    return ", ".join(f"{event[0]} {collection} {event[3]} at revision {event[1]}" for event in events) or subject


def _short(step: Step) -> str:
    """What the step of a message does, without naming the message again."""
    details = {name: value for name, value in step.details.items() if name != "n"}
    return str(Step(step.at_s, step.kind, details))


def _key_of(step: Step) -> MessageKey:
    d = step.details
    return (d["sender"], d["receiver"], MESSAGE_KINDS[d["kind"]], d["subject"], d["n"])
