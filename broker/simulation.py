"""The simulated world: every actor in one process, an in-memory network, virtual time, one seed.

The same actor code as in production runs here, on contexts that differ only in their transport, clock and randomness.
Messages are encoded as for the wire, so nothing is shared between actors. Two runs with the same seed do the same, to
the byte: `Simulation.trace_hash` covers every message with its time.

A crash ends one incarnation at one instant: its tasks stop, its timers never fire, what it sent before is still on its
way. Whatever must survive (a store's log) is an object that the test keeps and passes to each incarnation.
"""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

from broker.chaos import NO_CHAOS, Chaos
from broker.context import Context
from broker.fabric import FabricContext, Route
from broker.faults import FaultPolicy
from broker.message import Outgoing, frames_of
from broker.virtual_time import VirtualTimeLoop, owned_task, running

T = TypeVar("T")

#: Wall-clock time at virtual second 0: 2026-01-01T00:00:00Z.
EPOCH_S: Final = 1_767_225_600.0
LATENCY_MIN_S: Final = 0.000_05
LATENCY_MAX_S: Final = 0.000_5
#: Messages of one link follow one another at least so closely.
LINK_GAP_S: Final = 1e-7
#: The simulated supervisor restarts a crashed actor after this long, doubling up to the maximum.
RESTART_AFTER_S: Final = 0.1
RESTART_AFTER_MAX_S: Final = 5.0
#: Tasks that are still not over after so many turns of the loop are left behind.
CLOSING_ROUNDS_MAX: Final = 20
#: How often `run_until` looks at its condition (virtual seconds).
LOOK_EVERY_S: Final = 0.01

#: The broker is not an actor here; this name stands for it in `crash` and in faults.
BROKER: Final = "broker"

ActorMain = Callable[[Context], Awaitable[None]]
#: Is given each message that reaches an actor, and calls `deliver`, `answer` or nothing of the receiver.
Interceptor = Callable[["SimulatedContext", Sequence[bytes], Route], None]


class SimulatedContext(FabricContext):
    """A context in the simulated world."""

    def __init__(self, simulation: Simulation, name: str, incarnation_number: int) -> None:
        self._simulation = simulation
        random = Random(f"{simulation.seed}/{name}/{incarnation_number}")  # noqa: S311 - replay from a seed is the point
        super().__init__(name, random, simulation.loop, self._crashed, simulation.faults)
        self.variables = copy_context()
        self.variables.run(running.set, self)
        self.owned: dict[asyncio.Task[Any], None] = {}
        self.serving = False
        self.held_until_s = 0.0
        self.views: list[object] = []
        if simulation.chaos is not NO_CHAOS:
            self.set_chaos(simulation.chaos)

    def wall_s(self) -> float:
        simulation = self._simulation
        return EPOCH_S + simulation.loop.now_s + self._skew_s + simulation.clock_skew_s.get(self.name, 0.0)

    def monotonic_s(self) -> float:
        return self._simulation.loop.now_s

    def show_view(self, view: object) -> None:
        self.views.append(view)

    def arrive(self, frames: Sequence[bytes], route: Route) -> None:
        """A message is here: it is let in, unless an interceptor decides what becomes of it."""
        interceptor = self._simulation.interceptor
        if interceptor is None or self.closed:
            self.variables.run(self._receive, frames, route)
        else:
            interceptor(self, frames, route)

    def deliver(self, frames: Sequence[bytes], route: Route) -> None:
        """For interceptors: let a message in, as soon as the actor is not paused."""
        loop = self._simulation.loop
        if self.held_until_s > loop.now_s and not self.closed:
            loop.call_outside(self.held_until_s, self.deliver, frames, route)
        else:
            self.variables.run(self._receive, frames, route)

    def answer(self, frames: list[bytes], route: Route) -> None:
        """For interceptors: answer a request in the actor's name, which never sees it."""
        if not self.closed:
            self._simulation.transmit(self.name, route.name, frames, None, route)

    def _send_request(self, target: str, outgoing: Outgoing) -> None:
        if not self.closed:
            self._simulation.transmit(self.name, target, frames_of(*outgoing), self, None)

    def _send_answer(self, route: Route, outgoing: Outgoing, size: int) -> None:
        self.answer(frames_of(*outgoing), route)

    def _send_publication(self, topic: str, outgoing: Outgoing) -> None:
        if not self.closed:
            self._simulation.transmit_publication(self.name, topic, frames_of(*outgoing))

    def _open_server(self) -> None:
        self.serving = True

    def _set_subscribed(self, topic: str, subscribed: bool) -> None:
        subscribers = self._simulation.subscribers.setdefault(topic, {})
        if subscribed:
            subscribers[self.name] = self
        elif subscribers.get(self.name) is self:
            del subscribers[self.name]

    def _crashed(self, error: BaseException) -> None:
        self._simulation.actor_failed(self, error)

    def close(self) -> None:
        super().close()
        for task in list(self.owned):
            task.cancel()
        for subscribers in self._simulation.subscribers.values():
            if subscribers.get(self.name) is self:
                del subscribers[self.name]


@dataclass(slots=True)
class _Actor:
    """One place in the cluster, through all its incarnations."""

    name: str
    main: ActorMain
    context: SimulatedContext | None = None
    starts: int = 0
    restart_after_s: float = RESTART_AFTER_S


@dataclass(frozen=True, slots=True)
class Crash:
    """An actor that ended by an exception of its own."""

    at_s: float
    actor: str
    error: BaseException

    def __str__(self) -> str:
        text = "".join(traceback.format_exception(self.error))
        return f"{self.at_s:.3f} s: {self.actor} crashed:\n{text}"


@dataclass(slots=True)
class Simulation:
    """A world of actors. Use as a context manager, or call `close`."""

    seed: int = 0
    faults: FaultPolicy | None = None
    chaos: Chaos = NO_CHAOS
    loop: VirtualTimeLoop = field(default_factory=VirtualTimeLoop)
    crashes: list[Crash] = field(default_factory=list)
    clock_skew_s: dict[str, float] = field(default_factory=dict)
    subscribers: dict[str, dict[str, SimulatedContext]] = field(default_factory=dict)
    interceptor: Interceptor | None = None
    """Decides what becomes of messages, in place of plain delivery."""
    messages: int = 0
    _actors: dict[str, _Actor] = field(default_factory=dict)
    _link_free_at_s: dict[tuple[str, str], float] = field(default_factory=dict)
    _broker_down_until_s: float = 0.0
    _random: Random = field(init=False)
    _trace: Any = field(default_factory=hashlib.blake2b)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - replay from a seed is the point
        self.loop.set_task_factory(owned_task)

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Actors

    def spawn_actor(self, name: str, main: ActorMain) -> None:
        """Add an actor and start it. It is restarted whenever it crashes."""
        self._actors[name] = _Actor(name, main)
        self._start(self._actors[name])

    def _start(self, actor: _Actor) -> None:
        if actor.context is not None:
            return
        if self._actors.get(actor.name) is not actor:
            return  # it was removed in the meantime
        actor.starts += 1
        context = actor.context = SimulatedContext(self, actor.name, actor.starts)

        async def live() -> None:
            await actor.main(context)

        context.variables.run(lambda: context.spawn(live(), "main"))

    def actor_failed(self, context: SimulatedContext, error: BaseException) -> None:
        """An actor's own exception: note it, end this incarnation, start the next after a while."""
        self.crashes.append(Crash(self.loop.now_s, context.name, error))
        actor = self._actors.get(context.name)
        context.close()
        if actor is not None and actor.context is context:
            actor.context = None
            self._outside(actor.restart_after_s, lambda: self._start(actor))
            actor.restart_after_s = min(actor.restart_after_s * 2, RESTART_AFTER_MAX_S)

    def remove_actor(self, name: str) -> None:
        """End an actor for good, as a machine that is switched off."""
        actor = self._actors.pop(name)
        if actor.context is not None:
            actor.context.close()
            actor.context = None

    def crash(self, name: str, *, restart_after_s: float | None = RESTART_AFTER_S) -> None:
        """Kill an actor now (kill -9); start it anew after a while, or never for None."""
        if name == BROKER:
            self._broker_down_until_s = self.loop.now_s + (restart_after_s or float("inf"))
            return
        actor = self._actors.get(name)
        if actor is None:
            return  # it was removed
        if actor.context is not None:
            actor.context.close()
            actor.context = None
        if restart_after_s is not None:
            self._outside(restart_after_s, lambda: self._start(actor))

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Run something later in the name of nobody, such as a fault."""
        self._outside(delay_s, call)

    @property
    def actors(self) -> list[str]:
        """The names of all actors, in the order in which they were added."""
        return list(self._actors)

    def pause(self, name: str, for_s: float) -> None:
        """Stop an actor for a while, as SIGSTOP does: code and timers stand still, and what reaches it waits."""
        actor = self._actors.get(name)
        if actor is not None and actor.context is not None:
            actor.context.held_until_s = max(actor.context.held_until_s, self.loop.now_s + for_s)

    def go_on(self) -> None:
        """Nobody is paused from now on."""
        for actor in self._actors.values():
            if actor.context is not None:
                actor.context.held_until_s = 0.0

    def _outside(self, delay_s: float, call: Callable[[], None]) -> None:
        """Run later in the name of nobody: an actor's death must not stop it."""
        self.loop.call_outside(self.loop.now_s + delay_s, call)

    def set_faults(self, faults: FaultPolicy | None) -> None:
        """Change what happens to messages, for actors that run and those that will."""
        self.faults = faults
        for actor in self._actors.values():
            if actor.context is not None:
                actor.context.faults = faults

    def set_chaos(self, chaos: Chaos) -> None:
        """Put faults in force as on a running cluster, for actors that run and those that will."""
        self.chaos = chaos
        for actor in self._actors.values():
            if actor.context is not None:
                actor.context.set_chaos(chaos)

    def is_up(self, name: str) -> bool:
        """Whether an incarnation of the actor lives."""
        return self._actors[name].context is not None

    def context(self, name: str) -> SimulatedContext:
        """The actor's present context; or, for a name that is no actor's, one for the test to act through."""
        actor = self._actors.get(name)
        if actor is None:

            async def idle(_: Context) -> None:
                return

            self.spawn_actor(name, idle)
            actor = self._actors[name]
        if actor.context is None:
            raise RuntimeError(f"{name} is down")
        return actor.context

    # Network

    def transmit(
        self,
        sender: str,
        receiver: str,
        frames: list[bytes],
        route: SimulatedContext | None,
        incarnation: SimulatedContext | None,
    ) -> None:
        """Carry a request to whoever has the name then, or an answer to the very incarnation that asked."""
        self._observe(sender, receiver, frames)
        self._deliver(sender, receiver, receiver, incarnation, frames, route)

    def transmit_publication(self, sender: str, topic: str, frames: list[bytes]) -> None:
        """Carry a publication to everybody who subscribes now, while the broker is up."""
        if self.loop.now_s < self._broker_down_until_s:
            return
        for name, context in list(self.subscribers.get(topic, {}).items()):
            self._observe(sender, name, frames)
            self._deliver(sender, name, f"{name}/sub", context, frames, None)

    def _deliver(
        self,
        sender: str,
        receiver: str,
        port: str,
        incarnation: SimulatedContext | None,
        frames: list[bytes],
        route: SimulatedContext | None,
    ) -> None:
        """Bring a message after a latency; links keep their order, as a connection does."""
        link = (sender, port)
        at_s = self.loop.now_s + LATENCY_MIN_S + (LATENCY_MAX_S - LATENCY_MIN_S) * self._random.random()
        free_at_s = self._link_free_at_s.get(link, 0.0) + LINK_GAP_S
        if at_s < free_at_s:
            at_s = free_at_s
        self._link_free_at_s[link] = at_s
        self.loop.call_outside(at_s, self._arrive, receiver, incarnation, frames, route)

    def _arrive(
        self,
        receiver: str,
        incarnation: SimulatedContext | None,
        frames: list[bytes],
        route: SimulatedContext | None,
    ) -> None:
        """A message is there: for the given incarnation, or for whoever has the name now."""
        target = incarnation
        if target is None:
            actor = self._actors.get(receiver)
            target = actor.context if actor is not None else None
            if target is None or not target.serving:
                return
        if target.held_until_s > self.loop.now_s and not target.closed:
            self.loop.call_outside(target.held_until_s, self._arrive, receiver, target, frames, route)
        else:
            target.arrive(frames, route)

    def _observe(self, sender: str, receiver: str, frames: list[bytes]) -> None:
        self.messages += 1
        head = f"{self.loop.now_s:.9f} {sender} {receiver} {len(frames)}\n".encode()
        self._trace.update(b"".join((head, *frames)))

    @property
    def trace_hash(self) -> str:
        """Stands for everything that was ever sent, and when."""
        return str(self._trace.hexdigest()[:32])

    # Time

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self.loop.now_s

    def run_for(self, duration_s: float) -> None:
        """Let that much virtual time pass."""
        self._outside(duration_s, self.loop.stop)
        self.loop.run_forever()

    def run_until(self, condition: Callable[[], bool], limit_s: float = 60.0) -> bool:
        """Let time pass until the condition holds; False when it does not within `limit_s` virtual seconds."""
        deadline_s = self.now_s + limit_s
        while not condition():
            if self.now_s >= deadline_s:
                return False
            self.run_for(LOOK_EVERY_S)
        return True

    def run(self, work: Coroutine[Any, Any, T], limit_s: float = 600.0) -> T:
        """Run a test's coroutine to its end in virtual time. Raises `TimeoutError` after `limit_s`."""
        task: asyncio.Task[T] = self.loop.create_task(work)
        if not self.run_until(task.done, limit_s):
            task.cancel()
            raise TimeoutError(f"not done after {limit_s:g} virtual seconds")
        return task.result()

    def close(self) -> None:
        """End all actors and the loop."""
        for actor in self._actors.values():
            if actor.context is not None:
                actor.context.close()
        if not self.loop.is_closed():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            for _ in range(CLOSING_ROUNDS_MAX):  # a cancelled task may be waiting for others that were
                if not asyncio.all_tasks(self.loop):
                    break
                self.run_for(0.0)
            self.loop.close()
