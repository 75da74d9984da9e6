"""The whole cluster by its commands: up, ps, kills of every actor, down, data that survives."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.apimachinery.operation import Object
from actors.client.client import Client
from actors.supervisor.cluster_config import ClusterConfig, InvalidConfig, load_config
from actors.supervisor.cluster_directory import cluster_directory
from actors.supervisor.session import ClusterNotRunning, connect

ROOT = Path(__file__).resolve().parents[2]
#: There when its extra is installed, as it is where the tests are.
GATEWAY = {"gateway"}
OF_THE_EXTRA = {*GATEWAY, "certificate-controller"}
ACTORS = {
    *GATEWAY,
    "supervisor",
    "broker",
    "store",
    "apiserver",
    "tracer",
    "deployment-controller",
    "replicaset-controller",
    "job-controller",
    "garbage-collector",
    "namespace-controller",
    "certificate-controller",
    "node-lifecycle-controller",
    "scheduler",
    *(f"{kind}-node-{number}" for kind in ("kubelet", "runtime") for number in (1, 2, 3)),
}


def podchain(*arguments: str, code: int = 0) -> str:
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def ps(*options: str) -> dict[str, dict[str, Any]]:
    return {actor["name"]: actor for actor in json.loads(podchain("ps", "-o", "json", *options))}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("PODCHAIN_HOME")
    os.environ["PODCHAIN_HOME"] = str(home)
    yield home
    for name in ("podchain", "other"):
        subprocess.run([sys.executable, str(ROOT / "cli.py"), "down", "--purge", "--name", name], check=True)
    del os.environ["PODCHAIN_HOME"]
    if before is not None:
        os.environ["PODCHAIN_HOME"] = before


@pytest.fixture(scope="module")
def up(home: Path) -> str:
    """What `up --detach` printed; the cluster runs."""
    return podchain("up", "--detach")


def deployment(name: str, replicas: int) -> Object:
    container = {"name": "web", "image": "nginx:1.25"}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def make_available(name: str, replicas: int, *, create: bool) -> None:
    """Create or scale a Deployment, and wait until so many pods of it are available."""

    async def work() -> None:
        async with connect() as ctx:
            client = Client(ctx)
            if create:
                await client.create("apps/v1/deployments", deployment(name, replicas))
            else:
                await client.patch("apps/v1/deployments", name, {"spec": {"replicas": replicas}}, "default")
            async with asyncio.timeout(30):
                while True:
                    status = (await client.get("apps/v1/deployments", name, "default")).get("status", {})
                    if status.get("availableReplicas", 0) == status.get("replicas", 0) == replicas:
                        return
                    await asyncio.sleep(0.02)

    asyncio.run(work())


def test_up_shows_each_actor_and_what_to_do_next(up: str) -> None:
    for name in ACTORS - {"supervisor"}:
        assert f"✓ {name} " in up
    assert 'Cluster "podchain" is ready in ' in up
    assert "podchain apply -f examples/nginx-deployment.yaml" in up
    assert "\033" not in up


def test_ps_lists_every_actor_with_a_process_of_its_own(up: str) -> None:
    actors = ps()
    assert set(actors) == ACTORS
    assert len({actor["pid"] for actor in actors.values()}) == len(ACTORS)
    for name, actor in actors.items():
        assert (actor["state"], actor["restarts"]) == ("running", 0)
        assert actor["memory"] > 2**20
        if name != "supervisor":
            assert psutil.Process(actor["pid"]).cmdline()[0] == f"podchain: podchain/{name}"
    header, *rows = podchain("ps").splitlines()
    assert header.split() == ["NAME", "PID", "STATE", "RESTARTS", "CPU", "MEMORY", "AGE"]
    assert {row.split()[0] for row in rows} == ACTORS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells proportional memory")
def test_the_idle_cluster_takes_less_than_200_megabytes(up: str) -> None:
    """Without what only the extra `gateway` brings: an HTTP server, TLS, and the signer of certificates for it."""
    assert sum(actor["memory"] for name, actor in ps().items() if name not in OF_THE_EXTRA) < 200e6


def test_up_on_a_running_cluster_says_so(up: str) -> None:
    assert 'cluster "podchain" is already running' in podchain("up", code=1)


def test_every_actor_may_be_killed_and_the_cluster_goes_on(up: str) -> None:
    make_available("web", 2, create=True)
    for round_number, name in enumerate(sorted(ACTORS - {"supervisor"})):
        before = ps()[name]
        os.kill(before["pid"], signal.SIGKILL)
        began_s = time.monotonic()
        while (now := ps()[name])["pid"] == before["pid"] or now["state"] != "running":
            assert time.monotonic() - began_s < 3.0, name
        assert now["restarts"] == before["restarts"] + 1
        make_available("web", 1 + round_number % 3, create=False)


def test_two_clusters_side_by_side_and_data_that_survives(up: str) -> None:
    assert "is ready" in podchain("--name", "other", "up", "--detach", "--nodes", "1")
    assert len(ps("--name", "other")) == len(ACTORS) - 4
    podchain("down")
    assert len(ps("--name", "other")) == len(ACTORS) - 4
    with pytest.raises(ClusterNotRunning):
        asyncio.run(_nothing())
    assert 'cluster "podchain" is not running' in podchain("ps", code=1)
    podchain("up", "--detach")
    make_available("web", 2, create=False)


async def _nothing() -> None:
    async with connect():
        pass


def test_in_the_foreground_ctrl_c_brings_everything_down(home: Path) -> None:
    podchain("down")
    command = [sys.executable, str(ROOT / "cli.py"), "up", "--nodes", "1", "--fresh"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    next(line for line in lines if "is ready in" in line)
    pids = [actor["pid"] for actor in ps().values()]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert 'Cluster "podchain" is down' in output
    assert not any(map(psutil.pid_exists, pids))
    assert not cluster_directory().run.exists()


def test_hollow_nodes_and_settings_that_make_no_sense(home: Path) -> None:
    podchain("down")
    assert "nodes: -1 is not between" in podchain("up", "--nodes", "-1", code=1)
    assert "is not a DNS label" in podchain("up", "--name", "../x", code=2)
    podchain("up", "--detach", "--nodes", "0", "--hollow-nodes", "5")
    loaded = load_config(cluster_directory())
    assert dataclasses.replace(loaded, gateway_port=0) == ClusterConfig(nodes=0, hollow_nodes=5)
    assert "hollow-nodes" in ps()
    with pytest.raises(InvalidConfig):
        ClusterConfig(runtime="magic")  # type: ignore[arg-type]
