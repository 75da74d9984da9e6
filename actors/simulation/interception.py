"""Where a plan's faults happen: every message on its way into an actor passes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from actors.apimachinery.operation import OPERATE, WATCH
from actors.simulation.fault_plan import MESSAGE_KIND_NAMES, MESSAGE_KINDS, Step
from actors.simulation.fault_profile import API_RATES, DELAY_MAX_S, MESSAGE_RATES, REORDER_MAX_S, FaultProfile
from broker.message import KIND_FAILURE, KIND_REPLY, KIND_REQUEST, NO_CAUSE, Message, pack, unpack
from broker.simulation import SimulatedContext, Simulation

APISERVER: Final = "apiserver"
#: Stands for every actor in a link.
ANY: Final = "*"
WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")

#: Sender, receiver, kind, subject, and which of those it is, counted from 1.
MessageKey = tuple[str, str, int, str, int]
Observer = Callable[[MessageKey, Sequence[bytes]], None]

_STATUS: Final[Mapping[str, tuple[int, str, str]]] = {
    "conflict": (409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    "too-many-requests": (429, "TooManyRequests", "the server has received too many requests"),
    "error-after-commit": (500, "InternalError", "an error on the server has prevented the request from succeeding"),
}


class Interception:
    """Decides what becomes of each message: scripted faults first, then faults drawn by the profile.

    What was drawn is noted in `drawn`, as scripted faults that replay it.
    """

    def __init__(self, simulation: Simulation, scripted: Sequence[Step], profile: FaultProfile, random: Random) -> None:
        self.drawn: list[Step] = []
        self.injected: Counter[str] = Counter()
        self.drawing = True
        self.observer: Observer | None = None
        self._sim = simulation
        self._random = random
        self._scripted = {_key_of(step): step for step in scripted}
        self._message_rates = [(name, getattr(profile, name)) for name in MESSAGE_RATES if getattr(profile, name)]
        self._api_rates = [(name.replace("_", "-"), getattr(profile, name)) for name in API_RATES]
        self._api_rates = [(name, rate) for name, rate in self._api_rates if rate]
        self._counts: dict[tuple[str, str, int, str], int] = {}
        self._links: list[tuple[float, Mapping[str, Any]]] = []
        self._spoilt: set[str] = set()

    def set_link(self, step: Step) -> None:
        """A partition or a slow link sets in."""
        self._links.append((self._sim.now_s + step.details["for_s"], step.details))

    def heal(self) -> None:
        """No faults from now on."""
        self.drawing = False
        self._links.clear()
        self._scripted.clear()

    def __call__(self, context: SimulatedContext, frames: Sequence[bytes], route: Any) -> None:
        _, kind, message_id, subject, sender, _ = unpack(frames[0])
        link = (sender, context.name, kind, subject)
        n = self._counts[link] = self._counts.get(link, 0) + 1
        key = (*link, n)
        if self.observer is not None:
            self.observer(key, frames)
        if kind == KIND_REPLY and message_id in self._spoilt:
            frames = _spoilt_reply(frames)
        step = self._scripted.get(key)
        if step is None and self.drawing:
            step = self._draw(key)
        delay_s = self._link_delay_s(sender, context.name, subject) if self._links else 0.0
        if delay_s is None:
            self.injected["messages lost in a partition"] += 1
        elif step is None:
            context.deliver(frames, route, delay_s)
        else:
            self.injected[step.label] += 1
            self._carry_out(step, context, frames, route, message_id)

    def _link_delay_s(self, sender: str, receiver: str, subject: str) -> float | None:
        """How late a message is by the state of its link; None when it does not pass."""
        now_s = self._sim.now_s
        self._links = [entry for entry in self._links if entry[0] > now_s]
        delay_s = 0.0
        for _, link in self._links:
            forth = link["from"] in (ANY, sender) and link["to"] in (ANY, receiver)
            back = link["from"] in (ANY, receiver) and link["to"] in (ANY, sender)
            if "delay_s" in link:
                if forth and subject.startswith(link.get("subject", "")):
                    delay_s += link["delay_s"]
            elif forth or (back and not link.get("one_way")):
                return None
        return delay_s

    def _draw(self, key: MessageKey) -> Step | None:
        rates = self._message_rates
        if key[1] == APISERVER and key[2] == KIND_REQUEST and self._api_rates:
            rates = rates + self._api_rates
        if not rates:
            return None
        draw = self._random.random()
        name = ""
        for candidate, rate in rates:
            if draw < rate:
                name = candidate
                break
            draw -= rate
        if not name:
            return None
        if (name == "expired" and key[3] != WATCH) or (name in _STATUS and key[3] != OPERATE):
            return None
        details: dict[str, Any] = {
            "sender": key[0],
            "receiver": key[1],
            "kind": MESSAGE_KIND_NAMES[key[2]],
            "subject": key[3],
            "n": key[4],
            "fault": name,
        }
        if name in ("duplicate", "delay", "reorder"):
            details["delay_s"] = self._random.uniform(0.0, REORDER_MAX_S if name == "reorder" else DELAY_MAX_S)
        step = Step(0.0, "message", details)
        self.drawn.append(step)
        return step

    def _carry_out(
        self, step: Step, context: SimulatedContext, frames: Sequence[bytes], route: Any, message_id: str
    ) -> None:
        fault, details = step.details["fault"], step.details
        if fault in ("delay", "reorder"):
            context.deliver(frames, route, details.get("delay_s", DELAY_MAX_S))
        elif fault == "duplicate":
            context.deliver(frames, route)
            context.deliver(frames, route, details.get("delay_s", DELAY_MAX_S))
        elif fault == "corrupt":
            context.deliver([frames[0][:-1], *frames[1:]], route)
        elif fault == "crash-receiver":
            self._sim.crash(context.name)
        elif fault == "cut":
            if details["keep"]:
                context.deliver(_first_operations(frames, details["keep"]), route)
            self._sim.crash(details["sender"])
        elif fault == "error-after-commit":
            self._spoilt.add(message_id)
            context.deliver(frames, route)
        elif fault == "expired":
            context.answer(_failure(context.name, message_id, "Expired", "too old resource version"), route)
        elif fault in _STATUS:
            context.answer(_refusal(context.name, message_id, frames, fault), route)


def _key_of(step: Step) -> MessageKey:
    d = step.details
    return (d["sender"], d["receiver"], MESSAGE_KINDS[d["kind"]], d["subject"], d["n"])


def _first_operations(frames: Sequence[bytes], keep: int) -> list[bytes]:
    """A batch that holds only its first operations."""
    operations = unpack(frames[1])[:keep]
    blobs = sum(1 for operation in operations if operation[7])
    return [frames[0], pack(operations), *frames[2 : 2 + blobs]]


def writes_in(frames: Sequence[bytes]) -> list[list[Any]]:
    """The writes of a batch, as on the wire."""
    return [operation for operation in unpack(frames[1]) if operation[0] in WRITES]


def _status(fault: str) -> list[Any]:
    code, reason, text = _STATUS[fault]
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return [code, 0, [], {**status, "message": text, "reason": reason, "code": code}, None]


def _refusal(server: str, message_id: str, frames: Sequence[bytes], fault: str) -> list[bytes]:
    results = [_status(fault) for _ in unpack(frames[1])]
    return Message(KIND_REPLY, message_id, OPERATE, server, NO_CAUSE, pack(results)).frames()


def _failure(server: str, message_id: str, code: str, text: str) -> list[bytes]:
    return Message(KIND_FAILURE, message_id, WATCH, server, NO_CAUSE, pack([code, text])).frames()


def _spoilt_reply(frames: Sequence[bytes]) -> list[bytes]:
    """The answer to a batch with every result replaced by an internal error."""
    return [frames[0], pack([_status("error-after-commit") for _ in unpack(frames[1])])]
