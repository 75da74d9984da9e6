"""What holds in every rollout, whatever order writes and pods take: bounds, convergence, rest."""

from __future__ import annotations

import random
from typing import Any

from controller_world import World, deployment, set_ready, template
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.intstr import fenceposts
from actors.apimachinery.meta import Key, controller_of, key_of, uid_of
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import is_active, is_ready
from actors.controllers.deployment.controller import DeploymentController
from actors.controllers.deployment.rollout import DEPLOYMENTS, MAX_REPLICAS, REPLICASETS, Replicas, Rollout
from actors.controllers.deployment.scaling import proportional_sizes
from actors.controllers.replicaset.controller import ReplicaSetController
from actors.controllers.replicaset.pod_creation import PODS

KEY = Key("default", "web")
amounts = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))


class Cluster:
    """Both controllers over one world, run in random order, with pods that become ready at random."""

    def __init__(self, chance: random.Random, replicas: int, strategy: Object) -> None:
        self.chance = chance
        self.deployments = DeploymentController()
        self.replicasets = ReplicaSetController()
        self.world = World(self.deployments)
        self.world.knows(self.replicasets)
        self.world.add(deployment(replicas=replicas, strategy=strategy))

    def bounds(self) -> tuple[int, int, int]:
        """Most pods there may be, fewest that may be available, and the number asked for."""
        spec = self.world.get(DEPLOYMENTS, KEY)["spec"]
        if spec["strategy"]["type"] == "Recreate":
            return spec["replicas"], 0, spec["replicas"]
        rolling = spec["strategy"]["rollingUpdate"]
        surge, unavailable = fenceposts(rolling["maxSurge"], rolling["maxUnavailable"], spec["replicas"])
        return spec["replicas"] + surge, max(0, spec["replicas"] - unavailable), spec["replicas"]

    def sizes(self) -> int:
        return sum(rs["spec"]["replicas"] for rs in self.world.list(REPLICASETS))

    def ready(self) -> int:
        return sum(1 for pod in self.world.list(PODS) if is_active(pod) and is_ready(pod))

    def step(self) -> bool:
        """One of the things that can happen; whether anything was written."""
        rs = [key_of(obj) for obj in self.world.list(REPLICASETS)]
        choice = self.chance.randrange(3)
        if choice == 0:
            return bool(self.world.reconcile(self.deployments, KEY).writes)
        if choice == 1 and rs:
            return bool(self.world.reconcile(self.replicasets, self.chance.choice(rs)).writes)
        return self.pods_move_on()

    def pods_move_on(self) -> bool:
        waiting = [p for p in self.world.list(PODS) if not is_ready(p) or not is_active(p)]
        if not waiting:
            return False
        pod = self.chance.choice(waiting)
        if is_active(pod):
            set_ready(self.world, pod)
        else:
            self.world.remove(PODS, key_of(pod))
        return True

    def quiet(self) -> bool:
        """Whether nothing wants to write and all pods are ready or gone."""
        if self.world.reconcile(self.deployments, KEY).writes:
            return False
        for rs in self.world.list(REPLICASETS):
            if self.world.reconcile(self.replicasets, key_of(rs)).writes:
                return False
        return not self.pods_move_on()

    def settle(self, check: Any = None) -> None:
        for _ in range(3000):
            self.step()
            if check is not None:
                check()
            if self.chance.random() < 0.05 and self.quiet() and self.quiet():
                return
        raise AssertionError("does not come to rest")


def rolling(surge: Any, unavailable: Any) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


def newest(cluster: Cluster) -> Object:
    d = cluster.world.get(DEPLOYMENTS, KEY)
    image = d["spec"]["template"]["spec"]["containers"][0]["image"]
    sets = cluster.world.list(REPLICASETS)
    (found,) = (rs for rs in sets if rs["spec"]["template"]["spec"]["containers"][0]["image"] == image)
    return found


def assert_converged(cluster: Cluster) -> None:
    d = cluster.world.get(DEPLOYMENTS, KEY)
    wanted = d["spec"]["replicas"]
    status = d["status"]
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [status.get(name, 0) for name in names] == [wanted] * 4
    assert status["observedGeneration"] == d["metadata"]["generation"]
    owners = {controller_of(pod)["uid"] for pod in cluster.world.list(PODS)}
    assert len(cluster.world.list(PODS)) == wanted
    assert owners <= {uid_of(newest(cluster))}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), replicas=st.integers(1, 10), surge=amounts, unavailable=amounts)
def test_a_rollout_stays_within_surge_and_availability(seed, replicas, surge, unavailable) -> None:
    cluster = Cluster(random.Random(seed), replicas, rolling(surge, unavailable))
    cluster.settle()
    most, fewest, _ = cluster.bounds()
    for image in ("nginx:1.26", "nginx:1.27"):
        cluster.world.change(DEPLOYMENTS, "web", {"spec": {"template": template("web", image)}})

        def check() -> None:
            assert cluster.sizes() <= most  # as in Kubernetes: of what is asked for, not of pods about to go
            assert cluster.ready() >= fewest

        if image == "nginx:1.26":
            for _ in range(cluster.chance.randrange(40)):
                cluster.step()
                check()
        else:
            cluster.settle(check)
    assert_converged(cluster)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    strategy=st.one_of(st.builds(rolling, amounts, amounts), st.just({"type": "Recreate"})),
    story=st.lists(
        st.one_of(
            st.tuples(st.just("scale"), st.integers(0, 9)),
            st.tuples(st.just("image"), st.sampled_from(["nginx:1", "nginx:2", "nginx:3"])),
            st.tuples(st.just("steps"), st.integers(0, 25)),
            st.tuples(st.just("pause"), st.booleans()),
            st.tuples(st.just("lose"), st.integers(0, 3)),
            st.tuples(st.just("strategy"), st.booleans()),
        ),
        max_size=8,
    ),
)
def test_any_story_of_changes_converges(seed, strategy, story) -> None:
    cluster = Cluster(random.Random(seed), 3, strategy)
    change = cluster.world.change
    for kind, value in story:
        if kind == "scale":
            change(DEPLOYMENTS, "web", {"spec": {"replicas": value}})
        elif kind == "image":
            change(DEPLOYMENTS, "web", {"spec": {"template": template("web", value)}})
        elif kind == "pause":
            change(DEPLOYMENTS, "web", {"spec": {"paused": value}})
        elif kind == "strategy":
            new = {"type": "Recreate", "rollingUpdate": None} if value else rolling(1, 0)
            change(DEPLOYMENTS, "web", {"spec": {"strategy": new}})
        elif kind == "lose":
            for pod in cluster.world.list(PODS)[:value]:
                set_ready(cluster.world, pod, False)
        else:
            for _ in range(value):
                cluster.step()
    change(DEPLOYMENTS, "web", {"spec": {"paused": None}})
    cluster.settle()
    assert_converged(cluster)
    for controller, key in [(cluster.deployments, KEY), (cluster.replicasets, key_of(newest(cluster)))]:
        decision = controller.reconcile(key, cluster.world, cluster.world.now_s)
        assert list(decision.writes) == []
        assert list(decision.events) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), replicas=st.integers(0, 6))
def test_with_recreate_old_and_new_pods_never_meet(seed, replicas) -> None:
    cluster = Cluster(random.Random(seed), replicas, {"type": "Recreate"})
    cluster.settle()

    def check() -> None:
        pods = cluster.world.list(PODS)
        assert len({controller_of(pod)["uid"] for pod in pods}) <= 1
        assert len(pods) <= replicas

    cluster.world.change(DEPLOYMENTS, "web", {"spec": {"template": template("web", "nginx:2")}})
    cluster.settle(check)
    assert_converged(cluster)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    before=st.one_of(st.none(), st.integers(1, 150)),
    desired=st.integers(0, 150),
    surge=amounts,
)
def test_shares_add_up_and_all_go_the_same_way(sizes, before, desired, surge) -> None:
    """Growing, a part may shrink only when there were fewer pods than the annotation says (None: as many)."""
    d = deployment(replicas=desired, strategy=rolling(surge, 1))
    sets = []
    for number, size in enumerate(sizes):
        metadata = {
            "name": f"rs-{number}",
            "uid": str(number),
            "annotations": {MAX_REPLICAS: str(before or sum(sizes))},
        }
        obj = {"metadata": metadata, "spec": {"replicas": size, "template": {}}}
        sets.append(Replicas(obj, obj))
    sets.sort(key=lambda rs: -rs.size)
    rollout = Rollout(d, None, sets, 0.0, {}, {})
    allowed = desired + rollout.max_surge if desired else 0
    to_add = allowed - sum(sizes)
    result = proportional_sizes(rollout, sets, to_add)
    assert all(size >= 0 for size in result)
    if sets[0].size + to_add >= 0 or desired == 0:
        assert sum(result) == allowed
    for rs, size in zip(sets, result, strict=True):
        assert size <= rs.size if to_add < 0 else before or size >= rs.size
