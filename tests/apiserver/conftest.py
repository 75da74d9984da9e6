"""The fixture of these tests, and which of them a real etcd as the store can't have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_cluster import ON_ETCD, Cluster

#: Two runs have to see the same revisions for this one, and those of an etcd go on.
NEEDS_A_STORE_OF_ITS_OWN = "test_the_same_seed_gives_the_same_trace"
#: An hour of simulated time passes in these; the leases of a real etcd run out in real time.
NEEDS_SIMULATED_LEASES = (
    "test_events_go_after_an_hour_and_watchers_are_told",
    "test_events_go_whoever_crashes_meanwhile",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ON_ETCD and item.name == NEEDS_A_STORE_OF_ITS_OWN:
            item.add_marker(pytest.mark.skip(reason="the revisions of an etcd that is used again go on"))
        if ON_ETCD and item.name.partition("[")[0] in NEEDS_SIMULATED_LEASES:
            item.add_marker(pytest.mark.skip(reason="the leases of a real etcd run out in real time"))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.simulation.close()
    assert not made.simulation.crashes, "\n".join(map(str, made.simulation.crashes))
