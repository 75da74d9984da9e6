"""A Deployment of random size, updated and scaled at random, converges while a third of all messages is lost,
repeated or late, and actors crash; and no invariant is ever violated."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.operation import Object, Operation
from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled
from broker.context import RequestTimeout
from broker.faults import RandomFaults

LONG = bool(os.environ.get("PODCHAIN_LONG"))
CRASHABLE = [
    "store",
    "apiserver",
    "deployment-controller",
    "replicaset-controller",
    "garbage-collector",
    "scheduler",
    "kubelet-node-1",
    "runtime-node-1",
    "broker",
]


def deployment(name: str, replicas: int, image: str) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {"name": "web", "image": image, "resources": {"requests": {"cpu": "500m", "memory": "64Mi"}}}
                    ]
                },
            },
        },
    }


def insist(cluster: SimulatedCluster, operation: Operation) -> None:
    """Do it as a stubborn user would: with a third of all messages lost, half a minute may pass without an answer."""

    async def until_answered() -> None:
        while True:
            try:
                (result,) = await cluster.client.batch([operation])
            except RequestTimeout:
                continue
            assert result.ok or (operation.verb == "create" and result.code == 409), result.status
            return

    cluster.run(until_answered(), 600)


def change(patch: Object) -> Operation:
    return Operation("patch", "apps/v1/deployments", "default", "web", body=patch, options={"patchType": "strategic"})


def settle(cluster: SimulatedCluster, limit_s: float = 180.0) -> None:
    """Let it converge, and then see that it stays so."""
    ok = cluster.sim.run_until(lambda: not unsettled(cluster.oracles), limit_s)
    assert ok, "\n".join(["not converged:", *unsettled(cluster.oracles), *map(str, cluster.sim.crashes)])
    cluster.sim.run_for(30)
    assert not unsettled(cluster.oracles)
    assert cluster.oracles.violations == []


def test_a_deployment_without_faults() -> None:
    with SimulatedCluster(seed=1, nodes=3) as cluster:
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", deployment("web", 3, "nginx:1.25")))
        assert cluster.sim.run_until(
            lambda: bool(cluster.oracles.of_kind("Pod")) and not unsettled(cluster.oracles), 30
        ), unsettled(cluster.oracles)
        settle(cluster)
        assert len(cluster.oracles.of_kind("Pod")) == 3
        assert not cluster.sim.crashes, "\n".join(map(str, cluster.sim.crashes))


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace(seed: int) -> tuple[str, int]:
        with SimulatedCluster(seed=seed, nodes=2, faults=RandomFaults(drop=0.1, delay=0.1)) as cluster:
            cluster.start(limit_s=300)
            cluster.run(cluster.client.create("apps/v1/deployments", deployment("web", 4, "nginx:1.25")))
            cluster.sim.run_for(20)
            return cluster.sim.trace_hash, cluster.sim.messages

    first, again, other = trace(5), trace(5), trace(6)
    assert first == again
    assert first != other


changes = st.one_of(
    st.tuples(st.just("scale"), st.integers(0, 8)),
    st.tuples(st.just("image"), st.sampled_from(["nginx:1.25", "nginx:1.26", "nginx:1.27"])),
    st.tuples(st.just("crash"), st.sampled_from(CRASHABLE)),
    st.tuples(st.just("wait"), st.floats(0, 5)),
)


@settings(max_examples=300 if LONG else 12)
@given(
    seed=st.integers(0, 2**32),
    replicas=st.integers(0, 8),
    faults=st.sampled_from(
        [
            RandomFaults(drop=0.33),
            RandomFaults(duplicate=0.33),
            RandomFaults(delay=0.33),
            RandomFaults(drop=0.11, duplicate=0.11, delay=0.11),
            RandomFaults(),
        ]
    ),
    story=st.lists(changes, max_size=8),
)
def test_random_changes_under_loss_and_crashes_converge(seed, replicas, faults, story) -> None:
    with SimulatedCluster(seed=seed, nodes=2) as cluster:
        cluster.start()
        cluster.set_faults(faults)
        manifest = deployment("web", replicas, "nginx:1.25")
        insist(cluster, Operation("create", "apps/v1/deployments", "default", "web", body=manifest))
        for kind, value in story:
            if kind == "scale":
                insist(cluster, change({"spec": {"replicas": value}}))
            elif kind == "image":
                containers = [{"name": "web", "image": value}]
                insist(cluster, change({"spec": {"template": {"spec": {"containers": containers}}}}))
            elif kind == "crash":
                cluster.sim.crash(value)
            else:
                cluster.sim.run_for(value)
        cluster.sim.run_for(2)
        cluster.set_faults(None)
        settle(cluster)


@pytest.mark.parametrize("victim", CRASHABLE)
def test_each_actor_may_crash_in_the_middle_of_a_rollout(victim: str) -> None:
    with SimulatedCluster(seed=11, nodes=2) as cluster:
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", deployment("web", 4, "nginx:1.25")))
        settle(cluster)
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:1.26"}]}}}}
        cluster.run(cluster.client.patch("apps/v1/deployments", "web", patch, "default", patch_type="strategic"))
        for _ in range(4):
            cluster.sim.crash(victim)
            cluster.sim.run_for(0.4)
        settle(cluster)
