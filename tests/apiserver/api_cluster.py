"""A store, an API server and a client in a simulated world."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.apimachinery.operation import WATCH, Operation, Result, decode_object
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import Stream
from actors.apiserver import actor as apiserver
from actors.client.client import Client
from broker.message import Publication
from broker.simulation import Simulation
from store import actor as store
from store.memory_log import MemoryLog

#: ``PODCHAIN_TEST_STORE=etcd`` runs every test of this folder on the store actor over a real etcd.
ON_ETCD = os.environ.get("PODCHAIN_TEST_STORE") == "etcd"
if ON_ETCD:
    sys.path.append(str(Path(__file__).resolve().parents[1] / "etcd_backend"))

POD_SPEC = {"containers": [{"name": "web", "image": "nginx:1.27"}]}


def pod(name: str = "", **metadata: Any) -> dict[str, Any]:
    named = {"name": name} if name else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**named, **metadata}, "spec": dict(POD_SPEC)}


def config_map(name: str = "", data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    named = {"name": name} if name else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**named, **metadata}, "data": data or {}}


class Watcher:
    """Follows a stream's publications as they are, without repairing anything."""

    def __init__(self, cluster: Cluster, stream: Stream) -> None:
        self.cluster = cluster
        self.stream = stream
        self.publications: list[tuple[int, list[Any], int]] = []
        self.events: list[tuple[str, str, int]] = []
        self.objects: list[dict[str, Any]] = []

    async def join(self, since: int) -> None:
        self.cluster.ctx.subscribe(self.stream.topic, self.on_publication)
        body, blobs = await self.ask(since)
        self.take(body, blobs)

    async def ask(self, since: int) -> tuple[Any, list[bytes]]:
        question = {
            "resource": self.stream.resource,
            "namespace": self.stream.namespace,
            "labelSelector": self.stream.label_selector,
            "fieldSelector": self.stream.field_selector,
            "since": since,
        }
        reply = await self.cluster.ctx.request("apiserver", WATCH, question)
        return reply.body, reply.blobs

    def on_publication(self, publication: Publication) -> None:
        self.publications.append(tuple(publication.body))
        self.take(publication.body, publication.blobs)

    def take(self, body: Any, blobs: list[bytes]) -> None:
        for row, blob in zip(body[1], blobs, strict=True):
            self.events.append((row[0], row[3], row[1]))
            self.objects.append(decode_object(blob, row[1]))

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name, _ in self.events]


class Cluster:
    """The simulated world and shorthands."""

    def __init__(self, seed: int = 1, window: int = 20_000) -> None:
        self.simulation = Simulation(seed=seed)
        self._start_store()
        self.simulation.spawn_actor("apiserver", lambda ctx: apiserver.run(ctx, window))
        self.ctx = self.simulation.context("client")
        self.client = Client(self.ctx)
        self.run = self.simulation.run

    def _start_store(self) -> None:
        if ON_ETCD:
            import simulated_etcd_store

            disk = simulated_etcd_store.Disk.empty()
            self.log: Any = disk
            self.simulation.spawn_actor("store", lambda ctx: simulated_etcd_store.run(ctx, disk))
        else:
            self.log = MemoryLog()
            self.simulation.spawn_actor("store", lambda ctx: store.run(ctx, self.log))

    def call(self, *args: Any, **kwargs: Any) -> Result:
        """One operation; raises `ApiError`."""
        return self.run(self.client.call(Operation(*args, **kwargs)))

    def batch(self, *operations: Operation) -> list[Result]:
        return self.run(self.client.batch(operations))

    def refused(self, *args: Any, **kwargs: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.call(*args, **kwargs)
        return caught.value

    def create(self, resource: str, obj: dict[str, Any], namespace: str = "", **options: Any) -> dict[str, Any]:
        return self.call("create", resource, namespace, obj["metadata"].get("name", ""), "", obj, options).object

    def create_pod(self, name: str = "", node: str = "", **metadata: Any) -> dict[str, Any]:
        created = self.create("v1/pods", pod(name, **metadata), "default")
        if node:
            self.bind(created["metadata"]["name"], node)
            return self.get("v1/pods", created["metadata"]["name"])
        return created

    def bind(self, name: str, node: str, **options: Any) -> Result:
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"name": node}}
        return self.call("create", "v1/pods", "default", name, "binding", binding, options)

    def get(self, resource: str, name: str, namespace: str = "default") -> dict[str, Any]:
        return self.call("get", resource, namespace, name).object

    def exists(self, resource: str, name: str, namespace: str = "default") -> bool:
        (result,) = self.batch(Operation("get", resource, namespace, name))
        assert result.code in (200, 404)
        return result.ok

    def names(self, resource: str, namespace: str = "default", **options: Any) -> list[str]:
        result = self.call("list", resource, namespace, options=options)
        return [obj["metadata"]["name"] for obj in result.objects]

    def revision(self) -> int:
        return self.call("list", "v1/configmaps").revision

    def watch(self, resource: str, namespace: str = "", labels: str = "", fields: str = "") -> Watcher:
        watcher = Watcher(self, Stream(resource, namespace, labels, fields))
        self.run(watcher.join(self.revision()))
        return watcher

    def settle(self, duration_s: float = 0.1) -> None:
        self.simulation.run_for(duration_s)
