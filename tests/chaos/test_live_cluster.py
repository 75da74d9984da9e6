"""The invariants of the simulation, on real processes: kills, hangs and message loss under a load of rollouts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import Object, decode_object
from actors.apimachinery.status import ApiError
from actors.client.client import Client
from actors.simulation.oracles import Oracles, unsettled
from actors.supervisor.session import connect
from broker.context import Context, RequestError
from store.protocol import DELETE, WATCH

ROOT = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("PODCHAIN_LONG"))
DURATION_S = 180.0 if LONG else 20.0
SETTLE_MAX_S = 60.0
REGISTRY = b"/registry/"
#: Of this run alone: actors are found again by their title, which has it.
NAME = f"chaos-{os.getpid()}"


class LogReader:
    """Feeds the oracles with every change of the store, by asking for it again and again: nothing can be missed."""

    def __init__(self, ctx: Context, oracles: Oracles) -> None:
        self._ctx = ctx
        self._oracles = oracles
        self._known: dict[bytes, tuple[str, Key]] = {}
        self.position = 0

    async def follow(self) -> None:
        while True:
            with contextlib.suppress(RequestError):
                await self.read()
            await asyncio.sleep(0.05)

    async def read(self) -> None:
        reply = await self._ctx.request("store", WATCH, {"since": self.position}, timeout_s=5.0)
        _, events, through = reply.body
        for event, value in zip(events, reply.blobs, strict=True):
            kind, key, _, revision, *_ = event
            if not key.startswith(REGISTRY):
                continue
            if kind == DELETE:
                known = self._known.pop(key)
                self._oracles.delete(revision, *known)
            else:
                obj = decode_object(value, revision)
                self._known[key] = (obj.get("kind", ""), key_of(obj))
                self._oracles.put(revision, obj)
        self.position = max(self.position, through)


def podchain(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "cli.py"), *arguments]
    return subprocess.run(command, check=check, capture_output=True, text=True, timeout=90, cwd=ROOT)


def actors() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(podchain("ps", "-o", "json").stdout)
    return listed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path))
    monkeypatch.setenv("PODCHAIN_NAME", NAME)
    yield tmp_path
    podchain("down", "--purge", check=False)
    assert running() == []


def running() -> list[str]:
    """Titles of the actors that run. A title takes the place of the environment in /proc, so that is no mark."""
    titles = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            titles.append(" ".join(process.cmdline()))
    return sorted(title for title in titles if title.startswith(f"podchain: {NAME}/"))


def deployment(name: str, replicas: int, image: str) -> Object:
    container = {"name": "web", "image": image, "resources": {"requests": {"cpu": "100m", "memory": "16Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def configmap(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"name": name}}


class Load:
    """What users do meanwhile; remembers what was acknowledged."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.client = client
        self.chance = chance
        self.acknowledged: dict[str, int] = {}
        self.operations = 0

    async def run(self, until_s: float) -> None:
        for name in ("web", "api"):
            await self._try(self.client.create("apps/v1/deployments", deployment(name, 3, "nginx:1")))
        number = 0
        while time.monotonic() < until_s:
            number += 1
            name = self.chance.choice(["web", "api"])
            if self.chance.random() < 0.5:
                patch: Object = {"spec": {"replicas": self.chance.randint(0, 10)}}
            else:
                container = {"name": "web", "image": f"nginx:{number}"}
                patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
            await self._try(self.client.patch("apps/v1/deployments", name, patch, "default", patch_type="strategic"))
            if await self._try(self.client.create("v1/configmaps", configmap(f"made-{number}"), "default")):
                self.acknowledged[f"made-{number}"] = number
            await asyncio.sleep(0.2)

    async def _try(self, work: Any) -> bool:
        try:
            await work
        except (ApiError, RequestError):
            return False
        self.operations += 1
        return True


async def kill_at_random(chance: random.Random, until_s: float, done: list[str]) -> None:
    while time.monotonic() < until_s:
        await asyncio.sleep(1.0)
        running = [actor for actor in actors() if actor["pid"] and actor["name"] != "supervisor"]
        victim = chance.choice(running)
        how = signal.SIGSTOP if chance.random() < 0.15 else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim["pid"], how)
            done.append(f"{how.name} {victim['name']}")


@pytest.mark.parametrize("loss", [[], ["--fault", "drop=0.05", "--fault", "duplicate=0.05", "--fault", "delay=0.05"]])
@pytest.mark.parametrize("seed", range(5) if LONG else [1])
def test_random_kills_lose_nothing_and_the_cluster_converges(home: Path, seed: int, loss: list[str]) -> None:
    podchain("up", "--detach", "--nodes", "2", "--seed", str(seed), *loss)
    assert len(running()) > 10, "the check for what is left finds what runs"
    oracles = Oracles()
    chance = random.Random(seed)
    kills: list[str] = []

    async def story() -> Load:
        async with connect(NAME) as ctx:
            reader = LogReader(ctx, oracles)
            following = asyncio.create_task(reader.follow())
            load = Load(Client(ctx), chance)
            until_s = time.monotonic() + DURATION_S
            await asyncio.gather(load.run(until_s), kill_at_random(chance, until_s, kills))
            settled_by_s = time.monotonic() + SETTLE_MAX_S
            while unsettled(oracles) and time.monotonic() < settled_by_s:
                await asyncio.sleep(0.1)
            await reader.read()
            following.cancel()
            return load

    load = asyncio.run(story())
    assert unsettled(oracles) == [], kills
    assert oracles.violations == [], kills
    present = {obj["metadata"]["name"] for obj in oracles.of_kind("ConfigMap")}
    assert [name for name in load.acknowledged if name not in present] == []
    assert load.operations > DURATION_S
    assert len(kills) >= DURATION_S / 3
    print(f"{len(kills)} faults survived, {load.operations} operations acknowledged, 0 lost")
