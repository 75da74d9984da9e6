"""The controllers with the whole cluster around them: deletions, namespaces and dead nodes, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from controller_world import deployment as manifest

from actors.apimachinery.operation import Object
from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled

DEPLOYMENTS = "apps/v1/deployments"


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(seed=7, nodes=2) as cluster:
        cluster.start()
        yield cluster
        assert cluster.oracles.violations == []
        assert not cluster.sim.crashes, "\n".join(map(str, cluster.sim.crashes))


def running(cluster: SimulatedCluster, namespace: str = "default", **spec: Any) -> Object:
    """Create a Deployment and wait until it is complete."""
    obj = manifest(**spec)
    obj["metadata"]["namespace"] = namespace
    created = cluster.run(cluster.client.create(DEPLOYMENTS, obj))
    assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles), 60), unsettled(cluster.oracles)
    return created


def gone(cluster: SimulatedCluster, kind: str, limit_s: float = 60.0) -> bool:
    return cluster.sim.run_until(lambda: not cluster.oracles.of_kind(kind), limit_s)


def delete(cluster: SimulatedCluster, policy: str) -> None:
    options = {"propagationPolicy": policy}
    cluster.run(cluster.client.delete(DEPLOYMENTS, "web", "default", options=options))


def test_background_deletion_takes_the_dependents_after_the_owner(cluster) -> None:
    running(cluster)
    delete(cluster, "Background")
    assert not cluster.oracles.of_kind("Deployment")
    assert gone(cluster, "Pod")
    assert gone(cluster, "ReplicaSet")


def test_foreground_deletion_takes_the_owner_last(cluster) -> None:
    running(cluster)
    name = cluster.oracles.of_kind("ReplicaSet")[0]["metadata"]["name"]

    def hold(finalizers: list[str] | None) -> None:
        patch = {"metadata": {"finalizers": finalizers}}
        cluster.run(cluster.client.patch("apps/v1/replicasets", name, patch, "default"))

    hold(["example.com/hold"])
    delete(cluster, "Foreground")
    cluster.sim.run_for(30)
    (waiting,) = cluster.oracles.of_kind("Deployment")
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert waiting["metadata"]["deletionTimestamp"]
    (held,) = cluster.oracles.of_kind("ReplicaSet")
    assert held["metadata"]["deletionTimestamp"]
    hold(None)
    assert gone(cluster, "Deployment")
    assert not cluster.oracles.of_kind("ReplicaSet")
    assert not cluster.oracles.of_kind("Pod")


def test_orphans_stay_and_are_adopted_again(cluster) -> None:
    running(cluster)
    (before,) = cluster.oracles.of_kind("ReplicaSet")
    delete(cluster, "Orphan")
    assert gone(cluster, "Deployment")
    cluster.sim.run_for(30)
    (orphan,) = cluster.oracles.of_kind("ReplicaSet")
    assert "ownerReferences" not in orphan["metadata"]
    assert len(cluster.oracles.of_kind("Pod")) == 3
    created = running(cluster)
    (adopted,) = cluster.oracles.of_kind("ReplicaSet")
    assert adopted["metadata"]["uid"] == before["metadata"]["uid"]
    assert adopted["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]


def test_a_namespace_is_emptied_and_waits_for_finalizers(cluster) -> None:
    def namespace() -> list[Object]:
        return [obj for obj in cluster.oracles.of_kind("Namespace") if obj["metadata"]["name"] == "team"]

    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    cluster.run(cluster.client.create("v1/namespaces", body))
    running(cluster, "team")
    metadata = {"name": "held", "namespace": "team", "finalizers": ["example.com/hold"]}
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    cluster.run(cluster.client.create("v1/configmaps", held))
    cluster.run(cluster.client.delete("v1/namespaces", "team"))
    cluster.sim.run_for(60)
    conditions = {c["type"]: c for c in namespace()[0]["status"]["conditions"]}
    remaining = conditions["NamespaceContentRemaining"]["message"]
    assert remaining == "Some resources are remaining: configmaps has 1 resource instances"
    finalizers = conditions["NamespaceFinalizersRemaining"]["message"]
    assert "example.com/hold in 1 resource instances" in finalizers
    assert not cluster.oracles.of_kind("Pod")
    patch = {"metadata": {"finalizers": None}}
    cluster.run(cluster.client.patch("v1/configmaps", "held", patch, "team"))
    assert cluster.sim.run_until(lambda: not namespace(), 60)


def test_the_pods_of_a_dead_node_move_after_their_tolerations_end(cluster) -> None:
    running(cluster, replicas=4)
    cluster.sim.crash("kubelet-node-2", restart_after_s=None)
    cluster.sim.run_for(70)
    (node,) = (obj for obj in cluster.oracles.of_kind("Node") if obj["metadata"]["name"] == "node-2")
    assert {c["status"] for c in node["status"]["conditions"]} == {"Unknown"}
    assert [taint["effect"] for taint in node["spec"]["taints"]] == ["NoSchedule", "NoExecute"]
    cluster.sim.run_for(280)
    assert not any(pod["metadata"].get("deletionTimestamp") for pod in cluster.oracles.of_kind("Pod"))
    cluster.sim.run_for(60)
    (status,) = (obj["status"] for obj in cluster.oracles.of_kind("Deployment"))
    assert (status["availableReplicas"], status["terminatingReplicas"]) == (4, 2)
    cluster.run(cluster.client.delete("v1/nodes", "node-2"))
    cluster.sim.run_for(90)
    assert {pod["spec"]["nodeName"] for pod in cluster.oracles.of_kind("Pod")} == {"node-1"}
    assert unsettled(cluster.oracles) == []
