"""A dead Deployment controller's write that is still on its way must not be carried out once its successor works.

Found by a soak on real processes (`chaos soak --minutes 5 --seed 4`): a message that was delayed by 0.9 s scaled a
ReplicaSet up after the restarted controller had scaled another one, to twice as many pods as the surge allows.
"""

from __future__ import annotations

from actors.apimachinery.operation import Operation
from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled
from actors.simulation.workload import DEPLOYMENTS, deployment_manifest
from broker.chaos import NO_CHAOS, Chaos, Fault

LATE_S = 5.0


def set_image(cluster: SimulatedCluster, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}
    options = {"patchType": "strategic"}
    cluster.run(cluster.client.call(Operation("patch", DEPLOYMENTS, "default", "web", body=patch, options=options)))


def images(cluster: SimulatedCluster) -> set[str]:
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"] for rs in cluster.oracles.of_kind("ReplicaSet")}


def test_a_late_write_of_a_dead_controller_is_refused() -> None:
    with SimulatedCluster(seed=1, nodes=2) as cluster:
        cluster.start()
        cluster.run(cluster.client.create(DEPLOYMENTS, deployment_manifest("web", 2, "nginx:1")))
        assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles))
        link = {"from": "deployment-controller", "to": "apiserver", "delay_s": LATE_S}
        cluster.sim.set_chaos(Chaos([Fault("slow", link)]))
        set_image(cluster, "nginx:2")
        cluster.sim.run_for(0.5)
        cluster.sim.crash("deployment-controller", restart_after_s=1.0)
        cluster.sim.set_chaos(NO_CHAOS)
        set_image(cluster, "nginx:3")
        cluster.sim.run_for(3 * LATE_S)
        assert unsettled(cluster.oracles) == []
        assert images(cluster) == {"nginx:1", "nginx:3"}, "what the dead one meant to create is not there"
        assert cluster.oracles.violations == []
