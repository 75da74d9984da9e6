"""Two who write the same bytes at once: one of them was too late, and is told so."""

from __future__ import annotations

import asyncio

from api_cluster import Cluster, config_map

from actors.apimachinery.operation import Operation
from actors.client.client import Client

MAPS = "v1/configmaps"


def test_of_two_equal_updates_from_the_same_version_one_conflicts(cluster: Cluster) -> None:
    """Both read 0 and both write 1: if both were told 200, one increment would be lost.

    Of one field manager and in one second, so that the bytes are the same, managedFields included.
    """
    clients = [Client(cluster.simulation.context("client"))] * 2
    for number in range(10):
        found = cluster.create(MAPS, config_map(f"n{number}", {"n": "0"}), "default")
        update = Operation("update", MAPS, "default", f"n{number}", "", {**found, "data": {"n": "1"}})

        async def both(update: Operation = update) -> list[int]:
            answers = await asyncio.gather(*(client.batch([update]) for client in clients))
            return sorted(results[0].code for results in answers)

        assert cluster.run(both()) == [200, 409]
