"""Whole nodes in a simulated cluster: kubelet and runtime actors, hollow nodes, under loss and crashes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.client.container_stream import open_stream
from actors.kubelet import hollow
from actors.simulation.cluster import SimulatedCluster
from broker.context import Context, RequestTimeout
from broker.faults import RandomFaults


def bound_pod(name: str, node: str = "node-1", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    spec.setdefault("containers", [{"name": "web", "image": "nginx:1.25"}])
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {f"sim.podchain.dev/{key}": value for key, value in (annotations or {}).items()},
        },
        "spec": {"nodeName": node, **spec},
    }


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(seed=4, nodes=1) as cluster:
        cluster.start()
        yield cluster
        assert not cluster.sim.crashes, "\n".join(map(str, cluster.sim.crashes))


def pods(cluster: SimulatedCluster) -> dict[str, Object]:
    return {pod["metadata"]["name"]: pod for pod in cluster.oracles.of_kind("Pod")}


def phases(cluster: SimulatedCluster) -> list[str]:
    return [pod["status"]["phase"] for pod in pods(cluster).values()]


def create(cluster: SimulatedCluster, *manifests: Object) -> None:
    for manifest in manifests:
        cluster.run(cluster.client.create(_resource(manifest), manifest))


def _resource(manifest: Object) -> str:
    return {"Pod": "v1/pods", "ConfigMap": "v1/configmaps", "Secret": "v1/secrets"}[manifest["kind"]]


def test_a_pod_needs_one_status_write_and_one_to_end(cluster: SimulatedCluster) -> None:
    rows: list[list[Any]] = []
    cluster.sim.context("tap").subscribe("trace", lambda publication: rows.extend(publication.body))
    create(cluster, bound_pod("a"))
    assert cluster.sim.run_until(lambda: phases(cluster) == ["Running"], 5)
    cluster.run(cluster.client.delete("v1/pods", "a", "default"))
    assert cluster.sim.run_until(lambda: not pods(cluster), 5)
    cluster.sim.run_for(5)
    own = [row for row in rows if isinstance(row, list) and row[2] == "kubelet-node-1"]
    writes = [row[6] for row in own if row[0] == "commit" and row[7] == "v1/pods"]
    assert writes == ["patch", "patch", "delete"]
    calls = [row[6] for row in own if row[0] == "runtime"]
    assert calls == [
        "run_pod_sandbox",
        "pull_image",
        "create_container",
        "start_container",
        "stop_container",
        "stop_pod_sandbox",
        "remove_pod_sandbox",
    ]


def test_node_object_lease_and_return_after_deletion(cluster: SimulatedCluster) -> None:
    (node,) = cluster.oracles.of_kind("Node")
    assert node["spec"]["podCIDR"] == "10.244.0.0/24"
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1"
    assert node["status"]["allocatable"]["pods"] == "110"
    assert node["status"]["nodeInfo"]["containerRuntimeVersion"] == "sim://1.0.0"

    def lease() -> Object:
        found = [o for o in cluster.oracles.of_kind("Lease") if o["metadata"]["namespace"] == "kube-node-lease"]
        return found[0]

    assert cluster.sim.run_until(lambda: bool(cluster.oracles.of_kind("Lease")), 5)
    first = lease()["spec"]["renewTime"]
    cluster.sim.run_for(11)
    assert lease()["spec"]["renewTime"] > first
    cluster.run(cluster.client.delete("v1/nodes", "node-1"))
    assert cluster.sim.run_until(
        lambda: [n["metadata"]["uid"] for n in cluster.oracles.of_kind("Node")] not in ([], [node["metadata"]["uid"]]),
        10,
    )


def test_too_much_is_rejected(cluster: SimulatedCluster) -> None:
    big = [{"name": "web", "image": "n:1", "resources": {"requests": {"cpu": "3"}}}]
    create(cluster, bound_pod("a", containers=big), bound_pod("b", containers=big))
    assert cluster.sim.run_until(lambda: sorted(phases(cluster)) == ["Failed", "Running"], 5)
    failed = pods(cluster)["b"]["status"]
    assert failed["reason"] == "OutOfcpu"
    wanted = "Node didn't have enough resource: cpu, requested: 3000, used: 3000, capacity: 4000"
    assert failed["message"] == f"Pod was rejected: {wanted}"
    cluster.run(cluster.client.delete("v1/pods", "a", "default"))
    create(cluster, bound_pod("c", containers=big))
    assert cluster.sim.run_until(lambda: pods(cluster).get("c", {}).get("status", {}).get("phase") == "Running", 5)


def test_a_missing_config_map_holds_up_a_pod_until_it_is_there(cluster: SimulatedCluster) -> None:
    reference = {"name": "settings", "key": "level"}
    container = {
        "name": "web",
        "image": "n:1",
        "env": [{"name": "LEVEL", "valueFrom": {"configMapKeyRef": reference}}],
    }
    create(cluster, bound_pod("a", containers=[container]))
    cluster.sim.run_for(2)
    (status,) = pods(cluster)["a"]["status"]["containerStatuses"]
    assert status["state"]["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "settings" not found',
    }
    create(
        cluster,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "default"},
            "data": {"level": "9"},
        },
    )
    assert cluster.sim.run_until(lambda: phases(cluster) == ["Running"], 30)


def test_a_restarted_kubelet_takes_its_pods_over(cluster: SimulatedCluster) -> None:
    create(cluster, bound_pod("a"), bound_pod("b", annotations={"run-seconds": "20", "exit-code": "1"}))
    assert cluster.sim.run_until(lambda: phases(cluster) == ["Running"] * 2, 5)
    cluster.sim.crash("kubelet-node-1", restart_after_s=3)
    cluster.run(cluster.client.delete("v1/pods", "a", "default"))
    cluster.sim.run_for(10)
    assert list(pods(cluster)) == ["b"]
    assert pods(cluster)["b"]["status"]["containerStatuses"][0]["restartCount"] == 0
    cluster.sim.run_for(15)
    assert pods(cluster)["b"]["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_restarted_runtime_costs_a_restart_of_each_container(cluster: SimulatedCluster) -> None:
    create(cluster, bound_pod("a"))
    assert cluster.sim.run_until(lambda: phases(cluster) == ["Running"], 5)
    cluster.sim.crash("runtime-node-1")

    def restarts() -> int:
        count: int = pods(cluster)["a"]["status"]["containerStatuses"][0]["restartCount"]
        return count

    assert cluster.sim.run_until(lambda: restarts() == 1 and phases(cluster) == ["Running"], 10)
    last = pods(cluster)["a"]["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "ContainerStatusUnknown")


def test_logs_and_exec_by_way_of_the_kubelet(cluster: SimulatedCluster) -> None:
    create(cluster, bound_pod("a", annotations={"logs": "one\ntwo\n", "exec-output": "done\n"}))
    assert cluster.sim.run_until(lambda: phases(cluster) == ["Running"], 5)
    ctx = cluster.client.ctx
    which = {"namespace": "default", "pod": "a", "container": "web"}
    reply = cluster.run(ctx.request("kubelet-node-1", "container_log", {**which, "tail_lines": 1}))
    assert reply.body == {"data": "two\n", "next_offset": 8, "running": True}
    assert cluster.run(output_of(ctx, {**which, "kind": "exec", "command": ["true"]})) == (b"done\n", 0)


async def output_of(ctx: Context, question: dict[str, Any]) -> tuple[bytes, int]:
    stream = await open_stream(ctx, "kubelet-node-1", question)
    output = b"".join([data async for _, data in stream.chunks()])
    await stream.close()
    assert stream.ended is not None
    return output, stream.ended.exit_code


def test_hollow_nodes(cluster: SimulatedCluster) -> None:
    cluster.sim.spawn_actor("hollow-nodes", lambda ctx: hollow.run(ctx, 20, 10))
    assert cluster.sim.run_until(lambda: len(cluster.oracles.of_kind("Node")) == 21, 10)
    create(cluster, *(bound_pod(f"p{i}", f"hollow-{10 + i % 20}") for i in range(40)))
    assert cluster.sim.run_until(lambda: phases(cluster) == ["Running"] * 40, 5)
    ips = [pod["status"]["podIP"] for pod in pods(cluster).values()]
    assert len(dict.fromkeys(ips)) == 40
    node = next(n for n in cluster.oracles.of_kind("Node") if n["metadata"]["name"] == "hollow-12")
    assert node["metadata"]["annotations"]["podchain.dev/kubelet"] == "hollow-nodes"
    question = {"node": "hollow-12", "namespace": "default", "pod": "p2", "container": "web"}
    reply = cluster.run(cluster.client.ctx.request("hollow-nodes", "container_log", question))
    assert reply.body["running"] is True
    cluster.sim.run_for(60)
    ready = [n for n in cluster.oracles.of_kind("Node") if _ready(n)]
    assert len(ready) == 21


def _ready(node: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def insist(cluster: SimulatedCluster, ask: Callable[[], Coroutine[Any, Any, Any]], done_already: int) -> None:
    """Ask until there is an answer, as a user does: of so many messages lost, some are all the tries of one request."""
    while True:
        try:
            cluster.run(ask(), limit_s=300)
        except RequestTimeout:
            continue
        except ApiError as error:
            if error.code != done_already:
                raise
        return


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pods_come_and_go_while_a_third_of_all_messages_is_lost_and_actors_crash(seed: int) -> None:
    faults = RandomFaults(drop=0.3, duplicate=0.2, delay=0.2)
    with SimulatedCluster(seed=seed, nodes=2) as cluster:
        cluster.start()
        cluster.set_faults(faults)
        for i in range(8):
            insist(cluster, lambda i=i: cluster.client.create("v1/pods", bound_pod(f"p{i}", f"node-{1 + i % 2}")), 409)
        for name in ("kubelet-node-1", "runtime-node-1", "apiserver", "kubelet-node-2"):
            cluster.sim.run_for(2)
            cluster.sim.crash(name)
        for i in range(0, 8, 2):
            insist(cluster, lambda i=i: cluster.client.delete("v1/pods", f"p{i}", "default"), 404)
        assert cluster.sim.run_until(lambda: len(pods(cluster)) == 4 and phases(cluster) == ["Running"] * 4, 300)
        assert not cluster.sim.crashes, "\n".join(map(str, cluster.sim.crashes))
        assert cluster.oracles.violations == []
