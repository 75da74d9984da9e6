"""One run: a cluster, a schedule, and the oracles' verdict. A pure function of its `Schedule`, trace hash included."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from actors.simulation import ordered_scale
from actors.simulation.cluster import CLIENT, SimulatedCluster
from actors.simulation.fate import Fate
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.interception import Observer
from actors.simulation.ordered_scale import unsettled_sets
from actors.simulation.schedule import RunReport, Schedule
from actors.simulation.user import InsistingUser
from actors.simulation.verdict import LAWS, Verdict
from store.log import LogError

#: Controllers that a schedule may ask for.
EXTRA_CONTROLLERS: Final = {ordered_scale.NAME: ordered_scale.run}
#: Safety invariants looked at after each change of the store.
INVARIANTS_A_CHANGE: Final = 6


class Run:
    """A run in progress."""

    def __init__(self, schedule: Schedule, observer: Observer | None = None) -> None:
        self.schedule = schedule
        self.cluster = SimulatedCluster(schedule.seed, schedule.nodes)
        self.fate = Fate(self.cluster, schedule.steps, schedule.profile, schedule.seed)
        self.fate.interception.observer = observer

    def execute(self) -> RunReport:
        """Carry it out from start to verdict."""
        cluster, schedule, fate = self.cluster, self.schedule, self.fate
        with cluster:
            for name in schedule.controllers:
                cluster.extra_actors[name] = EXTRA_CONTROLLERS[name]
            cluster.start()
            start_s = cluster.sim.now_s
            fate.start()
            cluster.sim.context(CLIENT)
            user = InsistingUser(cluster, [step for step in schedule.steps if not step.is_fault])
            acting = cluster.sim.loop.create_task(user.act(start_s))
            cluster.sim.run_for(schedule.duration_s)
            fate.heal()
            healed_s = cluster.sim.now_s
            verdict = Verdict(cluster, fate.witness, user, schedule.nodes, schedule.expectations, self._also_unsettled)
            failure = verdict.judge()
            if acting.done():
                acting.result()
            checks = cluster.oracles.changes * INVARIANTS_A_CHANGE + fate.witness.looks + LAWS
            return RunReport(
                replace(schedule, profile=FaultProfile(), steps=(*schedule.steps, *fate.interception.drawn)),
                cluster.sim.trace_hash,
                cluster.sim.now_s,
                cluster.sim.messages,
                fate.injected,
                checks + len(schedule.expectations),
                verdict.settled_s - healed_s if verdict.settled_s else -1.0,
                tuple(
                    f"{crash.at_s:.3f} s: {crash.actor}: {type(crash.error).__name__}: {crash.error}"
                    for crash in cluster.sim.crashes
                    if not isinstance(crash.error, LogError)
                ),
                failure,
            )

    def _also_unsettled(self) -> list[str]:
        return unsettled_sets(self.cluster.oracles) if ordered_scale.NAME in self.schedule.controllers else []


def execute(schedule: Schedule, observer: Observer | None = None) -> RunReport:
    """Run a schedule."""
    return Run(schedule, observer).execute()
