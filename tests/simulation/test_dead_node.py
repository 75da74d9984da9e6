"""A node that dies: found out, marked, tainted, its pods evicted and running elsewhere; and when it comes back."""

from __future__ import annotations

from typing import Any

from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled

DEAD = "node-1"


def deployment() -> dict[str, Any]:
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
        for key in ("unreachable", "not-ready")
    ]
    pod = {"containers": [{"name": "web", "image": "nginx"}], "tolerations": tolerations}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 6, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }


def ready(cluster: SimulatedCluster) -> str:
    (node,) = [node for node in cluster.oracles.of_kind("Node") if node["metadata"]["name"] == DEAD]
    return next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")


def taints(cluster: SimulatedCluster) -> set[tuple[str, str]]:
    (node,) = [node for node in cluster.oracles.of_kind("Node") if node["metadata"]["name"] == DEAD]
    return {(taint["key"], taint["effect"]) for taint in node["spec"].get("taints") or ()}


def running_elsewhere(cluster: SimulatedCluster) -> int:
    pods = cluster.oracles.of_kind("Pod")
    return sum(pod["spec"].get("nodeName") != DEAD and pod["status"].get("phase") == "Running" for pod in pods)


def on_the_dead(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    return [pod for pod in cluster.oracles.of_kind("Pod") if pod["spec"].get("nodeName") == DEAD]


def test_the_pods_of_a_dead_node_run_elsewhere() -> None:
    with SimulatedCluster(seed=3, nodes=3) as cluster:
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", deployment()))
        assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles), 60)
        assert len(on_the_dead(cluster)) == 2

        for actor in (f"kubelet-{DEAD}", f"runtime-{DEAD}"):
            cluster.sim.crash(actor, restart_after_s=None)
        cluster.sim.run_for(30)
        assert ready(cluster) == "True"
        assert cluster.sim.run_until(lambda: ready(cluster) == "Unknown", 40)
        cluster.sim.run_for(2)
        assert taints(cluster) == {
            ("node.kubernetes.io/unreachable", "NoSchedule"),
            ("node.kubernetes.io/unreachable", "NoExecute"),
        }
        ready_conditions = [
            c["status"] for pod in on_the_dead(cluster) for c in pod["status"]["conditions"] if c["type"] == "Ready"
        ]
        assert ready_conditions == ["False", "False"]
        cluster.sim.run_for(20)
        assert [pod["metadata"].get("deletionTimestamp") for pod in on_the_dead(cluster)] == [None, None]

        assert cluster.sim.run_until(lambda: running_elsewhere(cluster) == 6, 40)
        assert all(pod["metadata"].get("deletionTimestamp") for pod in on_the_dead(cluster))
        reasons = {event["reason"] for event in cluster.oracles.of_kind("Event")}
        assert {"NodeNotReady", "TaintManagerEviction"} <= reasons
        assert cluster.oracles.violations == []
