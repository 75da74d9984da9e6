"""Schedules made from the causes in a recorded run: what is made, what is left out as equivalent."""

from __future__ import annotations

from collections import Counter

from actors.simulation.explore import plan, rollout
from actors.simulation.run import execute


def test_a_rollout_gives_schedules_of_every_kind_and_equivalent_ones_are_left_out() -> None:
    exploration = plan(rollout(seed=0, nodes=2))
    kinds = Counter(schedule.steps[-1].details["fault"] for schedule in exploration.schedules)
    assert set(kinds) == {"cut", "drop", "delay", "crash-receiver"}
    assert min(kinds.values()) > 10
    assert exploration.pruned > exploration.generated / 4
    cut = [s.steps[-1].details for s in exploration.schedules if s.steps[-1].details["fault"] == "cut"]
    assert {"deployment-controller", "replicaset-controller", "scheduler"} <= {details["sender"] for details in cut}
    assert plan(rollout(seed=0, nodes=2)) == exploration


def test_each_schedule_meets_its_message_and_converges() -> None:
    schedules = plan(rollout(seed=1, nodes=1)).schedules
    for schedule in schedules[:: max(1, len(schedules) // 12)]:
        report = execute(schedule)
        assert sum(report.faults.values()) == 1, schedule.steps[-1]
        assert report.failure is None, (schedule.steps[-1], report.failure)
