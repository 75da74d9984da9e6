"""More pods at once than the scheduler has rounds under way: it waits for answers and lets others run."""

from __future__ import annotations

import faulthandler

from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled

HANG_S = 60


def test_five_hundred_pods_at_once() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 500, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    # A loop that never yields can't be ended from inside.
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    try:
        # Not closed when it hangs: closing would turn the same loop again.
        cluster = SimulatedCluster(seed=1, nodes=0, hollow_nodes=10)
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", deployment))
        assert cluster.sim.run_until(lambda: len(cluster.oracles.of_kind("Pod")) == 500, 30)
        assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles), 60), unsettled(cluster.oracles)[:3]
        assert cluster.oracles.violations == []
        cluster.sim.close()
    finally:
        faulthandler.cancel_dump_traceback_later()
