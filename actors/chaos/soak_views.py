"""Clients that watch during a soak, natively and over HTTPS: in the end each must believe what is true."""

from __future__ import annotations

from collections.abc import Mapping

from actors.apimachinery.operation import Object
from actors.apimachinery.stream import Stream
from actors.chaos.http_view import HttpView
from actors.chaos.soak_load import MAPS, NAMESPACE
from actors.client.client import Client
from actors.client.informer import Informer
from actors.simulation.oracles import Oracles
from actors.supervisor.cluster_directory import ClusterDirectory
from broker.context import Context


class ClientViews:
    """What they believe of the soak's ConfigMaps."""

    def __init__(self, ctx: Context, directory: ClusterDirectory, gateway_port: int) -> None:
        self._informer = Informer(Client(ctx), Stream(MAPS, NAMESPACE))
        self._http = HttpView(directory, gateway_port, NAMESPACE) if gateway_port else None

    async def start(self) -> None:
        """Begin to watch."""
        await self._informer.start()
        if self._http is not None:
            self._http.start()

    def stop(self) -> None:
        """Cease to."""
        self._informer.stop()
        if self._http is not None:
            self._http.stop()

    def untrue(self, oracles: Oracles) -> list[str]:
        """Whose belief is not what the store has."""
        true = {
            key.name: obj["metadata"]["resourceVersion"]
            for key, obj in oracles.objects.get("ConfigMap", {}).items()
            if key.namespace == NAMESPACE
        }
        views: list[tuple[str, Mapping[str, Object]]] = [
            ("an informer", {obj["metadata"]["name"]: obj for obj in self._informer.items()})
        ]
        if self._http is not None:
            views.append(("a client that watches over HTTPS", dict(self._http.objects)))
        problems = []
        for who, objects in views:
            believed = {name: obj["metadata"]["resourceVersion"] for name, obj in objects.items()}
            wrong = sorted(name for name in {**true, **believed} if true.get(name) != believed.get(name))
            if wrong:
                problems.append(f"{who} is wrong about {len(wrong)} of {len(true)} ConfigMaps, such as {wrong[0]}")
        return problems
