"""The ten steps are traced whole, by cause, in a cluster of actors."""

from __future__ import annotations

from typing import Any

import pytest

from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled


def deployment(replicas: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.25"}]},
            },
        },
    }


def traced(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    question = {"resource": "apps/v1/deployments", "namespace": "default", "name": "web"}
    steps: list[dict[str, Any]] = cluster.run(cluster.client.ctx.request("tracer", "trace", question)).body["steps"]
    return steps


def check(steps: list[dict[str, Any]], pods: int) -> None:
    assert [step for step in range(1, 11) if step not in {s["step"] for s in steps}] == []
    times = [min(s["since_start_s"] for s in steps if s["step"] == step) for step in range(1, 11)]
    assert times == sorted(times)
    for step in (5, 7, 10):
        assert len({s["object"] for s in steps if s["step"] == step}) == pods
    ids = {s["id"] for s in steps}
    assert all(s["cause"] in ids or s["step"] == 1 or s["cause"].startswith("@") for s in steps)


@pytest.mark.parametrize("layout", [{"nodes": 3}, {"nodes": 0, "hollow_nodes": 3}])
def test_creating_and_then_scaling_a_deployment(layout: dict[str, int]) -> None:
    with SimulatedCluster(seed=3, **layout) as cluster:
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", deployment(1)))
        assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles), 30)
        cluster.sim.run_for(1)
        check(traced(cluster), pods=1)
        patch = {"spec": {"replicas": 3}}
        cluster.run(cluster.client.patch("apps/v1/deployments", "web", patch, "default"))
        assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles), 30)
        cluster.sim.run_for(1)
        steps = traced(cluster)
        assert steps[0]["message"] == "patch"
        check(steps, pods=2)
