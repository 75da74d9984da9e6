"""A cluster for the tests of the command line. Shared by a module's tests; each uses names of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from command_world import CommandWorld

from actors.simulation.cluster import SimulatedCluster


@pytest.fixture(scope="module")
def world() -> Iterator[CommandWorld]:
    with SimulatedCluster(seed=7, nodes=3) as cluster:
        cluster.start()
        yield CommandWorld(cluster)
