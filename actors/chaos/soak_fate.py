"""What fate does during a soak: kills at a steady pace, hangs, and faults that come and go, all drawn from a seed."""

from __future__ import annotations

import contextlib
import signal
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

from actors.chaos.policy import heal, put_in_force
from actors.chaos.space_alarm import lift_alarm
from actors.chaos.vocabulary import WATCH_SUBJECT
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.signals import send, wake_stopped
from actors.supervisor.state_file import ActorRecord, read_state
from broker.chaos import Fault
from broker.context import Context

#: Faults stay in force between these times; a process hangs up to the latter, which the supervisor doesn't wait for.
FAULT_MIN_S: Final = 0.5
FAULT_MAX_S: Final = 4.0
PAUSE_MAX_S: Final = 4.0
#: Of the kills, how many are hangs instead.
PAUSES: Final = 0.12
#: A new fault sets in so often, on average.
FAULT_EVERY_S: Final = 2.0
ALARM_LIFTED_WITHIN_S: Final = 20.0

Draw = Callable[[Random, list[str]], dict[str, Any]]


def _link(random: Random, names: list[str]) -> tuple[str, str]:
    other = random.choice([name for name in names if name != "apiserver"])
    ends = ["apiserver", other]
    random.shuffle(ends)
    return ends[0], ends[1]


def _partition(random: Random, names: list[str]) -> dict[str, Any]:
    one, other = _link(random, names)
    return {"from": one, "to": other, **({"one_way": True} if random.random() < 0.5 else {})}


def _slow(random: Random, names: list[str]) -> dict[str, Any]:
    one, other = _link(random, names)
    return {"from": one, "to": other, "delay_s": random.uniform(0.01, 0.5)}


def _rate(low: float, high: float, **fixed: Any) -> Draw:
    return lambda random, _: {"rate": round(random.uniform(low, high), 3), **fixed}


#: What may set in, and its details.
FAULTS: Final[tuple[tuple[str, Draw], ...]] = (
    ("drop", _rate(0.05, 0.3)),
    ("duplicate", _rate(0.05, 0.3)),
    ("delay", _rate(0.05, 0.3)),
    ("reorder", _rate(0.1, 0.5)),
    ("corrupt", _rate(0.02, 0.2)),
    ("partition", _partition),
    ("slow", _slow),
    ("skew", lambda random, names: {"actor": random.choice(names), "by_s": round(random.uniform(-30, 30), 1)}),
    ("slow-sync", lambda random, _: {"delay_s": random.uniform(0.01, 0.3)}),
    ("disk-full", lambda *_: {}),
    ("conflict", _rate(0.05, 0.4)),
    ("too-many-requests", _rate(0.05, 0.3)),
    ("error-after-commit", _rate(0.05, 0.3)),
    ("expired", _rate(0.1, 0.6)),
    ("drop", _rate(0.1, 0.5, subject=WATCH_SUBJECT)),
    ("watch-reset", _rate(0.05, 0.3)),
    ("missing-bookmarks", lambda *_: {}),
    ("lagging-replica", lambda random, _: {"delay_s": random.uniform(0.5, 3.0)}),
)


class Fate:
    """Does it, and counts."""

    def __init__(self, ctx: Context, directory: ClusterDirectory, seed: int, *, own_disk: bool) -> None:
        self.done: Counter[str] = Counter()
        """Kills, hangs, and faults that set in, by kind."""
        self.killed: Counter[str] = Counter()
        self._ctx = ctx
        self._directory = directory
        self._random = Random(f"fate/{seed}")  # noqa: S311 - a seed is the point
        self._faults = [f for f in FAULTS if own_disk or f[0] not in ("disk-full", "slow-sync")]
        self._seed = seed

    def _alive(self) -> list[ActorRecord]:
        state = read_state(self._directory)
        alive = [actor for actor in state.actors if actor.process.is_alive()] if state is not None else []
        return sorted(alive, key=lambda actor: actor.name)

    async def kill(self, every_s: float) -> None:
        """Kill one actor after another, or have it hang, for ever."""
        while True:
            await self._ctx.sleep(every_s)
            alive = self._alive()
            if not alive:
                continue
            victim = self._random.choice(alive)
            if self._random.random() < PAUSES:
                self._ctx.spawn(self._pause(victim, self._random.uniform(0.2, PAUSE_MAX_S)), "pause")
            elif send(victim, signal.SIGKILL):
                self.done["crash"] += 1
                self.killed[victim.name] += 1

    async def _pause(self, victim: ActorRecord, for_s: float) -> None:
        if send(victim, signal.SIGSTOP):
            self.done["pause"] += 1
            await self._ctx.sleep(for_s)
            send(victim, signal.SIGCONT)

    async def break_things(self) -> None:
        """Let faults set in and end, several at a time, for ever."""
        while True:
            await self._ctx.sleep(self._random.uniform(0.0, 2 * FAULT_EVERY_S))
            kind, draw = self._random.choice(self._faults)
            names = [actor.name for actor in self._alive()]
            if len(names) > 1:
                fault = Fault(kind, draw(self._random, names))
                self._ctx.spawn(self._befall(fault, self._random.uniform(FAULT_MIN_S, FAULT_MAX_S)), kind)

    async def _befall(self, fault: Fault, for_s: float) -> None:
        until_s = self._ctx.wall_s() + for_s
        put_in_force(self._directory, Fault(fault.kind, fault.details, until_s), self._seed)
        self.done[fault.kind] += 1
        await self._ctx.sleep(for_s)
        if fault.kind == "disk-full":
            await lift_alarm(self._ctx, ALARM_LIFTED_WITHIN_S)

    async def relent(self) -> bool:
        """End everything. False when a disk that isn't full any more can't be written to."""
        heal(self._directory)
        state = read_state(self._directory)
        if state is not None:
            wake_stopped(state)
        return await lift_alarm(self._ctx, ALARM_LIFTED_WITHIN_S)


@contextlib.contextmanager
def nothing_left_in_force(directory: ClusterDirectory) -> Any:
    """However a soak ends, its faults end with it."""
    try:
        yield
    finally:
        heal(directory)
        state = read_state(directory)
        if state is not None:
            wake_stopped(state)
