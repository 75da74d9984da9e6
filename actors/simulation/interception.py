"""Where a plan's faults happen: every message on its way into an actor passes here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, Protocol

from actors.apimachinery.operation import OPERATE, WATCH
from actors.simulation.fault_plan import MESSAGE_KIND_NAMES, MESSAGE_KINDS, Step
from actors.simulation.fault_profile import API_RATES, DELAY_MAX_S, MESSAGE_RATES, REORDER_MAX_S, FaultProfile
from actors.simulation.links import WATCH_PREFIX, Links
from actors.simulation.message_surgery import (
    REFUSALS,
    corrupted,
    expired,
    first_operations,
    refusal,
    spoilt_reply,
    writes_in,
)
from actors.simulation.old_views import OldViews
from actors.simulation.triggers import Triggers
from broker.message import KIND_PUBLICATION, KIND_REPLY, KIND_REQUEST, unpack
from broker.simulation import SimulatedContext, Simulation

APISERVER: Final = "apiserver"
CLIENT: Final = "client"
#: A message that another is to overtake waits no longer than this.
SWAP_WAIT_S: Final = 0.5
#: An actor that crashes onto an old view has it for so long unless the step says otherwise.
OLD_VIEW_S: Final = 2.0

#: Sender, receiver, kind, subject, and which of those it is, counted from 1.
MessageKey = tuple[str, str, int, str, int]
Observer = Callable[[MessageKey, Sequence[bytes]], None]


class Witness(Protocol):
    """Sees what reaches the actors, to hold it against what the store says."""

    def asked(self, message_id: str, operations: Sequence[list[Any]]) -> None: ...

    def answered(self, message_id: str, frames: Sequence[bytes]) -> None: ...

    def told(self, context: SimulatedContext) -> None: ...


class Interception:
    """Decides what becomes of each message: scripted faults first, then faults drawn by the profile.

    What was drawn is noted in `drawn`, as scripted faults that replay it.
    """

    def __init__(
        self,
        simulation: Simulation,
        scripted: Sequence[Step],
        profile: FaultProfile,
        random: Random,
        *,
        witness: Witness | None = None,
        befall: Callable[[Step], None] | None = None,
        revision_at: Callable[[float], int] = lambda _: 0,
    ) -> None:
        self.drawn: list[Step] = []
        self.injected: Counter[str] = Counter()
        self.drawing = True
        self.observer: Observer | None = None
        self.links = Links(lambda: simulation.now_s)
        self.views = OldViews(lambda: simulation.now_s, revision_at)
        self._sim = simulation
        self._random = random
        self._witness = witness
        self._befall = befall
        self._revision_at = revision_at
        self._scripted = {_key_of(step): step for step in scripted if step.kind == "message" and step.when is None}
        self._triggers = Triggers(scripted)
        self.set_rates(profile)
        self._counts: dict[tuple[str, str, int, str], int] = {}
        self._spoilt: set[str] = set()
        self._overtaken: dict[MessageKey, list[Callable[[], None]]] = {}
        """What is to be delivered once another message was."""

    def set_rates(self, profile: FaultProfile) -> None:
        """Faults of messages are drawn so from now on."""
        self._message_rates = [(name, getattr(profile, name)) for name in MESSAGE_RATES if getattr(profile, name)]
        api_rates = [(name.replace("_", "-"), getattr(profile, name)) for name in API_RATES]
        self._api_rates = [(name, rate) for name, rate in api_rates if rate]

    def heal(self) -> None:
        """No faults from now on."""
        self.drawing = False
        self.links.clear()
        self.views.clear()
        self._scripted.clear()
        self._triggers.clear()

    def __call__(self, context: SimulatedContext, frames: Sequence[bytes], route: Any) -> None:
        _, kind, message_id, subject, sender, _ = unpack(frames[0])
        receiver = context.name
        link = (sender, receiver, kind, subject)
        n = self._counts[link] = self._counts.get(link, 0) + 1
        key = (*link, n)
        if self.observer is not None:
            self.observer(key, frames)
        here: list[Step] = []
        after: list[Step] = []
        if not self._triggers.is_empty:
            here, after = self._due(key, message_id, frames)
        frames = self._seen_through_views(key, message_id, frames)
        step = self._step_of(key, here, frames)
        for other in here:
            if other is not step:
                self._strike(other)
        delay_s = self.links.delay_s(sender, receiver, subject)
        lost = "messages lost in a partition" if delay_s is None else ""
        if kind == KIND_PUBLICATION and not lost:
            lost = self.links.loses(receiver, subject, frames)
            if not self.views.is_empty and subject.startswith(WATCH_PREFIX):
                delay_s = (delay_s or 0.0) + self.views.delay_s(receiver)
        if lost:
            self.injected[lost] += 1
        elif step is None:
            self._deliver(context, key, message_id, frames, route, delay_s or 0.0)
        else:
            self.injected[step.label] += 1
            self._carry_out(step, context, key, message_id, frames, route)
        for other in after:
            self._strike(other)
        if self._overtaken:
            for deliver in self._overtaken.pop(key, ()):
                deliver()

    def _seen_through_views(self, key: MessageKey, message_id: str, frames: Sequence[bytes]) -> Sequence[bytes]:
        sender, receiver, kind, subject, _ = key
        if kind == KIND_REPLY:
            if message_id in self._spoilt:
                return spoilt_reply(frames)
            return frames if self.views.is_empty else self.views.answered(message_id, frames)
        if kind == KIND_REQUEST and receiver == APISERVER:
            if subject == WATCH:
                self.links.watch_asked(sender, frames)
            if not self.views.is_empty and sender != CLIENT:
                return self.views.asked(sender, subject, message_id, frames)
        return frames

    def _due(self, key: MessageKey, message_id: str, frames: Sequence[bytes]) -> tuple[list[Step], list[Step]]:
        """Scripted faults whose moment this message is: before it is delivered, and after."""
        sender, receiver, kind, subject, _ = key
        if kind == KIND_REQUEST and receiver == APISERVER and subject == OPERATE:
            return self._triggers.at_request(sender, message_id, unpack(frames[1])), []
        if kind == KIND_REPLY and sender == APISERVER:
            return self._triggers.at_answer(message_id)
        if kind == KIND_PUBLICATION and subject.startswith(WATCH_PREFIX):
            resource = subject.removeprefix(WATCH_PREFIX).split("|")[0]
            return self._triggers.at_events(receiver, resource, unpack(frames[1])[1])
        return [], []

    def _strike(self, step: Step) -> None:
        if self._befall is not None:
            self._befall(step)

    def _step_of(self, key: MessageKey, here: Sequence[Step], frames: Sequence[bytes]) -> Step | None:
        step = next((step for step in here if step.kind == "message"), None) or self._scripted.get(key)
        if step is None and self.drawing:
            step = self._draw(key, frames)
        return step

    def _draw(self, key: MessageKey, frames: Sequence[bytes]) -> Step | None:
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
        if not name or (name == "expired" and key[3] != WATCH):
            return None
        if (name in REFUSALS or name == "cut") and key[3] != OPERATE:
            return None
        if name == "cut" and (key[0] == CLIENT or not writes_in(frames)):
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
        if name == "cut":
            details["keep"] = self._random.randint(0, len(unpack(frames[1])))
        step = Step(0.0, "message", details)
        self.drawn.append(step)
        return step

    def _deliver(
        self,
        context: SimulatedContext,
        key: MessageKey,
        message_id: str,
        frames: Sequence[bytes],
        route: Any,
        delay_s: float = 0.0,
    ) -> None:
        """Let it in, now or later, and have the witness look."""
        if delay_s > 0:
            self._sim.call_later(delay_s, lambda: self._deliver(context, key, message_id, frames, route))
            return
        witness, (sender, receiver, kind, subject, _) = self._witness, key
        if witness is not None and subject == OPERATE:
            if kind == KIND_REQUEST and receiver == APISERVER:
                witness.asked(message_id, unpack(frames[1]))
            elif kind == KIND_REPLY and sender == APISERVER:
                witness.answered(message_id, frames)
        context.deliver(frames, route)
        if witness is not None and context.views and (sender == APISERVER or kind == KIND_REPLY):
            witness.told(context)  # nothing else changes an informer

    def _carry_out(
        self,
        step: Step,
        context: SimulatedContext,
        key: MessageKey,
        message_id: str,
        frames: Sequence[bytes],
        route: Any,
    ) -> None:
        fault, d = step.details["fault"], step.details

        def deliver(delay_s: float = 0.0) -> None:
            self._deliver(context, key, message_id, frames, route, delay_s)

        if fault in ("delay", "reorder"):
            deliver(d.get("delay_s", DELAY_MAX_S))
        elif fault == "duplicate":
            deliver()
            deliver(d.get("delay_s", DELAY_MAX_S))
        elif fault == "swap":
            self._hold(step, deliver)
        elif fault == "corrupt":
            context.deliver(corrupted(frames), route)
        elif fault == "crash-receiver":
            self._sim.crash(context.name)
        elif fault == "crash-onto-old-view":
            events = unpack(frames[1])[1] if key[3].startswith(WATCH_PREFIX) else []
            before = d.get("revision") or (events[0][1] - 1 if events else self._revision_at(self._sim.now_s))
            self.views.stand_still(context.name, before, d.get("for_s", OLD_VIEW_S))
            self._sim.crash(context.name)
        elif fault == "cut":
            if d["keep"]:
                context.deliver(first_operations(frames, d["keep"]), route)
            self._sim.crash(key[0])
        elif fault == "error-after-commit":
            self._spoilt.add(message_id)
            deliver()
        elif fault == "expired":
            context.answer(expired(context.name, message_id), route)
        elif fault in REFUSALS:
            context.answer(refusal(context.name, message_id, frames, fault), route)

    def _hold(self, step: Step, deliver: Callable[[], None]) -> None:
        """Let the message be overtaken by the one that the step names, if that comes soon."""
        other = step.details.get("by")
        if other is None:
            self._sim.call_later(SWAP_WAIT_S, deliver)
            return
        key = (other["sender"], step.details["receiver"], MESSAGE_KINDS[other["kind"]], other["subject"], other["n"])
        once = _Once(deliver)
        self._overtaken.setdefault(key, []).append(once)
        self._sim.call_later(SWAP_WAIT_S, once)


class _Once:
    """A call that does something the first time only."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._is_done = False

    def __call__(self) -> None:
        if not self._is_done:
            self._is_done = True
            self._call()


def _key_of(step: Step) -> MessageKey:
    d = step.details
    return (d["sender"], d["receiver"], MESSAGE_KINDS[d["kind"]], d["subject"], d["n"])
