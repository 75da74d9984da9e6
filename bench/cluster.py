"""How fast the whole control plane is: from ``up`` to a thousand running pods and back.

    python bench/cluster.py                 # ten lightweight nodes, as the reference had
    python bench/cluster.py --replicas 100 --pods 20 --json

Every figure comes from a fresh cluster started by ``cli.py up`` in a temporary directory. The reference column is a
real Kubernetes 1.20 control plane with etcd, its client rate limits lifted, and a light fake kubelet for ten nodes,
measured on a machine of this size (two cores). CPU is what each process used meanwhile: where the time goes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.stream import DELETED, Stream
from actors.client.client import Client
from actors.client.informer import Informer
from actors.supervisor.session import connect

CLI = [sys.executable, str(Path(__file__).resolve().parent.parent / "cli.py")]
WAIT_MAX_S = 180.0

REFERENCE_S = {
    "100 replicas to Running": 1.0,
    "500 replicas to Running": 3.3,
    "1000 replicas to Running": 6.7,
    "1000 replicas to none": 4.7,
    "rollout of 100": 1.7,
    "one pod, POST to bound (p50)": 0.031,
}


@dataclass
class Figures:
    """What was measured, in order."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, dict[str, float]] = field(default_factory=dict)

    def show(self) -> None:
        print(f"{'WHAT':<36}{'PODCHAIN':>12}{'REFERENCE':>12}{'RATIO':>8}")
        for what, value in self.seconds.items():
            reference = REFERENCE_S.get(what)
            ratio = f"{reference / value:.1f}x" if reference else ""
            print(f"{what:<36}{_shown(value):>12}{_shown(reference) if reference else '':>12}{ratio:>8}")
        for what, by_actor in self.cpu.items():
            total = sum(by_actor.values())
            parts = ", ".join(f"{actor} {used:.2f}" for actor, used in sorted(by_actor.items(), key=lambda i: -i[1]))
            print(f"\nCPU seconds during {what}: {total:.2f} ({parts})")


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.2 else f"{seconds:.2f} s"


class Pods:
    """Watches the pods of the cluster and lets the benchmark wait for a condition on them."""

    def __init__(self, client: Client) -> None:
        self.informer = Informer(client, Stream("v1/pods"))
        self.informer.on_event(self._count)
        self.running: dict[str, str] = {}
        """Running and ready pods: uid to name of their template's hash."""
        self._changed = asyncio.Event()

    def _count(self, kind: str, obj: Object, old: Object | None) -> None:
        uid = obj["metadata"]["uid"]
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in obj.get("status", {}).get("conditions", ()))
        if kind != DELETED and ready and not obj["metadata"].get("deletionTimestamp"):
            self.running[uid] = obj["metadata"].get("labels", {}).get("pod-template-hash", "")
        else:
            self.running.pop(uid, None)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_MAX_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def deployment(name: str, replicas: int, image: str = "nginx:1.25") -> Object:
    """The well-known Deployment, with requests that fit ten nodes a hundred times each."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "web",
                            "image": image,
                            "ports": [{"containerPort": 80}],
                            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
                        }
                    ]
                },
            },
        },
    }


def pod(name: str) -> Object:
    spec = deployment(name, 1)["spec"]["template"]["spec"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


class Cluster:
    """A cluster of its own, in a temporary directory."""

    def __init__(self, nodes: int, home: str) -> None:
        self.nodes = nodes
        os.environ["PODCHAIN_HOME"] = home
        self.name = "bench"

    def up(self) -> float:
        """Start it; returns the seconds from the command to ready."""
        began = time.perf_counter()
        command = [*CLI, "up", "--name", self.name, "--detach", "--nodes", "0", "--hollow-nodes", str(self.nodes)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    def down(self) -> None:
        subprocess.run([*CLI, "down", "--name", self.name, "--purge"], check=True, stdout=subprocess.DEVNULL)

    def actors(self) -> list[dict[str, Any]]:
        done = subprocess.run([*CLI, "ps", "--name", self.name, "-o", "json"], check=True, capture_output=True)
        listed: list[dict[str, Any]] = json.loads(done.stdout)
        return listed

    def cpu_s(self) -> dict[str, float]:
        return {actor["name"]: float(actor["cpu_seconds"]) for actor in self.actors()}


async def measure(cluster: Cluster, figures: Figures, replicas: list[int], pods: int) -> None:
    async with connect(cluster.name) as ctx:
        client = Client(ctx)
        watched = Pods(client)
        await watched.informer.start()
        if pods:
            await single_pods(client, watched, figures, pods)
        for count in replicas:
            before = cluster.cpu_s()
            await one_deployment(client, watched, figures, count)
            after = cluster.cpu_s()
            figures.cpu[f"{count} replicas up and down"] = {
                name: used - before.get(name, 0.0)
                for name, used in after.items()
                if used - before.get(name, 0.0) > 0.005
            }
        await rollout(client, watched, figures, 100)


async def single_pods(client: Client, watched: Pods, figures: Figures, count: int) -> None:
    bound_s: list[float] = []
    running_s: list[float] = []
    for i in range(count):
        name = f"single-{i}"
        began = time.perf_counter()
        created = await client.create("v1/pods", pod(name))
        uid = created["metadata"]["uid"]
        await watched.until(lambda name=name: bool(_spec(watched, name).get("nodeName")))
        bound_s.append(time.perf_counter() - began)
        await watched.until(lambda uid=uid: uid in watched.running)
        running_s.append(time.perf_counter() - began)
        await client.delete("v1/pods", name, "default", options={"gracePeriodSeconds": 0})
        await watched.until(lambda: not watched.informer.items())
    figures.seconds["one pod, POST to bound (p50)"] = statistics.median(bound_s)
    figures.seconds["one pod, POST to Running (p50)"] = statistics.median(running_s)
    figures.seconds["one pod, POST to Running (p99)"] = sorted(running_s)[int(len(running_s) * 0.99)]


def _spec(watched: Pods, name: str) -> Object:
    for obj in watched.informer.items():
        if obj["metadata"]["name"] == name:
            spec: Object = obj["spec"]
            return spec
    return {}


async def one_deployment(client: Client, watched: Pods, figures: Figures, count: int) -> None:
    name = f"web-{count}"
    began = time.perf_counter()
    await client.create("apps/v1/deployments", deployment(name, count))
    await watched.until(lambda: len(watched.running) == count)
    figures.seconds[f"{count} replicas to Running"] = time.perf_counter() - began
    await asyncio.sleep(1.0)
    began = time.perf_counter()
    await client.patch("apps/v1/deployments", name, {"spec": {"replicas": 0}}, "default")
    await watched.until(lambda: not watched.informer.items())
    figures.seconds[f"{count} replicas to none"] = time.perf_counter() - began
    await client.delete("apps/v1/deployments", name, "default")
    await asyncio.sleep(0.5)


async def rollout(client: Client, watched: Pods, figures: Figures, count: int) -> None:
    await client.create("apps/v1/deployments", deployment("rolling", count))
    await watched.until(lambda: len(watched.running) == count)
    old = set(watched.running.values())
    await asyncio.sleep(1.0)
    began = time.perf_counter()
    await client.call(
        Operation(
            "patch",
            "apps/v1/deployments",
            "default",
            "rolling",
            body={"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:1.26"}]}}}},
            options={"patchType": "strategic"},
        )
    )

    def rolled() -> bool:
        return len(watched.informer) == count == len(watched.running) and not old & set(watched.running.values())

    await watched.until(rolled)
    figures.seconds[f"rollout of {count}"] = time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--replicas", type=int, nargs="*", default=[100, 500, 1000])
    parser.add_argument("--pods", type=int, default=100, help="single pods to time")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="podchain-bench-") as home:
        cluster = Cluster(options.nodes, home)
        figures.seconds["up, command to ready"] = cluster.up()
        try:
            memory = sum(float(actor.get("memory", 0)) for actor in cluster.actors())
            asyncio.run(measure(cluster, figures, options.replicas, options.pods))
        finally:
            cluster.down()
    if options.json:
        print(json.dumps({"seconds": figures.seconds, "cpu_seconds": figures.cpu, "idle_memory_bytes": memory}))
        return
    print(f"machine: {os.cpu_count()} cores; {options.nodes} lightweight nodes; idle memory {memory / 2**20:.0f} MiB\n")
    figures.show()


if __name__ == "__main__":
    main()
