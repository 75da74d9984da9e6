"""The scheduler with the real API server and store, in simulation."""

from __future__ import annotations

import asyncio

from cluster_objects import node, pod

from actors.apimachinery.operation import Object, Operation
from actors.apiserver import actor as apiserver
from actors.client.client import Client
from actors.scheduler import actor as scheduler
from broker.faults import RandomFaults
from broker.simulation import Simulation
from store import actor as store
from store.memory_log import MemoryLog

HUGE_MESSAGE = (
    "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, "
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)


def fresh(obj: Object, kind: str) -> Object:
    """As a user would send it."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "uid"}
    return {"apiVersion": "v1", "kind": kind, **obj, "metadata": metadata}


async def create(client: Client, resource: str, obj: Object) -> None:
    namespace = obj["metadata"].get("namespace", "")
    (result,) = await client.batch([Operation("create", resource, namespace, obj["metadata"]["name"], "", obj)])
    assert result.ok, result.status
    if resource == "v1/nodes":
        (result,) = await client.batch(
            [Operation("update", resource, "", obj["metadata"]["name"], "status", {**obj, "status": obj["status"]})]
        )
        assert result.ok, result.status


async def scenario(client: Client) -> list[Object]:
    while not (await client.list("v1/namespaces")).items:
        await asyncio.sleep(0.1)
    for i in range(2):
        await create(client, "v1/nodes", fresh(node(f"n{i}", cpu="2"), "Node"))
    for i in range(4):
        await create(client, "v1/pods", fresh(pod(f"p{i}", requests={"cpu": "1"}), "Pod"))
    await create(client, "v1/pods", fresh(pod("huge", requests={"cpu": "3"}), "Pod"))
    for _ in range(600):
        pods = (await client.list("v1/pods")).items
        told = [p for p in pods if conditions(p)]
        if len(told) == 5:
            return pods
        await asyncio.sleep(0.1)
    return pods


def conditions(obj: Object) -> list[Object]:
    return [c for c in obj["status"].get("conditions") or () if c["type"] == "PodScheduled"]


def check(pods: list[Object]) -> None:
    by_name = {p["metadata"]["name"]: p for p in pods}
    assert sorted(by_name[f"p{i}"]["spec"]["nodeName"] for i in range(4)) == ["n0", "n0", "n1", "n1"]
    (condition,) = conditions(by_name["huge"])
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Unschedulable", HUGE_MESSAGE)
    assert conditions(by_name["p0"])[0]["status"] == "True"


def run_cluster(faults: RandomFaults | None, seed: int) -> None:
    log = MemoryLog()
    with Simulation(seed=seed, faults=faults) as sim:
        sim.spawn_actor("store", lambda ctx: store.run(ctx, log))
        sim.spawn_actor("apiserver", apiserver.run)
        sim.spawn_actor("scheduler", scheduler.run)
        pods = sim.run(scenario(Client(sim.context("user"))))
        assert not sim.crashes, "\n".join(map(str, sim.crashes))
        check(pods)


def test_pods_are_scheduled() -> None:
    run_cluster(None, 1)


def test_pods_are_scheduled_while_messages_are_lost() -> None:
    for seed in range(3):
        run_cluster(RandomFaults(drop=0.15, duplicate=0.1, delay=0.1), seed)
