"""One run: a cluster, a schedule, and the oracles' verdict. A pure function of its `Schedule`, trace hash included."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any, Final

from actors.apimachinery.meta import Key
from actors.simulation.cluster import CLIENT, SimulatedCluster
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import FaultProfile, draw_steps
from actors.simulation.final_oracles import left_over, not_idempotent, versions, written_between
from actors.simulation.interception import Interception, Observer
from actors.simulation.oracles import unsettled
from actors.simulation.workload import InsistingUser, draw_operations, final_state, state_of
from broker.context import RequestError
from broker.simulation import BROKER
from store import protocol
from store.log import LogError

#: After the last fault the cluster may take this long to converge (virtual seconds).
CONVERGE_WITHIN_S: Final = 180.0
#: What has converged must stay so, without a write, for this long.
QUIET_S: Final = 30.0
#: How often the state is looked at while it converges.
LOOK_EVERY_S: Final = 0.5
#: Writes that are under way when convergence is seen may end within this time.
AFTERMATH_S: Final = 15.0
#: Who lifts the alarm of a disk that was full, and how long it waits before it tries again.
OPERATOR: Final = "operator"
DISARM_AGAIN_S: Final = 1.0
#: Safety invariants looked at after each change of the store, and laws looked at when all has settled.
INVARIANTS_A_CHANGE: Final = 4
LAWS_AT_THE_END: Final = 6


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a field of an object must be in the end; `None` for an object that must not exist."""

    kind: str
    key: Key
    path: tuple[str, ...] = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that determines a run."""

    seed: int
    nodes: int = 3
    duration_s: float = 60.0
    profile: FaultProfile = field(default_factory=FaultProfile)
    """Faults of messages that are drawn while it runs; those with a time are among the steps."""
    steps: tuple[Step, ...] = ()
    expectations: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """An oracle's objection."""

    kind: str
    """``invariant``, ``not converged``, ``final state``, ``still writing``, ``left over``, ``not idempotent``, ..."""
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did and came to."""

    schedule: Schedule
    """Replays the run: the faults that were drawn are among its steps."""
    trace_hash: str
    virtual_s: float
    messages: int
    faults: Mapping[str, int]
    checks: int
    converged_after_s: float
    """From the end of all faults and operations; negative when it did not."""
    actor_errors: tuple[str, ...]
    """Exceptions that ended an actor's incarnation, store failures that were injected left out."""
    failure: Failure | None

    def to_plain(self) -> dict[str, Any]:
        """For programs."""
        return {
            "seed": self.schedule.seed,
            "trace_hash": self.trace_hash,
            "virtual_s": round(self.virtual_s, 3),
            "messages": self.messages,
            "operations": sum(not step.is_fault for step in self.schedule.steps),
            "faults": dict(sorted(self.faults.items())),
            "checks": self.checks,
            "converged_after_s": round(self.converged_after_s, 3),
            "actor_errors": list(self.actor_errors),
            "ok": self.failure is None,
        }


def draw_schedule(seed: int, nodes: int, duration_s: float, profile: FaultProfile) -> Schedule:
    """Operations and faults of a seed."""
    random = Random(f"schedule/{seed}")  # noqa: S311 - replay from a seed is the point
    operations = draw_operations(random, duration_s)
    faults = draw_steps(profile, random, _crashable(nodes), duration_s)
    return Schedule(seed, nodes, duration_s, profile, (*operations, *faults))


def _crashable(nodes: int) -> list[str]:
    names = ["store", "apiserver", "deployment-controller", "replicaset-controller", "garbage-collector", "scheduler"]
    for i in range(nodes):
        names += [f"kubelet-node-{i + 1}", f"runtime-node-{i + 1}"]
    return names


class Run:
    """A run in progress."""

    def __init__(self, schedule: Schedule, observer: Observer | None = None) -> None:
        self.schedule = schedule
        self.cluster = SimulatedCluster(schedule.seed, schedule.nodes)
        self._timed: Counter[str] = Counter()
        scripted = [step for step in schedule.steps if step.kind == "message"]
        random = Random(f"faults/{schedule.seed}")  # noqa: S311 - as above
        self.interception = Interception(self.cluster.sim, scripted, schedule.profile, random)
        self.interception.observer = observer

    def execute(self) -> RunReport:
        """Carry it out from start to verdict."""
        cluster, schedule = self.cluster, self.schedule
        with cluster:
            cluster.start()
            cluster.sim.interceptor = self.interception
            start_s = cluster.sim.now_s
            self._set_faults(schedule.steps)
            user = self._start_user(start_s)
            cluster.sim.run_for(schedule.duration_s)
            self._heal()
            healed_s = cluster.sim.now_s
            failure = self._settle(user)
            converged_s = (
                -1.0 if failure is not None and failure.kind == "not converged" else self._settled_s - healed_s
            )
            return RunReport(
                replace(schedule, profile=FaultProfile(), steps=(*schedule.steps, *self.interception.drawn)),
                cluster.sim.trace_hash,
                cluster.sim.now_s,
                cluster.sim.messages,
                self._timed + self.interception.injected,
                cluster.oracles.changes * INVARIANTS_A_CHANGE + LAWS_AT_THE_END + len(schedule.expectations),
                converged_s,
                tuple(
                    f"{crash.at_s:.3f} s: {crash.actor}: {type(crash.error).__name__}: {crash.error}"
                    for crash in cluster.sim.crashes
                    if not isinstance(crash.error, LogError)
                ),
                failure,
            )

    # Faults with a time

    def _set_faults(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.is_fault and step.kind != "message":
                self.cluster.sim.call_later(step.at_s, partial(self._befall, step))

    def _befall(self, step: Step) -> None:
        sim, log, d = self.cluster.sim, self.cluster.log, step.details
        self._timed[step.label] += 1
        if step.kind == "crash":
            if d["actor"] == BROKER or d["actor"] in sim.actors:
                sim.crash(d["actor"], restart_after_s=d.get("restart_after_s", 0.1))
        elif step.kind == "pause":
            sim.pause(d["actor"], d["for_s"])
        elif step.kind in ("partition", "slow"):
            self.interception.set_link(step)
        elif step.kind == "slow-sync":
            details = {"from": "store", "to": "*", "for_s": d["for_s"], "delay_s": d["delay_s"]}
            self.interception.set_link(Step(step.at_s, "slow", details))
        elif step.kind == "skew":
            sim.clock_skew_s[d["actor"]] = sim.clock_skew_s.get(d["actor"], 0.0) + d["by_s"]
        elif step.kind == "commit-crash":
            log.crash_next = "before commit" if d["when"] == "before" else "after commit"
        elif step.kind == "disk-full":
            log.is_full = True
            sim.call_later(d["for_s"], self._free_disk)

    def _free_disk(self) -> None:
        """What an operator does: make room, then lift the alarm."""
        if self.cluster.log.is_full:
            self.cluster.log.is_full = False
            self._disarming = self.cluster.sim.loop.create_task(self._disarm())

    async def _disarm(self) -> None:
        ctx = self.cluster.sim.context(OPERATOR)
        while True:
            try:
                await ctx.request("store", protocol.ALARM, {"raised": False})
            except RequestError:
                await ctx.sleep(DISARM_AGAIN_S)
            else:
                return

    def _heal(self) -> None:
        """Faults are over. Clocks that were set wrong are right again."""
        self.interception.heal()
        self._free_disk()
        self.cluster.log.crash_next = None
        self.cluster.sim.go_on()
        self.cluster.sim.clock_skew_s.clear()

    # Verdict

    def _start_user(self, start_s: float) -> InsistingUser:
        operations = [step for step in self.schedule.steps if not step.is_fault]
        self.cluster.sim.context(CLIENT)
        user = InsistingUser(lambda: self.cluster.client, operations, [])
        self._user_task = self.cluster.sim.loop.create_task(user.act(start_s))
        return user

    _settled_s = 0.0
    _disarming: asyncio.Task[None] | None = None

    def _settle(self, user: InsistingUser) -> Failure | None:
        sim, oracles = self.cluster.sim, self.cluster.oracles
        deadline_s = sim.now_s + CONVERGE_WITHIN_S
        while problems := self._unsettled(user):
            if oracles.violations:
                return Failure("invariant", tuple(oracles.violations))
            if sim.now_s >= deadline_s:
                return Failure("not converged", tuple(problems))
            sim.run_for(LOOK_EVERY_S)
        self._settled_s = sim.now_s
        if self._user_task.done():
            self._user_task.result()
        return self._check_settled(user)

    def _unsettled(self, user: InsistingUser) -> list[str]:
        if user.done < len(user.steps):
            return [f"the user has no answer yet: {user.steps[user.done]}"]
        return unsettled(self.cluster.oracles)

    def _check_settled(self, user: InsistingUser) -> Failure | None:
        sim, oracles = self.cluster.sim, self.cluster.oracles
        sim.run_for(AFTERMATH_S)
        before = versions(oracles)
        sim.run_for(QUIET_S)
        after = versions(oracles)
        wanted, got = final_state(user.steps), state_of(oracles)
        differing = [f"Deployment {n}: {got.get(n)}, not {wanted.get(n)}" for n in {**wanted, **got}]
        differing = [text for text, n in zip(differing, {**wanted, **got}, strict=True) if wanted.get(n) != got.get(n)]
        found: list[tuple[str, Sequence[str]]] = [
            ("invariant", oracles.violations),
            ("not converged", unsettled(oracles)),
            ("final state", [*user.refused, *differing]),
            ("expectation", self._disappointed()),
            ("still writing", written_between(before, after)),
            ("left over", left_over(oracles)),
            ("not idempotent", not_idempotent(oracles, self.cluster.client.ctx.wall_s())),
        ]
        return next((Failure(kind, tuple(details)) for kind, details in found if details), None)

    def _disappointed(self) -> list[str]:
        problems: list[str] = []
        for e in self.schedule.expectations:
            obj = self.cluster.oracles.objects.get(e.kind, {}).get(e.key)
            if not e.path:
                if obj is not None:
                    problems.append(f"{e.kind} {e.key} exists")
                continue
            value: Any = obj
            for name in e.path:
                value = value.get(name) if isinstance(value, dict) else None
            if value != e.value:
                problems.append(f"{e.kind} {e.key}: {'.'.join(e.path)} is {value!r}, not {e.value!r}")
        return problems


def execute(schedule: Schedule, observer: Observer | None = None) -> RunReport:
    """Run a schedule."""
    return Run(schedule, observer).execute()
