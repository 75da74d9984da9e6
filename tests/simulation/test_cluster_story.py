"""Hypothesis writes stories: what users do, what fate does, and the oracles at every step.

A failure shrinks to a short story, printed as the calls of the rules. ``PODCHAIN_LONG=1`` runs it for
``PODCHAIN_STORY_MINUTES`` (default 60) instead of for some seconds.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from random import Random

from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actors.simulation.cluster import CLIENT, SimulatedCluster
from actors.simulation.fate import Fate
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import DELAY_MAX_S, PROFILES, TIMED_RATES, FaultProfile, draw_fault
from actors.simulation.schedule import crashable
from actors.simulation.user import InsistingUser
from actors.simulation.verdict import Verdict
from actors.simulation.workload import IMAGES, deployment_manifest, final_nodes, final_state

LONG = bool(os.environ.get("PODCHAIN_LONG"))
MINUTES = float(os.environ.get("PODCHAIN_STORY_MINUTES", "60"))
NODES = 2
NODES_MAX = 4
NAMES = ("web", "api", "worker")
#: So long a user waits for an answer before the story goes on (virtual seconds); the user goes on insisting.
PATIENCE_S = 20.0

names = st.sampled_from(NAMES)
replicas = st.integers(0, 6)
images = st.sampled_from(IMAGES)
fault_kinds = st.sampled_from([name.replace("_", "-") for name in TIMED_RATES])


class ClusterStory(RuleBasedStateMachine):
    """A cluster, its users, and fate."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.log = io.StringIO()
        self.cluster = SimulatedCluster(seed, NODES)
        with self.silence():
            self.cluster.start()
        self.fate = Fate(self.cluster, (), FaultProfile(), seed)
        self.fate.start()
        self.cluster.sim.context(CLIENT)
        self.steps: list[Step] = []
        self.user = InsistingUser(self.cluster, self.steps)
        self.acting = None
        self.nodes_made = NODES

    def silence(self):
        return contextlib.redirect_stderr(self.log)

    def act(self, kind: str, **details: object) -> None:
        """A user does something, and waits a while for the answer before doing anything else."""
        self.steps.append(Step(0.0, kind, details))
        sim = self.cluster.sim
        if self.acting is None or self.acting.done():
            if self.acting is not None:
                self.acting.result()
            self.acting = sim.loop.create_task(self.act_on(self.user.done))
        with self.silence():
            sim.run_until(lambda: self.user.done == len(self.steps), PATIENCE_S)

    async def act_on(self, first: int) -> None:
        while self.user.done < len(self.steps):
            number = self.user.done
            await self.user.do(number)

    def live(self) -> list[str]:
        return list(final_state(self.steps, self.user.undone))

    def nodes(self) -> dict[str, bool]:
        return final_nodes(self.steps, NODES)

    # Users

    @rule(name=names, replicas=replicas, image=images)
    def apply(self, name: str, replicas: int, image: str) -> None:
        self.act("apply", manifest=deployment_manifest(name, replicas, image))

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 5), replicas=replicas)
    def scale(self, which: int, replicas: int) -> None:
        self.act("scale", name=self.live()[which % len(self.live())], replicas=replicas)

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 5), image=images)
    def update(self, which: int, image: str) -> None:
        self.act("set-image", name=self.live()[which % len(self.live())], image=image)

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 5))
    def undo(self, which: int) -> None:
        self.act("undo", name=self.live()[which % len(self.live())])

    @precondition(lambda self: self.live())
    @rule(which=st.integers(0, 5))
    def delete(self, which: int) -> None:
        self.act("delete", name=self.live()[which % len(self.live())])

    @precondition(lambda self: sum(self.nodes().values()) > 1)
    @rule(which=st.integers(0, 3), drain=st.booleans())
    def cordon_or_drain(self, which: int, drain: bool) -> None:
        open_nodes = [node for node, is_open in self.nodes().items() if is_open]
        self.act("drain" if drain else "cordon", node=open_nodes[which % len(open_nodes)])

    @precondition(lambda self: not all(self.nodes().values()))
    @rule()
    def uncordon(self) -> None:
        self.act("uncordon", node=next(node for node, is_open in self.nodes().items() if not is_open))

    @precondition(lambda self: len(self.nodes()) < NODES_MAX)
    @rule()
    def add_node(self) -> None:
        self.nodes_made += 1
        self.act("add-node", node=f"node-{self.nodes_made}")

    @precondition(lambda self: sum(self.nodes().values()) > 1)
    @rule(which=st.integers(0, 3))
    def remove_node(self, which: int) -> None:
        nodes = self.nodes()
        self.act("remove-node", node=list(nodes)[which % len(nodes)] if not all(nodes.values()) else list(nodes)[-1])

    # Fate

    @rule(kind=fault_kinds, seed=st.integers(0, 2**16))
    def befall(self, kind: str, seed: int) -> None:
        """A fault with a time: a crash, a pause, a partition, an old view, a full disk, ..."""
        nodes = [node.name for node in self.cluster.nodes]
        step = draw_fault(kind, self.cluster.sim.now_s, Random(seed), crashable(nodes))
        note(str(step))
        self.fate.befall(step)

    @rule(profile=st.sampled_from(["none", "messages", "api", "heavy"]))
    def weather(self, profile: str) -> None:
        """Messages are lost, repeated, late and refused from now on as the profile says."""
        self.fate.interception.set_rates(PROFILES[profile])

    @rule(delay_s=st.sampled_from([0.001, 0.02, 0.2, DELAY_MAX_S, 3.0, 12.0]))
    def time_passes(self, delay_s: float) -> None:
        with self.silence():
            self.cluster.sim.run_for(delay_s)

    # Oracles

    @invariant()
    def safe(self) -> None:
        if hasattr(self, "cluster"):
            assert self.cluster.oracles.violations == []

    def teardown(self) -> None:
        if not hasattr(self, "cluster"):
            return
        with self.cluster, self.silence():
            self.fate.heal()
            verdict = Verdict(self.cluster, self.fate.witness, self.user, NODES)
            failure = verdict.judge()
            assert failure is None, f"{failure.kind}: " + "\n".join(failure.details[:12])


def story_settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40 if LONG else 12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


def test_whatever_users_and_fate_do_it_converges() -> None:
    if not LONG:
        run_state_machine_as_test(ClusterStory, settings=story_settings(14))
        return
    end_s = time.monotonic() + 60 * MINUTES
    while time.monotonic() < end_s:
        run_state_machine_as_test(ClusterStory, settings=story_settings(50))
