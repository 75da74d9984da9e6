"""The queue's order, its backoff, and which events wake which pods."""

from random import Random

import pytest
from cluster_objects import bound, node, place, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.scheduler.pod_info import PodInfos
from actors.scheduler.scheduler import Scheduler
from actors.scheduler.scheduling_queue import BACKOFF_MAX_S, LEFTOVER_CHECK_S, LEFTOVER_S, SchedulingQueue

INFOS = PodInfos()


def queued_names(popped):
    return [queued.info.key.name for queued in popped]


def test_priority_goes_before_age():
    queue = SchedulingQueue()
    for at_s, (name, priority) in enumerate([("old", 0), ("urgent", 10), ("new", 0)]):
        queue.add(INFOS.of(pod(name, priority=priority)), at_s)
    assert queued_names(queue.pop(10, 5)) == ["urgent", "old", "new"]


def test_backoff_doubles_up_to_its_maximum():
    queue = SchedulingQueue()
    queue.add(INFOS.of(pod("p")), 0)
    now_s, waits = 0.0, []
    for _ in range(7):
        (queued,) = queue.pop(1, now_s)
        queue.failed(queued, now_s)
        wake_s = queue.next_wake_s(now_s)
        assert queue.pop(1, wake_s - 0.001) == []
        waits.append(wake_s - now_s)
        now_s = wake_s
    assert waits == [1, 2, 4, 8, 10, 10, 10]


def test_a_pod_in_backoff_goes_early_when_nothing_else_waits():
    queue = SchedulingQueue()
    queue.add(INFOS.of(pod("p")), 0)
    (queued,) = queue.pop(1, 0)
    queue.unschedulable(queued, [], 0)
    queue.event(None, 0.1, lambda *_: True)
    queue.add(INFOS.of(pod("q")), 0.1)
    assert queued_names(queue.pop(10, 0.1)) == ["q"]
    assert queued_names(queue.pop(10, 0.1)) == ["p"]


def test_leftovers_are_tried_again_after_five_minutes():
    queue = SchedulingQueue()
    queue.add(INFOS.of(pod("p")), 0)
    (queued,) = queue.pop(1, 0)
    queue.unschedulable(queued, ["NodeAffinity"], 0)
    assert queue.pop(1, LEFTOVER_S - 1) == []
    assert queued_names(queue.pop(1, LEFTOVER_S + LEFTOVER_CHECK_S + 1)) == ["p"]


operations = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "pop", "fail", "unschedulable", "event", "wait"]), st.integers(0, 5)),
    max_size=60,
)


@settings(max_examples=80)
@given(operations)
def test_no_pod_is_lost_or_doubled(steps):
    """Every pod that was added and not removed is in flight or comes out again, once at a time."""
    queue, known, flying, now_s = SchedulingQueue(), set(), {}, 0.0
    for step, number in steps:
        name = f"p{number}"
        info = INFOS.of(pod(name, priority=number % 3))
        if step == "add":
            queue.add(info, now_s)
            known.add(name)
        elif step == "remove":
            queue.remove(info.uid)
            known.discard(name)
            flying.pop(name, None)
        elif step == "pop":
            for queued in queue.pop(number, now_s):
                popped = queued.info.key.name
                assert popped in known
                assert popped not in flying
                flying[popped] = queued
        elif step in ("fail", "unschedulable") and name in flying:
            queued = flying.pop(name)
            queue.failed(queued, now_s) if step == "fail" else queue.unschedulable(queued, [], now_s)
        elif step == "event":
            queue.event(None, now_s, lambda *_: True)
        elif step == "wait":
            now_s += number
    now_s += LEFTOVER_S + LEFTOVER_CHECK_S + 1
    popped = queued_names(queue.pop(100, now_s)) + queued_names(queue.pop(100, now_s + BACKOFF_MAX_S))
    popped += queued_names(queue.pop(100, now_s + BACKOFF_MAX_S))
    assert sorted(popped + list(flying)) == sorted(known)


# Events: the whole way, from a pod that fits nowhere to the attempt after the event.


def pending(pod_, *nodes, pods=()):
    scheduler = Scheduler(Random(1))
    for each in nodes:
        scheduler.on_node(each, None, 0)
    for each in pods:
        scheduler.on_pod(each, None, 0)
    assert "nodes" in place(scheduler, pod_)
    return scheduler


def woken(scheduler, now_s=20.0):
    return bool(scheduler.queue.pop(1, now_s))


SMALL = node("a", cpu="1")
APART = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
        ]
    }
}


@pytest.mark.parametrize(
    ("spec", "old", "new", "expected"),
    [
        ({"requests": {"cpu": "2"}}, SMALL, node("a", cpu="2"), True),
        ({"requests": {"cpu": "3"}}, SMALL, node("a", cpu="2"), False),
        ({"requests": {"cpu": "2"}}, SMALL, node("a", cpu="1", labels={"x": "y"}), False),
        ({"nodeSelector": {"x": "y"}}, SMALL, node("a", labels={"x": "y"}), True),
        ({"nodeSelector": {"x": "y"}}, SMALL, node("a", cpu="8"), False),
        ({}, node("a", taints=[("k", "", "NoSchedule")]), node("a"), True),
        ({}, node("a", taints=[("k", "", "NoSchedule")]), node("a", taints=[("k", "z", "NoExecute")]), False),
        ({"requests": {"cpu": "2"}}, SMALL, node("b", cpu="4"), True),
        ({"requests": {"cpu": "2"}}, SMALL, node("b", cpu="1"), False),
    ],
)
def test_which_node_events_wake_a_pod(spec, old, new, expected):
    scheduler = pending(pod("p", **spec), old)
    same = old["metadata"]["name"] == new["metadata"]["name"]
    scheduler.on_node(new, old if same else None, 10)
    assert woken(scheduler) == expected


def test_a_pod_that_leaves_wakes_what_waits_for_its_room_or_its_absence():
    there = pod("x", on="a", requests={"cpu": "1"}, labels={"app": "web"})
    scheduler = pending(pod("p", requests={"cpu": "1"}), SMALL, pods=[there])
    scheduler.on_pod_deleted(there, 10)
    assert woken(scheduler)
    scheduler = pending(pod("p", affinity=APART), SMALL, pods=[there])
    ended = {**there, "status": {"phase": "Succeeded"}}
    scheduler.on_pod(ended, there, 10)
    assert woken(scheduler)
    scheduler = pending(pod("p", nodeSelector={"x": "y"}), SMALL, pods=[there])
    scheduler.on_pod_deleted(there, 10)
    assert not woken(scheduler)


def test_a_pod_that_comes_wakes_what_wants_to_be_near_it():
    near = {"podAffinity": APART["podAntiAffinity"]}
    for labels, expected in (({"app": "web"}, True), ({"app": "db"}, False)):
        scheduler = pending(pod("p", affinity=near), SMALL)
        scheduler.on_pod(pod("x", on="a", labels=labels), None, 10)
        assert woken(scheduler) == expected


def test_the_first_node_wakes_everything():
    scheduler = pending(pod("p"))
    scheduler.on_node(node("a"), None, 10)
    assert woken(scheduler)


def test_its_own_status_does_not_wake_a_pod_but_its_own_change_does():
    waiting = pod("p", nodeSelector={"x": "y"})
    scheduler = pending(waiting, SMALL)
    scheduler.on_pod({**waiting, "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled"}]}}, waiting, 10)
    assert not woken(scheduler)
    scheduler.on_pod(pod("p", nodeSelector={}), waiting, 11)
    assert woken(scheduler)


def test_a_pod_bound_by_another_leaves_the_queue():
    waiting = pod("p", requests={"cpu": "2"})
    scheduler = pending(waiting, SMALL)
    scheduler.on_pod(bound(waiting, "a"), waiting, 10)
    assert len(scheduler.queue) == 0
    assert scheduler.snapshot.nodes["a"].requested.milli_cpu == 2000
