"""The store's disk is full for a while: the cluster stands still, and goes on once there is room and no alarm."""

from __future__ import annotations

import pytest

from actors.apimachinery.status import ApiError
from actors.simulation.cluster import SimulatedCluster
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.run import Run
from actors.simulation.schedule import Schedule
from actors.simulation.workload import deployment_manifest


@pytest.mark.parametrize("at_s", [0.02, 1.9, 2.01])
def test_a_rollout_over_a_full_disk_converges(at_s: float) -> None:
    steps = (
        Step(0.0, "create", {"manifest": deployment_manifest("web", 2, "nginx:1.25")}),
        Step(2.0, "set-image", {"name": "web", "image": "nginx:1.26"}),
        Step(at_s, "disk-full", {"for_s": 3.0}),
    )
    run = Run(Schedule(3, 2, 12.0, FaultProfile(), steps))
    refused = 0
    append = run.cluster.log.append

    def counting(changes, leases) -> None:
        nonlocal refused
        refused += bool(run.cluster.log.is_full and changes)
        append(changes, leases)

    run.cluster.log.append = counting
    report = run.execute()
    assert report.failure is None
    assert refused, "nobody wrote while the disk was full"
    assert not run.cluster.log.load().nospace
    assert not [crash for crash in run.cluster.sim.crashes if crash.actor == "store"], "the store must not crash"


def test_the_api_server_says_what_etcd_says() -> None:
    """As a Kubernetes API server passes it on: code 500, no reason, etcd's text."""
    with SimulatedCluster(seed=1, nodes=1) as cluster:
        cluster.start()
        cluster.log.is_full = True
        config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
        with pytest.raises(ApiError) as refused:
            cluster.run(cluster.client.create("v1/configmaps", config_map))
        assert refused.value.code == 500
        assert refused.value.status["reason"] == ""
        assert refused.value.message == "etcdserver: mvcc: database space exceeded"
        assert cluster.run(cluster.client.list("v1/nodes"))
        cluster.log.is_full = False
