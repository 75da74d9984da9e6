"""Schedules made from the causes in a recorded run: what is made, what is left out as equivalent."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from actors.simulation import ordered_scale
from actors.simulation.explore import WORKLOADS, plan, rollout
from actors.simulation.run import Run, execute

LONG = bool(os.environ.get("PODCHAIN_LONG"))


def test_a_rollout_gives_schedules_of_every_kind_and_equivalent_ones_are_left_out() -> None:
    exploration = plan(rollout(seed=0, nodes=2))
    kinds = Counter(schedule.steps[-1].details["fault"] for schedule in exploration.schedules)
    assert set(kinds) == {"cut", "drop", "delay", "crash-receiver", "crash-onto-old-view", "swap"}
    assert min(kinds.values()) > 10
    assert exploration.pruned > exploration.generated / 4
    cut = [s.steps[-1].details for s in exploration.schedules if s.steps[-1].details["fault"] == "cut"]
    assert {"deployment-controller", "replicaset-controller", "scheduler"} <= {details["sender"] for details in cut}
    assert plan(rollout(seed=0, nodes=2)) == exploration


@pytest.mark.parametrize("workload", list(WORKLOADS))
def test_schedules_of_each_kind_meet_their_message_and_converge(workload: str) -> None:
    """One of each kind; all of them with PODCHAIN_LONG=1."""
    schedules = plan(WORKLOADS[workload](1, 1)).schedules
    by_kind = {schedule.steps[-1].details["fault"]: schedule for schedule in schedules}
    assert len(by_kind) == 6
    for schedule in schedules if LONG else by_kind.values():
        report = execute(schedule)
        assert sum(report.faults.values()) >= 1, schedule.steps[-1]
        assert report.failure is None, (schedule.steps[-1], report.failure)


def test_an_ordered_scale_that_lets_two_of_one_identity_run_is_caught() -> None:
    """The oracle of identities sees what the runtimes do, whatever the API shows."""
    run = Run(WORKLOADS["ordered-scale"](1, 2))
    with run.cluster as cluster:
        cluster.extra_actors = {ordered_scale.NAME: ordered_scale.run}
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/statefulsets", ordered_scale.set_manifest("db", 1, "nginx")))
        assert cluster.sim.run_until(lambda: not ordered_scale.unsettled_sets(cluster.oracles), 30)
        (pod,) = cluster.oracles.of_kind("Pod")
        stop = cluster.client.delete("v1/pods", "db-0", "default", options={"gracePeriodSeconds": 0})
        cluster.sim.crash(f"kubelet-{pod['spec']['nodeName']}", restart_after_s=None)
        cordon = {"spec": {"unschedulable": True}}
        cluster.run(cluster.client.patch("v1/nodes", pod["spec"]["nodeName"], cordon))
        cluster.run(stop)  # by force: the dead kubelet's runtime goes on running it
        cluster.sim.run_for(5)
        assert any("another of that identity" in text for text in cluster.oracles.violations)
