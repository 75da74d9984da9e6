"""Preemption: who has to go, where, and what is said of it."""

from __future__ import annotations

from random import Random
from typing import Any

from cluster_objects import node, pod
from hypothesis import given, settings
from hypothesis import strategies as st
from test_scheduler_actor import SmallServer

from actors.scheduler.actor import run
from actors.scheduler.scheduler import Failure, Scheduler
from broker.simulation import Simulation

HARMLESS = "0/1 nodes are available: 1 Insufficient cpu. "


def try_to_place(pods: list[Any], wanted: Any, *nodes: Any, budgets: Any = ()) -> tuple[Scheduler, Failure]:
    scheduler = Scheduler(Random(1))
    for each in nodes or [node("a", cpu="2")]:
        scheduler.on_node(each, None, 0)
    for each in pods:
        scheduler.on_pod(each, None, 0)
    for each in budgets:
        scheduler.on_disruption_budget(each)
    scheduler.on_pod(wanted, None, 0)
    (failure,) = scheduler.decide(10, 0).failures
    return scheduler, failure


def victims(failure: Failure) -> list[str]:
    return [info.key.name for info in failure.victims]


def cpu(name: str, amount: str, priority: int = 0, on: str = "", **more: Any) -> Any:
    return pod(name, on=on, requests={"cpu": amount}, priority=priority, **more)


def test_as_few_and_as_unimportant_pods_as_possible_go() -> None:
    there = [cpu("low", "1", 1, "a"), cpu("middle", "500m", 2, "a"), cpu("high", "500m", 20, "a")]
    _, failure = try_to_place(there, cpu("p", "1", 10))
    assert victims(failure) == ["low"]
    assert failure.nominated_node == "a"
    assert failure.message == (
        HARMLESS + "preemption: found a potential placement for pod on node a, preempting 1 victims."
    )


def test_pods_of_the_same_priority_stay() -> None:
    _, failure = try_to_place([cpu("x", "2", 10, "a")], cpu("p", "1", 10))
    assert not failure.victims
    assert failure.message.endswith(
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def test_preemption_that_would_not_suffice_says_why() -> None:
    there = [cpu("x", "1500m", 20, "a"), cpu("y", "500m", 0, "a")]
    _, failure = try_to_place(there, cpu("p", "1", 10))
    assert not failure.victims
    assert failure.message.endswith("preemption: 0/1 nodes are available: 1 Insufficient cpu.")


def test_some_pods_never_preempt() -> None:
    _, failure = try_to_place([cpu("x", "2", 0, "a")], cpu("p", "1", 10, preemptionPolicy="Never"))
    assert not failure.victims
    assert failure.message.endswith("preemption: not eligible due to preemptionPolicy=Never.")


def test_the_node_with_the_least_important_victims_is_chosen() -> None:
    there = [cpu("x", "2", 5, "a"), cpu("y", "2", 3, "b"), cpu("z", "2", 4, "c")]
    nodes = [node(name, cpu="2") for name in "abc"]
    assert victims(try_to_place(there, cpu("p", "1", 10), *nodes)[1]) == ["y"]


def test_disruption_budgets_are_spared_where_possible() -> None:
    budget = {
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}},
        "status": {"disruptionsAllowed": 0},
    }
    there = [cpu("db", "1", 0, "a", labels={"app": "db"}), cpu("other", "1", 5, "a")]
    assert victims(try_to_place(there, cpu("p", "1", 10))[1]) == ["db"]
    assert victims(try_to_place(there, cpu("p", "1", 10), budgets=[budget])[1]) == ["other"]


def test_room_is_kept_for_the_pod_it_was_made_for() -> None:
    victim = cpu("x", "2", 0, "a")
    scheduler, failure = try_to_place([victim], cpu("p", "2", 10))
    assert victims(failure) == ["x"]
    scheduler.on_pod(cpu("late", "1", 0), None, 1)
    assert not scheduler.decide(10, 1).assignments
    scheduler.on_pod_deleted(victim, 2)
    assert [a.info.key.name for a in scheduler.decide(10, 2).assignments] == ["p"]


def test_no_second_preemption_while_victims_are_leaving() -> None:
    victim = cpu("x", "2", 0, "a")
    scheduler, failure = try_to_place([victim, cpu("y", "2", 0, "b")], cpu("p", "2", 10), *(
        node(name, cpu="2") for name in "ab"
    ))  # fmt: skip
    gone = failure.victims[0].pod
    leaving = {**gone, "metadata": {**gone["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    scheduler.on_pod(leaving, gone, 1)
    scheduler.queue.event(None, 15, lambda *_: True)
    (again,) = scheduler.decide(10, 15).failures
    assert not again.victims
    assert again.nominated_node == failure.nominated_node
    assert again.message.endswith("preemption: not eligible due to a terminating pod on the nominated node.")


@settings(max_examples=60)
@given(
    there=st.lists(st.tuples(st.sampled_from([300, 500, 900]), st.integers(0, 4), st.sampled_from("ab")), max_size=8),
    wanted=st.sampled_from([400, 1000, 2000]),
    priority=st.integers(0, 5),
)
def test_victims_are_less_important_and_each_is_needed(there, wanted, priority) -> None:
    free = {"a": 2000, "b": 2000}
    pods = []
    for i, (amount, rank, on) in enumerate(there):
        if free[on] >= amount:
            free[on] -= amount
            pods.append(cpu(f"x{i}", f"{amount}m", rank, on))
    if max(free.values()) >= wanted:
        return
    _, failure = try_to_place(pods, cpu("p", f"{wanted}m", priority), *(node(n, cpu="2") for n in "ab"))
    sizes = [info.template.requests.milli_cpu for info in failure.victims]
    if failure.nominated_node:
        room = free[failure.nominated_node]
        assert all(info.priority < priority for info in failure.victims)
        assert room + sum(sizes) >= wanted
        assert all(room + sum(sizes) - size < wanted for size in sizes)
    else:
        possible = dict(free)
        for each in pods:
            if each["spec"]["priority"] < priority:
                amount = each["spec"]["containers"][0]["resources"]["requests"]["cpu"]
                possible[each["spec"]["nodeName"]] += int(amount.removesuffix("m"))
        assert max(possible.values()) < wanted


def test_the_actor_deletes_the_victims_and_binds_the_pod() -> None:
    server = SmallServer()
    server.create("v1/nodes", node("a", cpu="2"))
    server.create("v1/pods", cpu("x", "2", 0, "a"))
    server.create("v1/pods", cpu("p", "1", 10))
    with Simulation(seed=1) as sim:
        sim.spawn_actor("apiserver", server.run)
        sim.spawn_actor("scheduler", run)
        assert sim.run_until(lambda: server.bound == [("p", "a")], 20)
        assert [p["metadata"]["name"] for p in server.all("v1/pods")] == ["p"]
        assert sim.run_until(lambda: any(e["reason"] == "Preempted" for e in server.all("v1/events")), 20)
        told = [row for row in server.log if row[0] == "v1/pods" and row[4] == "x"]
        assert b"PreemptionByScheduler" in told[-1][5]
        assert not sim.crashes
