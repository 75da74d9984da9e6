"""API servers over a real etcd: their whole test suite, two of them at once, and a cluster of processes."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from etcd_cluster import EtcdCluster
from live_world import eventually
from test_etcd_store_actor import World

from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError
from actors.apiserver import actor as apiserver
from actors.apiserver import admission
from actors.client.client import Client
from actors.client.informer import InformerSet

ROOT = Path(__file__).resolve().parents[2]


#: What the store has most to do with; the other files only when there is time.
OFTEN = ("writes", "cache", "deletion", "lists", "recovery", "streams", "same_bytes")
SUITE_TIMEOUT_S = 1800 if os.environ.get("PODCHAIN_LONG") else 400


def test_the_api_servers_own_suite_passes_on_etcd():
    files = [f"tests/apiserver/test_apiserver_{name}.py" for name in OFTEN]
    if os.environ.get("PODCHAIN_LONG"):
        files = ["tests/apiserver"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "PODCHAIN_TEST_STORE": "etcd"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SUITE_TIMEOUT_S)
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_two_api_servers_and_two_store_actors_over_one_etcd(socket_directory, etcd):
    async def increment(client: Client, times: int) -> None:
        """Adds to a number, again whenever somebody else was faster."""
        for _ in range(times):
            while True:
                found = await client.get("v1/configmaps", "counter", "default")
                data = {"n": str(int(found["data"]["n"]) + 1)}
                try:
                    await client.update("v1/configmaps", {**found, "data": data})
                except ApiError as error:
                    if error.code != 409:
                        raise
                else:
                    break

    async def main() -> None:
        world = World(socket_directory, etcd)
        try:
            await world.start()
            await world.start("store-2")
            world.spawn("apiserver", apiserver.run)
            world.spawn("apiserver-2", lambda ctx: apiserver.run(ctx, store="store-2"))
            first = Client(world.context("client-1"))
            second = Client(world.context("client-2"), target="apiserver-2")
            informers = [InformerSet(client) for client in (first, second)]
            caches = [informer_set.of("v1/configmaps", "default") for informer_set in informers]
            for informer_set in informers:
                await informer_set.start()
            await first.create("v1/configmaps", config_map("counter", n="0"), "default")
            assert (await second.get("v1/configmaps", "counter", "default"))["data"] == {"n": "0"}
            await asyncio.gather(increment(first, 25), increment(second, 25))
            assert (await second.get("v1/configmaps", "counter", "default"))["data"] == {"n": "50"}
            names = [f"x{i}" for i in range(40)]
            batches = [
                client.batch([Operation("create", "v1/configmaps", "default", n, "", config_map(n)) for n in names])
                for client in (first, second)
            ]
            codes = [[result.code for result in results] for results in await asyncio.gather(*batches)]
            assert all(sorted(pair) == [201, 409] for pair in zip(*codes, strict=True))
            await world.stop("store")
            await second.create("v1/configmaps", config_map("meanwhile"), "default")
            await world.start("store")
            assert (await first.get("v1/configmaps", "meanwhile", "default"))["metadata"]["name"] == "meanwhile"
            expected = sorted(["counter", "meanwhile", *names])
            for cache in caches:
                await eventually(lambda cache=cache: sorted(o["metadata"]["name"] for o in cache.items()) == expected)
                numbers = {o["data"]["n"] for o in cache.items() if o["metadata"]["name"] == "counter"}
                assert numbers == {"50"}
        finally:
            await world.close()

    asyncio.run(main())


def test_two_api_servers_never_give_one_cluster_ip_to_two_services(socket_directory, etcd):
    """Neither has seen the other's Services when it chooses, and names are such that both choose the same."""

    def service(name: str, **spec: object) -> dict:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], **spec},
        }

    async def main() -> None:
        world = World(socket_directory, etcd)
        try:
            await world.start()
            world.spawn("apiserver", apiserver.run)
            world.spawn("apiserver-2", apiserver.run)
            clients = [
                Client(world.context(f"client-{target}"), target=target) for target in ("apiserver", "apiserver-2")
            ]
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(admission, "_probe", lambda start, in_use: probe(0, in_use))
                made = await asyncio.gather(
                    *(
                        clients[number % 2].create("v1/services", service(f"s{number}"), "default")
                        for number in range(30)
                    )
                )
            addresses = [found["spec"]["clusterIP"] for found in made]
            assert len(set(addresses)) == 30
            stated = await asyncio.gather(
                *(
                    client.create("v1/services", service(f"stated-{n}", clusterIP="10.96.9.9"), "default")
                    for n, client in enumerate(clients)
                ),
                return_exceptions=True,
            )
            (refused,) = [found for found in stated if isinstance(found, ApiError)]
            assert "10.96.9.9: provided IP is already allocated" in refused.message
            assert refused.code == 422
            (name,) = [found["metadata"]["name"] for found in stated if isinstance(found, dict)]
            await clients[0].delete("v1/services", name, "default")
            again = await clients[1].get("v1/services", "s0", "default")
            assert again["spec"]["clusterIP"] == addresses[0]
            free = await clients[0].create("v1/services", service("free", clusterIP="10.96.9.9"), "default")
            assert free["spec"]["clusterIP"] == "10.96.9.9"
            held = etcd.ctl("get", "/podchain/serviceips/", "--prefix", "--keys-only").split()
            assert len(held) == 30 + 1 + 1
        finally:
            await world.close()

    probe = admission._probe
    asyncio.run(main())


@pytest.mark.skipif(importlib.util.find_spec("grpc") is None, reason="grpcio is not installed (extra: etcd)")
def test_a_cluster_of_processes_outlives_its_store_actor_and_a_member(tmp_path, socket_directory):
    environment = {**os.environ, "PODCHAIN_HOME": str(socket_directory)}

    def podchain(*arguments: str, check: bool = True) -> str:
        command = [sys.executable, str(ROOT / "cli.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, cwd=ROOT, env=environment)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def running() -> int:
        pods = json.loads(podchain("get", "pods", "-o", "json"))["items"]
        return sum(pod["status"].get("phase") == "Running" for pod in pods)

    def await_running(count: int) -> None:
        deadline_s = time.monotonic() + 40
        while running() != count:
            assert time.monotonic() < deadline_s, f"{running()} of {count} pods are running"
            time.sleep(0.1)

    with EtcdCluster(tmp_path, 3) as etcd:
        try:
            podchain("up", "-d", "--store", "etcd", "--etcd-endpoints", ",".join(etcd.endpoints))
            podchain("create", "deployment", "web", "--image=nginx", "--replicas=20")
            await_running(20)
            podchain("scale", "deployment/web", "--replicas=40")
            (store,) = [row["pid"] for row in json.loads(podchain("ps", "-o", "json")) if row["name"] == "store"]
            os.kill(store, signal.SIGKILL)
            etcd.kill(etcd.leader())
            await_running(40)
            podchain("scale", "deployment/web", "--replicas=5")
            await_running(5)
            assert etcd.ctl("get", "/registry/pods/", "--prefix", "--keys-only").count("/web-") == 5
        finally:
            podchain("down", "--purge", check=False)
