"""What fate does to a cluster: each kind of fault carried out, and all of them healed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Final

from actors.simulation.cluster import SimulatedCluster
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.interception import Interception
from actors.simulation.witness import HistoryWitness
from broker.context import RequestError
from broker.simulation import RESTART_AFTER_S
from store import protocol

#: Who lifts the alarm of a disk that was full, and how long it waits before it tries again.
OPERATOR: Final = "operator"
DISARM_AGAIN_S: Final = 1.0


class Fate:
    """All faults of one cluster: those with a time, those with a moment, those of messages."""

    def __init__(self, cluster: SimulatedCluster, steps: Sequence[Step], profile: FaultProfile, seed: int) -> None:
        self.cluster = cluster
        self.timed: Counter[str] = Counter()
        self.witness = HistoryWitness(cluster.oracles)
        self._steps = [step for step in steps if step.is_fault]
        self._is_over = False
        self._disarming: asyncio.Task[None] | None = None
        self.interception = Interception(
            cluster.sim,
            [step for step in self._steps if not step.is_timed],
            profile,
            Random(f"faults/{seed}"),  # noqa: S311 - replay from a seed is the point
            witness=self.witness,
            befall=self.befall,
            revision_at=cluster.log.revision_at,
        )
        self._kinds: Mapping[str, Callable[[Step], None]] = {
            "crash": self._crash,
            "restart": lambda step: cluster.sim.crash(step.details["actor"], restart_after_s=0.0),
            "restart-onto-old-view": self._restart_onto_old_view,
            "pause": lambda step: cluster.sim.pause(step.details["actor"], step.details["for_s"]),
            "skew": self._skew,
            "jump": lambda step: self._move_clock(step.details["actor"], step.details["by_s"]),
            "commit-crash": self._crash_at_commit,
            "disk-full": self._fill_disk,
            "slow-sync": self._slow_sync,
            "lagging-replica": self._lag,
        }

    def start(self) -> None:
        """From now on it takes its course; times count from here."""
        self.cluster.sim.interceptor = self.interception
        for step in self._steps:
            if step.is_timed:
                self.cluster.sim.call_later(step.at_s, partial(self.befall, step))

    @property
    def injected(self) -> Counter[str]:
        """How many faults of each kind there were."""
        return self.timed + self.interception.injected

    def befall(self, step: Step) -> None:
        """One fault, now."""
        if self._is_over:
            return
        self.timed[step.label] += 1
        carry_out = self._kinds.get(step.kind)
        if carry_out is not None:
            carry_out(step)
        else:
            self.interception.links.set(step)

    def heal(self) -> None:
        """Faults are over. Clocks that were set wrong are right again."""
        self._is_over = True
        self.interception.heal()
        self._free_disk()
        self.cluster.log.crash_next = None
        self.cluster.sim.go_on()
        self.cluster.sim.clock_skew_s.clear()

    def begin_anew(self) -> None:
        """After a healing, faults may befall again."""
        self._is_over = False
        self.interception.drawing = True

    def _crash(self, step: Step) -> None:
        self.cluster.sim.crash(
            step.details["actor"], restart_after_s=step.details.get("restart_after_s", RESTART_AFTER_S)
        )

    def _restart_onto_old_view(self, step: Step) -> None:
        d, sim = step.details, self.cluster.sim
        revision = self.cluster.log.revision_at(sim.now_s - d["behind_s"])
        self.interception.views.stand_still(d["actor"], max(1, revision), d["for_s"])
        sim.crash(d["actor"])

    def _lag(self, step: Step) -> None:
        d = step.details
        self.interception.views.lag(d["actor"], d["delay_s"], d["for_s"])

    def _skew(self, step: Step) -> None:
        d = step.details
        self._move_clock(d["actor"], d["by_s"])
        self.cluster.sim.call_later(d["for_s"], lambda: self._move_clock(d["actor"], -d["by_s"]))

    def _move_clock(self, actor: str, by_s: float) -> None:
        if not self._is_over:
            skews = self.cluster.sim.clock_skew_s
            skews[actor] = skews.get(actor, 0.0) + by_s

    def _crash_at_commit(self, step: Step) -> None:
        before = step.details["when_committing"] == "before"
        self.cluster.log.crash_next = "before commit" if before else "after commit"

    def _slow_sync(self, step: Step) -> None:
        """The store answers and tells late, as its commits take longer."""
        d = step.details
        details = {"from": "store", "to": "*", "for_s": d["for_s"], "delay_s": d["delay_s"]}
        self.interception.links.set(Step(step.at_s, "slow", details))

    def _fill_disk(self, step: Step) -> None:
        self.cluster.log.is_full = True
        self.cluster.sim.call_later(step.details["for_s"], self._free_disk)

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
