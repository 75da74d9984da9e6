"""The ReplicaSet controller: numbers of pods, adoption, status, failures."""

from __future__ import annotations

import pytest
from controller_world import World, pod, replicaset, set_ready
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.meta import Key, controller_of, format_time, key_of
from actors.apimachinery.selector import LabelSelector
from actors.controllers.ownership import claim
from actors.controllers.refusals import Refusal
from actors.controllers.replicaset.controller import REPLICASETS, ReplicaSetController
from actors.controllers.replicaset.pod_creation import PODS

KEY = Key("default", "web")


@pytest.fixture
def controller() -> ReplicaSetController:
    return ReplicaSetController()


@pytest.fixture
def world(controller: ReplicaSetController) -> World:
    return World(controller)


def test_creates_pods_from_the_template_and_reports(world, controller) -> None:
    rs = world.add(replicaset(replicas=3))
    world.reconcile(controller, KEY)
    pods = world.list(PODS)
    assert len(pods) == 3
    for created in pods:
        assert created["metadata"]["generateName"] == "web-"
        assert created["metadata"]["labels"] == {"app": "web"}
        assert controller_of(created)["uid"] == rs["metadata"]["uid"]
        assert created["spec"] == rs["spec"]["template"]["spec"]
        assert ("SuccessfulCreate", f"Created pod: {created['metadata']['name']}") in world.events
    world.settle(controller, KEY)
    status = world.get(REPLICASETS, KEY)["status"]
    assert status == {"replicas": 3, "fullyLabeledReplicas": 3, "observedGeneration": 1, "terminatingReplicas": 0}


def test_a_repeated_create_collides_instead_of_doubling(world, controller) -> None:
    world.add(replicaset(replicas=5))
    first = controller.reconcile(KEY, world, world.now_s)
    again = controller.reconcile(KEY, world, world.now_s)
    assert [op.name for op in first.writes] == [op.name for op in again.writes]
    assert [world.apply(op) for op in first.writes] == [201] * 5
    assert [world.apply(op) for op in again.writes] == [409] * 5
    assert len(world.list(PODS)) == 5


def test_a_view_that_knows_some_of_the_pods_completes_the_rest(world, controller) -> None:
    world.add(replicaset(replicas=5))
    decision = controller.reconcile(KEY, world, world.now_s)
    for op in decision.writes[1:4]:
        world.apply(op)
    world.settle(controller, KEY)
    assert len(world.list(PODS)) == 5


def test_creates_in_bursts_of_500(world, controller) -> None:
    world.add(replicaset(replicas=1200))
    assert [len(world.reconcile(controller, KEY).writes) for _ in range(3)] == [500, 500, 200]
    assert len(world.list(PODS)) == 1200


def test_scale_down_deletes_and_reports_terminating_pods(world, controller) -> None:
    world.add(replicaset(replicas=3))
    world.settle(controller, KEY)
    for found in world.list(PODS):
        set_ready(world, found)
    world.change(REPLICASETS, "web", {"spec": {"replicas": 1}})
    world.settle(controller, KEY)
    status = world.get(REPLICASETS, KEY)["status"]
    assert (status["replicas"], status["readyReplicas"], status["terminatingReplicas"]) == (1, 1, 2)
    assert status["observedGeneration"] == 2
    assert [reason for reason, _ in world.events].count("SuccessfulDelete") == 2


def test_ended_and_terminating_pods_are_replaced(world, controller) -> None:
    world.add(replicaset(replicas=2))
    world.settle(controller, KEY)
    first, second = world.list(PODS)
    world.change(PODS, first["metadata"]["name"], {"status": {"phase": "Failed"}})
    world.change(PODS, second["metadata"]["name"], {"metadata": {"deletionTimestamp": format_time(world.now_s)}})
    world.settle(controller, KEY)
    assert len(world.list(PODS)) == 4
    status = world.get(REPLICASETS, KEY)["status"]
    assert (status["replicas"], status["terminatingReplicas"]) == (2, 1)


def test_adopts_matching_orphans_and_releases_what_no_longer_matches(world, controller) -> None:
    world.add(pod("stray"))
    rs = world.add(replicaset(replicas=2))
    world.settle(controller, KEY)
    stray = world.get(PODS, Key("default", "stray"))
    assert controller_of(stray)["uid"] == rs["metadata"]["uid"]
    assert len(world.list(PODS)) == 2
    world.change(PODS, "stray", {"metadata": {"labels": {"app": "debug"}}})
    world.settle(controller, KEY)
    assert controller_of(world.get(PODS, Key("default", "stray"))) is None
    assert len(world.list(PODS)) == 3


def test_never_touches_pods_of_another_controller(world, controller) -> None:
    foreign = pod("foreign")
    owner = {"apiVersion": "v1", "kind": "ReplicaSet", "name": "other", "uid": "other", "controller": True}
    foreign["metadata"]["ownerReferences"] = [owner]
    world.add(foreign)
    world.add(replicaset(replicas=0))
    world.settle(controller, KEY)
    assert world.get(PODS, Key("default", "foreign")) is not None


def test_a_replicaset_being_deleted_creates_and_adopts_nothing(world, controller) -> None:
    world.add(pod("stray"))
    world.add(replicaset(replicas=2))
    stamp = {"deletionTimestamp": format_time(world.now_s), "finalizers": ["foregroundDeletion"]}
    world.change(REPLICASETS, "web", {"metadata": stamp})
    world.settle(controller, KEY)
    assert len(world.list(PODS)) == 1


def test_min_ready_seconds_delays_availability_and_asks_for_another_look(world, controller) -> None:
    world.add(replicaset(replicas=1, minReadySeconds=10))
    world.settle(controller, KEY)
    set_ready(world, world.list(PODS)[0])
    decision = world.reconcile(controller, KEY)
    assert "availableReplicas" not in world.get(REPLICASETS, KEY)["status"]
    assert decision.requeue_after_s == 10
    world.now_s += 10
    assert world.reconcile(controller, KEY).requeue_after_s is None
    assert world.get(REPLICASETS, KEY)["status"]["availableReplicas"] == 1


def test_a_refused_create_is_reported_retried_in_small_steps_and_forgotten(world, controller) -> None:
    world.add(replicaset(replicas=20))
    quota = 'pods "x" is forbidden: exceeded quota: q'
    world.refuse = lambda op: op.verb == "create"
    decision = world.reconcile(controller, KEY)
    refusals = [Refusal(op, quota) for op in decision.writes]
    told = controller.refused(KEY, world, world.now_s, refusals)
    world.carry_out(told)
    assert ("FailedCreate", f"Error creating: {quota}") in world.events
    (condition,) = world.get(REPLICASETS, KEY)["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("ReplicaFailure", "True")
    assert (condition["reason"], condition["message"]) == ("FailedCreate", quota)
    world.refuse = None
    sizes = [len(world.reconcile(controller, KEY).writes) for _ in range(6)]
    assert sizes == [1, 1, 2, 4, 8, 4]
    world.settle(controller, KEY)
    assert "conditions" not in world.get(REPLICASETS, KEY)["status"]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 8), min_size=1, max_size=5),
    chance=st.randoms(use_true_random=False),
)
def test_converges_from_any_state_and_then_rests(sizes, chance) -> None:
    controller = ReplicaSetController()
    world = World(controller)
    world.add(replicaset(replicas=0))
    for size in sizes:
        world.change(REPLICASETS, "web", {"spec": {"replicas": size}})
        for _ in range(chance.randint(0, 3)):
            decision = controller.reconcile(KEY, world, world.now_s)
            for op in chance.sample(list(decision.writes), chance.randint(0, len(decision.writes))):
                world.apply(op)
        for found in world.list(PODS):
            set_ready(world, found, chance.random() < 0.5)
        if world.list(PODS) and chance.random() < 0.3:
            world.remove(PODS, key_of(chance.choice(world.list(PODS))))
    world.settle(controller, KEY)
    active = [p for p in world.list(PODS) if not p["metadata"].get("deletionTimestamp")]
    assert len(active) == sizes[-1]
    assert world.get(REPLICASETS, KEY)["status"]["replicas"] == sizes[-1]
    assert controller.reconcile(KEY, world, world.now_s).writes == ()


def test_a_large_one_is_looked_at_in_a_measured_pace_but_a_new_manifest_at_once(world, controller) -> None:
    world.add(replicaset(replicas=150))
    assert len(world.reconcile(controller, KEY).writes) == 150
    assert len(world.reconcile(controller, KEY).writes) == 1
    set_ready(world, world.list(PODS)[0])
    held = world.reconcile(controller, KEY)
    assert not held.writes
    assert held.requeue_after_s == pytest.approx(0.01)
    world.now_s += 0.011
    world.reconcile(controller, KEY)
    assert world.get(REPLICASETS, KEY)["status"]["readyReplicas"] == 1
    world.change(REPLICASETS, "web", {"spec": {"replicas": 149}})
    assert [op.verb for op in world.reconcile(controller, KEY).writes] == ["delete"]


def test_an_orphan_that_is_being_deleted_is_not_adopted(world, controller) -> None:
    going = pod("going", node="n")
    going["metadata"].update(deletionTimestamp=format_time(world.now_s), finalizers=["example.com/hold"])
    world.add(going)
    world.add(replicaset(replicas=1))
    world.settle(controller, KEY)
    assert controller_of(world.get(PODS, Key("default", "going"))) is None
    assert len(world.list(PODS)) == 2


def test_owners_that_are_going_neither_adopt_nor_release() -> None:
    owner = replicaset()
    owner["metadata"].update(uid="owner", deletionTimestamp="2026-01-01T00:00:00Z")
    mine = pod("mine", {"app": "other"})
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "owner", "controller": True}
    mine["metadata"]["ownerReferences"] = [reference]
    stray, going = pod("stray"), pod("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    selector = LabelSelector.parse("app=web")
    assert claim(owner, selector, PODS, [mine, stray, going]).writes == []
    del owner["metadata"]["deletionTimestamp"]
    result = claim(owner, selector, PODS, [mine, stray, going])
    assert [op.name for op in result.writes] == ["mine", "stray"]
