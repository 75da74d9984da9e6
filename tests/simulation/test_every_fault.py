"""Every fault can be drawn from a rate, and scripted as a step at a time or at a moment of the causal trace."""

from __future__ import annotations

from dataclasses import fields

import pytest

from actors.simulation.cluster import CLIENT
from actors.simulation.fate import Fate
from actors.simulation.fault_plan import KINDS, MESSAGE_FAULTS, Step
from actors.simulation.fault_profile import TIMED_RATES, FaultProfile
from actors.simulation.moment import Moment
from actors.simulation.run import Run, execute
from actors.simulation.schedule import Schedule, draw_schedule
from actors.simulation.workload import deployment_manifest
from broker.message import KIND_REPLY, KIND_REQUEST, unpack

CREATE = Step(0.0, "create", {"manifest": deployment_manifest("web", 3, "nginx:1.25")})
#: What a step of each kind with a time may look like.
TIMED = [
    {"do": "crash", "actor": "scheduler"},
    {"do": "restart", "actor": "replicaset-controller"},
    {"do": "restart-onto-old-view", "actor": "kubelet-node-1", "behind_s": 0.5, "for_s": 1},
    {"do": "pause", "actor": "deployment-controller", "for_s": 1},
    {"do": "partition", "from": "scheduler", "to": "apiserver", "for_s": 1},
    {"do": "partition", "from": "apiserver", "to": "scheduler", "for_s": 1, "one_way": True},
    {"do": "slow", "from": "*", "to": "apiserver", "for_s": 1, "delay_s": 0.1},
    {"do": "skew", "actor": "node-lifecycle-controller", "by_s": -20, "for_s": 1},
    {"do": "jump", "actor": "scheduler", "by_s": 30},
    {"do": "commit-crash", "when_committing": "before"},
    {"do": "commit-crash", "when_committing": "after"},
    {"do": "disk-full", "for_s": 1},
    {"do": "slow-sync", "for_s": 1, "delay_s": 0.1},
    {"do": "lagging-replica", "actor": "replicaset-controller", "delay_s": 0.3, "for_s": 1},
    {"do": "watch-reset", "actor": "scheduler", "resource": "v1/pods"},
    {"do": "missing-bookmarks", "for_s": 2},
]


def test_every_fault_with_a_time_converges_as_a_step() -> None:
    """All of them, one after another, in one run."""
    assert {spec["do"] for spec in TIMED} == {name for name, kind in KINDS.items() if kind.is_fault} - {
        "message",
        "no-hints",  # for ever: see test_found_bugs.py
    }
    faults = tuple(Step.from_plain({"at": 0.02 + 2.5 * i, **spec}) for i, spec in enumerate(TIMED))
    changes = tuple(
        Step(2.5 * i, "set-image", {"name": "web", "image": f"nginx:1.{i % 2}"}) for i in range(1, len(TIMED))
    )
    report = execute(Schedule(1, 2, 2.5 * len(TIMED) + 1, FaultProfile(), (CREATE, *changes, *faults)))
    assert report.failure is None
    assert {step.label for step in faults} <= set(report.faults)
    assert [Step.from_plain(step.to_plain()) for step in faults] == list(faults)


@pytest.mark.parametrize("rate", [f.name for f in fields(FaultProfile)])
def test_every_rate_injects_its_fault(rate: str) -> None:
    profile = FaultProfile(**{rate: 60.0 if rate in TIMED_RATES else 0.3})
    schedule = draw_schedule(1, 1, 6.0, profile)
    report = execute(Schedule(1, 1, 6.0, profile, (CREATE, *(step for step in schedule.steps if step.is_fault))))
    assert report.faults.get(rate.replace("_", "-"), 0) >= 1
    assert report.failure is None


def test_every_fault_of_a_message_has_a_story() -> None:
    for fault in MESSAGE_FAULTS:
        step = Step.from_plain({"do": "message", "fault": fault, "when": {"operation": "create", "nth": 2}})
        assert step.to_plain()["when"]["nth"] == 2
        assert "before create" in str(step)


@pytest.mark.parametrize("point", ["before", "before-answer", "after-answer"])
def test_a_crash_at_a_moment_of_the_causal_trace(point: str) -> None:
    """ "After the third pod create, before its answer": three pods are there, and their creator never hears of it."""
    moment = Moment(operation="create", resource="v1/pods", nth=3, point=point)
    crash = Step(0.0, "crash", {"actor": "replicaset-controller", "restart_after_s": 5.0}, moment)
    run = Run(Schedule(2, 1, 12.0, FaultProfile(), (CREATE, crash)))
    pods_at_crash: list[int] = []
    befall = run.fate.interception._befall

    def noting(step: Step) -> None:
        pods_at_crash.append(len(run.cluster.oracles.of_kind("Pod")))
        befall(step)

    run.fate.interception._befall = noting
    report = run.execute()
    assert pods_at_crash == [0 if point == "before" else 3]
    assert report.failure is None
    assert report.faults == {"crash": 1}


def test_a_message_fault_at_a_moment() -> None:
    moment = Moment(event="ADDED", resource="v1/pods", to="scheduler", nth=1)
    run = Run(Schedule(2, 1, 8.0, FaultProfile(), (CREATE, Step(0.0, "message", {"fault": "drop"}, moment))))
    report = run.execute()
    assert report.faults == {"drop": 1}
    assert report.failure is None


def test_a_pause_holds_timers_and_code() -> None:
    """A paused kubelet renews no lease; one that only gets no messages would try."""
    run = Run(Schedule(1, 1, 60.0))
    with run.cluster as cluster:
        cluster.start()
        sent: list[float] = []
        fate = Fate(cluster, (), FaultProfile(), 1)
        fate.interception.observer = lambda key, _: (
            sent.append(cluster.sim.now_s) if key[0] == "kubelet-node-1" and key[2] == KIND_REQUEST else None
        )
        fate.start()
        cluster.sim.run_for(20)
        assert sent
        paused_s = cluster.sim.now_s
        fate.befall(Step(0.0, "pause", {"actor": "kubelet-node-1", "for_s": 15.0}))
        cluster.sim.run_for(30)
        quiet = [at_s for at_s in sent if paused_s + 0.01 < at_s < paused_s + 15.0]
        assert quiet == []
        assert [at_s for at_s in sent if at_s >= paused_s + 15.0]


def test_an_actor_that_restarts_onto_an_old_view_sees_the_past_and_then_the_present() -> None:
    run = Run(Schedule(1, 1, 60.0))
    with run.cluster as cluster:
        cluster.start()
        fate = Fate(cluster, (), FaultProfile(), 1)
        listed: list[int] = []

        def observe(key, frames) -> None:
            if key[:3] == ("apiserver", "replicaset-controller", KIND_REPLY) and key[3] == "operate":
                listed.extend(row[1] for row in unpack(frames[1]) if not row[4] or "continue" not in row[4])

        fate.interception.observer = observe
        fate.start()
        cluster.sim.context(CLIENT)
        cluster.sim.run_for(2)
        cluster.run(cluster.client.create("apps/v1/deployments", CREATE.details["manifest"]))
        cluster.sim.run_for(1)
        before = cluster.log.revision_at(cluster.sim.now_s - 1.5)
        details = {"actor": "replicaset-controller", "behind_s": 1.5, "for_s": 3.0}
        listed.clear()
        fate.befall(Step(0.0, "restart-onto-old-view", details))
        cluster.sim.run_for(2)
        views = cluster.sim.context("replicaset-controller").views
        assert listed
        assert {view.revision for view in views} == {before}
        assert before < cluster.oracles.revision
        cluster.sim.run_for(8)
        assert min(view.revision for view in views) > before
        assert cluster.oracles.violations == []
