"""The Deployment controller: what it writes, reports and tells, step by step."""

from __future__ import annotations

import copy

import pytest
from controller_world import World, deployment, replicaset, template

from actors.apimachinery.conditions import find_condition
from actors.apimachinery.meta import Key, controller_of, format_time, key_of
from actors.apimachinery.operation import Object
from actors.apimachinery.template_hash import pod_template_hash
from actors.controllers.deployment.controller import DeploymentController
from actors.controllers.deployment.history import HISTORY_CHARS_MAX, REVISION, REVISION_HISTORY
from actors.controllers.deployment.rollout import DEPLOYMENTS, DESIRED_REPLICAS, MAX_REPLICAS, REPLICASETS
from actors.controllers.refusals import Refusal

KEY = Key("default", "web")


@pytest.fixture
def controller() -> DeploymentController:
    return DeploymentController()


@pytest.fixture
def world(controller: DeploymentController) -> World:
    return World(controller)


def sets(world: World) -> list[Object]:
    """ReplicaSets by revision."""
    return sorted(world.list(REPLICASETS), key=lambda rs: int(rs["metadata"]["annotations"].get(REVISION, 0)))


def report(world: World, rs: Object, ready: int | None = None, terminating: int = 0) -> None:
    """What the ReplicaSet controller would report once its pods are there, `ready` of them available."""
    changed = copy.deepcopy(world.get(REPLICASETS, key_of(rs)))
    size = changed["spec"]["replicas"]
    ready = size if ready is None else ready
    counts = {"replicas": size, "fullyLabeledReplicas": size, "readyReplicas": ready, "availableReplicas": ready}
    changed["status"] = {**counts, "terminatingReplicas": terminating}
    changed["status"]["observedGeneration"] = changed["metadata"]["generation"]
    world._store(REPLICASETS, key_of(rs), changed)


def roll_out(world: World, controller: DeploymentController) -> None:
    """Let everything become available until nothing is written any more."""
    for _ in range(40):
        written = bool(world.reconcile(controller, KEY).writes)
        for rs in world.list(REPLICASETS):
            before = world.get(REPLICASETS, key_of(rs)).get("status")
            report(world, rs)
            written = written or world.get(REPLICASETS, key_of(rs))["status"] != before
        if not written:
            return
    raise AssertionError("still writing")


def condition(world: World, kind: str) -> Object:
    found = find_condition(world.get(DEPLOYMENTS, KEY)["status"]["conditions"], kind)
    assert found is not None, kind
    return found


def set_image(world: World, image: str) -> None:
    world.change(DEPLOYMENTS, "web", {"spec": {"template": template("web", image)}})


def test_creates_the_replicaset(world, controller) -> None:
    d = deployment(replicas=3, minReadySeconds=5)
    d["metadata"]["annotations"] = {"team": "a", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    d = world.add(d)
    world.reconcile(controller, KEY)
    (rs,) = sets(world)
    digest = pod_template_hash(d["spec"]["template"])
    labels = {"app": "web", "pod-template-hash": digest}
    assert rs["metadata"]["name"] == f"web-{digest}"
    assert rs["metadata"]["labels"] == rs["spec"]["template"]["metadata"]["labels"] == labels
    assert rs["spec"]["selector"] == {"matchLabels": labels}
    assert (rs["spec"]["replicas"], rs["spec"]["minReadySeconds"]) == (3, 5)
    expected = {"team": "a", REVISION: "1", DESIRED_REPLICAS: "3", MAX_REPLICAS: "4"}
    assert rs["metadata"]["annotations"] == expected
    assert controller_of(rs)["uid"] == d["metadata"]["uid"]
    assert controller_of(rs)["blockOwnerDeletion"] is True
    assert world.events == [("ScalingReplicaSet", f"Scaled up replica set web-{digest} from 0 to 3")]


def test_reports_the_way_from_created_to_available(world, controller) -> None:
    world.add(deployment(replicas=3))
    world.settle(controller, KEY)
    (rs,) = sets(world)
    name = rs["metadata"]["name"]
    status = world.get(DEPLOYMENTS, KEY)["status"]
    assert world.get(DEPLOYMENTS, KEY)["metadata"]["annotations"][REVISION] == "1"
    assert (status["observedGeneration"], status["unavailableReplicas"]) == (1, 3)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetCreated"
    assert condition(world, "Progressing")["message"] == f'Created new replica set "{name}"'
    assert condition(world, "Available")["reason"] == "MinimumReplicasUnavailable"
    report(world, rs, ready=1)
    world.settle(controller, KEY)
    assert condition(world, "Progressing")["reason"] == "ReplicaSetUpdated"
    assert condition(world, "Progressing")["message"] == f'ReplicaSet "{name}" is progressing.'
    report(world, rs)
    world.settle(controller, KEY)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert condition(world, "Progressing")["message"] == f'ReplicaSet "{name}" has successfully progressed.'
    assert condition(world, "Available")["reason"] == "MinimumReplicasAvailable"
    status = {k: v for k, v in world.get(DEPLOYMENTS, KEY)["status"].items() if k != "conditions"}
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert status == {**dict.fromkeys(counts, 3), "observedGeneration": 1, "terminatingReplicas": 0}


def test_an_update_rolls_and_tells_each_step(world, controller) -> None:
    world.add(deployment(replicas=4))
    roll_out(world, controller)
    world.events.clear()
    set_image(world, "nginx:1.26")
    roll_out(world, controller)
    old, new = (rs["metadata"]["name"] for rs in sets(world))
    assert [message for _, message in world.events] == [
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {old} from 4 to 2",
        f"Scaled up replica set {new} from 1 to 3",
        f"Scaled down replica set {old} from 2 to 0",
        f"Scaled up replica set {new} from 3 to 4",
    ]


def test_undo_gives_the_old_replicaset_a_new_revision(world, controller) -> None:
    world.add(deployment(replicas=2))
    roll_out(world, controller)
    (first,) = sets(world)
    set_image(world, "nginx:1.26")
    roll_out(world, controller)
    set_image(world, "nginx:1.25")
    roll_out(world, controller)
    assert len(world.list(REPLICASETS)) == 2
    annotations = world.get(REPLICASETS, key_of(first))["metadata"]["annotations"]
    assert (annotations[REVISION], annotations[REVISION_HISTORY]) == ("3", "1")
    assert world.get(DEPLOYMENTS, KEY)["metadata"]["annotations"][REVISION] == "3"


def test_history_is_cut_to_its_limit(world, controller) -> None:
    world.add(deployment(replicas=1, revisionHistoryLimit=2))
    for minor in range(5):
        set_image(world, f"nginx:1.{minor}")
        roll_out(world, controller)
    assert [rs["metadata"]["annotations"][REVISION] for rs in sets(world)] == ["3", "4", "5"]


def test_the_list_of_former_revisions_stays_short(world, controller) -> None:
    world.add(deployment(replicas=1))
    roll_out(world, controller)
    (first,) = sets(world)
    former = ",".join(str(n) for n in range(1000, 1399))
    change = {"metadata": {"annotations": {REVISION_HISTORY: former, REVISION: "1399"}}}
    world.change(REPLICASETS, first["metadata"]["name"], change)
    set_image(world, "nginx:1.26")
    roll_out(world, controller)
    set_image(world, "nginx:1.25")
    roll_out(world, controller)
    history = world.get(REPLICASETS, key_of(first))["metadata"]["annotations"][REVISION_HISTORY]
    assert len(history) <= HISTORY_CHARS_MAX
    assert history.endswith(",1399")


def test_recreate_waits_until_the_last_old_pod_is_gone(world, controller) -> None:
    world.add(deployment(replicas=2, strategy={"type": "Recreate"}))
    roll_out(world, controller)
    (old,) = sets(world)
    set_image(world, "nginx:1.26")
    world.settle(controller, KEY)
    assert world.get(REPLICASETS, key_of(old))["spec"]["replicas"] == 0
    assert len(world.list(REPLICASETS)) == 1
    report(world, old, terminating=2)
    world.settle(controller, KEY)
    assert len(world.list(REPLICASETS)) == 1
    report(world, old)
    world.settle(controller, KEY)
    assert [rs["spec"]["replicas"] for rs in sets(world)] == [0, 2]


def test_paused_it_scales_but_does_not_roll(world, controller) -> None:
    world.add(deployment(replicas=2))
    roll_out(world, controller)
    world.change(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    set_image(world, "nginx:1.26")
    world.change(DEPLOYMENTS, "web", {"spec": {"replicas": 5}})
    roll_out(world, controller)
    assert [rs["spec"]["replicas"] for rs in sets(world)] == [5]
    paused = condition(world, "Progressing")
    assert (paused["status"], paused["reason"]) == ("Unknown", "DeploymentPaused")
    assert paused["message"] == "Deployment is paused"
    world.change(DEPLOYMENTS, "web", {"spec": {"paused": None}})
    world.reconcile(controller, KEY)
    assert len(world.list(REPLICASETS)) == 2
    roll_out(world, controller)
    assert [rs["spec"]["replicas"] for rs in sets(world)] == [0, 5]
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_resuming_is_told(world, controller) -> None:
    world.add(deployment(replicas=2, paused=True))
    world.settle(controller, KEY)
    assert not world.list(REPLICASETS)
    set_image(world, "nginx:1.26")
    world.change(DEPLOYMENTS, "web", {"spec": {"paused": None, "replicas": 0}})
    world.refuse = lambda op: op.verb == "create"
    world.reconcile(controller, KEY)
    assert condition(world, "Progressing")["reason"] == "DeploymentResumed"


def test_the_progress_deadline_is_looked_at_and_told(world, controller) -> None:
    world.add(deployment(replicas=2, progressDeadlineSeconds=60))
    world.settle(controller, KEY)
    assert world.reconcile(controller, KEY).requeue_after_s == 61
    world.now_s += 30
    assert world.reconcile(controller, KEY).requeue_after_s == 31
    world.now_s += 31
    decision = world.reconcile(controller, KEY)
    assert decision.requeue_after_s is None
    late = condition(world, "Progressing")
    assert (late["status"], late["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert late["message"] == f'ReplicaSet "{sets(world)[0]["metadata"]["name"]}" has timed out progressing.'
    roll_out(world, controller)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_without_a_deadline_there_is_no_condition_progressing(world, controller) -> None:
    world.add(deployment(replicas=1, progressDeadlineSeconds=2**31 - 1))
    roll_out(world, controller)
    conditions = world.get(DEPLOYMENTS, KEY)["status"]["conditions"]
    assert [c["type"] for c in conditions] == ["Available"]


def test_scaling_in_a_rollout_is_proportional(world, controller) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    world.add(deployment(replicas=10, strategy=rolling))
    roll_out(world, controller)
    set_image(world, "nginx:broken")
    for _ in range(10):
        world.reconcile(controller, KEY)
        old, *new = sets(world)
        report(world, old)
        for rs in new:
            report(world, rs, ready=0)
    assert [rs["spec"]["replicas"] for rs in sets(world)] == [8, 5]
    world.change(DEPLOYMENTS, "web", {"spec": {"replicas": 15}})
    world.settle(controller, KEY)
    assert [rs["spec"]["replicas"] for rs in sets(world)] == [11, 7]
    assert [rs["metadata"]["annotations"][MAX_REPLICAS] for rs in sets(world)] == ["18", "18"]


def test_a_hash_that_collides_gets_another_one(world, controller) -> None:
    d = deployment()
    occupant = replicaset(f"web-{pod_template_hash(d['spec']['template'])}")
    occupant["spec"]["selector"]["matchLabels"] = {"app": "other"}
    occupant["metadata"]["labels"] = {"app": "other"}
    world.add(occupant)
    world.add(d)
    world.settle(controller, KEY)
    assert world.get(DEPLOYMENTS, KEY)["status"]["collisionCount"] == 1
    mine = [rs for rs in world.list(REPLICASETS) if controller_of(rs)]
    assert [rs["metadata"]["name"] for rs in mine] == [f"web-{pod_template_hash(d['spec']['template'], 1)}"]


def test_adopts_a_matching_replicaset_of_its_template(world, controller) -> None:
    orphan = replicaset("hand-made", template=template("web"), selector={"matchLabels": {"app": "web"}})
    orphan["metadata"]["labels"] = {"app": "web"}
    world.add(orphan)
    world.add(deployment())
    world.settle(controller, KEY)
    (rs,) = world.list(REPLICASETS)
    assert controller_of(rs)["name"] == "web"
    assert rs["metadata"]["annotations"][REVISION] == "1"


def test_releases_a_replicaset_that_matches_no_longer(world, controller) -> None:
    world.add(deployment())
    roll_out(world, controller)
    (rs,) = sets(world)
    world.change(REPLICASETS, rs["metadata"]["name"], {"metadata": {"labels": {"app": "x"}}})
    world.reconcile(controller, KEY)
    assert controller_of(world.get(REPLICASETS, key_of(rs))) is None


def test_being_deleted_it_only_reports(world, controller) -> None:
    world.add(deployment())
    roll_out(world, controller)
    stamp = {"deletionTimestamp": format_time(world.now_s), "finalizers": ["foregroundDeletion"]}
    world.change(DEPLOYMENTS, "web", {"metadata": stamp, "spec": {"replicas": 9, "template": template("web", "x")}})
    world.settle(controller, KEY)
    assert [rs["spec"]["replicas"] for rs in world.list(REPLICASETS)] == [3]
    assert world.get(DEPLOYMENTS, KEY)["status"]["observedGeneration"] == 2


def test_an_empty_selector_is_refused(world, controller) -> None:
    world.add(deployment(selector={}))
    world.reconcile(controller, KEY)
    assert world.events[0][0] == "SelectingAll"
    assert not world.list(REPLICASETS)
    assert world.get(DEPLOYMENTS, KEY)["status"]["observedGeneration"] == 1


def test_a_replicaset_that_could_not_be_created_is_told(world, controller) -> None:
    world.add(deployment())
    world.refuse = lambda op: op.verb == "create"
    (write,) = world.reconcile(controller, KEY).writes
    told = controller.refused(KEY, world, world.now_s, [Refusal(write, "denied")])
    world.carry_out(told)
    message = f'Failed to create new replica set "{write.name}": denied'
    assert condition(world, "Progressing")["reason"] == "ReplicaSetCreateError"
    assert condition(world, "Progressing")["message"] == message
    assert ("ReplicaSetCreateError", message) in world.events
    world.refuse = None
    world.settle(controller, KEY)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetCreated"


def test_a_replicasets_failure_is_the_deployments(world, controller) -> None:
    world.add(deployment())
    world.settle(controller, KEY)
    (rs,) = sets(world)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    status = {"replicas": 0, "conditions": [{**failure, "lastTransitionTime": format_time(world.now_s)}]}
    world.change(REPLICASETS, rs["metadata"]["name"], {"status": status})
    world.settle(controller, KEY)
    assert condition(world, "ReplicaFailure")["message"] == "quota"
    roll_out(world, controller)
    conditions = world.get(DEPLOYMENTS, KEY)["status"]["conditions"]
    assert sorted(c["type"] for c in conditions) == ["Available", "Progressing"]


def test_annotations_and_min_ready_seconds_follow_the_deployment(world, controller) -> None:
    world.add(deployment())
    roll_out(world, controller)
    world.change(DEPLOYMENTS, "web", {"metadata": {"annotations": {"team": "b"}}, "spec": {"minReadySeconds": 7}})
    roll_out(world, controller)
    (rs,) = sets(world)
    assert rs["metadata"]["annotations"]["team"] == "b"
    assert rs["spec"]["minReadySeconds"] == 7


def test_pods_of_a_finished_rollout_that_come_and_go_are_no_rollout(world, controller) -> None:
    world.add(deployment())
    roll_out(world, controller)
    (rs,) = sets(world)
    report(world, rs, ready=0)
    world.settle(controller, KEY)
    world.now_s += 10_000
    world.settle(controller, KEY)
    assert condition(world, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert condition(world, "Available")["status"] == "False"


def test_recreate_waits_for_a_replicaset_that_has_not_reported_yet(world, controller) -> None:
    world.add(deployment(replicas=2, strategy={"type": "Recreate"}))
    world.settle(controller, KEY)
    (old,) = sets(world)
    set_image(world, "nginx:1.26")
    world.settle(controller, KEY)
    assert world.get(REPLICASETS, key_of(old))["spec"]["replicas"] == 0
    assert len(world.list(REPLICASETS)) == 1
    report(world, old)
    world.settle(controller, KEY)
    assert len(world.list(REPLICASETS)) == 2


def test_a_pause_does_not_hide_that_the_deadline_was_missed(world, controller) -> None:
    world.add(deployment(progressDeadlineSeconds=60))
    world.settle(controller, KEY)
    world.now_s += 100
    world.settle(controller, KEY)
    world.change(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    world.settle(controller, KEY)
    assert condition(world, "Progressing")["reason"] == "ProgressDeadlineExceeded"
