"""How a controller is tested with Podchain: ``pytest examples/controller``.

One scenario, the life of a Database, is run again and again, each time with another fault (`explore`). The mended
controller passes; each buggy one fails within seconds, and the schedule that makes it fail is printed (``-s``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from buggy_controllers import CrashBetweenWrites, MissedEvent, StaleRead
from database_controller import DatabaseController

from actors.client.controller import Controller, run_controller
from actors.testing.cluster_under_test import ClusterUnderTest
from actors.testing.exploration import Counterexample, explore

CRD = Path(__file__).with_name("database-crd.yaml")
DIRECTORY = """
apiVersion: v1
kind: Namespace
metadata: {name: directory}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: databases, namespace: directory}
"""
#: How many schedules of the mended controller are run: all of them with PODCHAIN_LONG=1.
MOST = None if os.environ.get("PODCHAIN_LONG") else 40


def database(port: int, shards: int) -> dict[str, object]:
    """The manifest."""
    spec = {"port": port, "shards": shards}
    return {"apiVersion": "example.com/v1", "kind": "Database", "metadata": {"name": "orders"}, "spec": spec}


def life_of_a_database(controller: type[Controller]) -> Callable[[ClusterUnderTest], None]:
    """A Database comes, has fewer shards for a time, gets another port, and goes."""

    def scenario(podchain: ClusterUnderTest) -> None:
        def addresses() -> dict[str, str]:
            return podchain.get("cm", "databases", "directory").get("data") or {}

        def is_served(port: int, shards: int) -> bool:
            return (
                podchain.get("services", "orders")["spec"]["ports"][0]["port"] == port
                and [claim["metadata"]["name"] for claim in podchain.list("pvc")]
                == [f"orders-data-{number}" for number in range(shards)]
                and addresses() == {"default.orders": f"orders.default:{port}"}
            )

        def is_gone() -> bool:
            return not any(podchain.list(kind) for kind in ("databases", "pvc")) and addresses() == {}

        podchain.apply(CRD)
        podchain.apply(DIRECTORY)
        podchain.run_actor("database-controller", lambda ctx: run_controller(ctx, controller()))
        for shards in (2, 1, 2):
            podchain.apply(database(5432, shards))
            assert podchain.run_until(partial(is_served, 5432, shards)), f"it does not have {shards} shards"
        data = podchain.get("pvc", "orders-data-1")["metadata"]["uid"]
        podchain.run_for(3)
        podchain.apply(database(6432, 2))
        assert podchain.run_until(lambda: is_served(6432, 2)), "the new port is not served"
        podchain.run_for(3)
        assert podchain.get("pvc", "orders-data-1")["metadata"]["uid"] == data, "data was lost"
        podchain.delete("databases", "orders")
        podchain.run_for(3)
        podchain.assert_converges(is_gone)

    return scenario


@pytest.mark.parametrize("controller", [DatabaseController, CrashBetweenWrites, StaleRead, MissedEvent])
def test_all_of_them_work_as_long_as_nothing_goes_wrong(
    podchain: ClusterUnderTest, controller: type[Controller]
) -> None:
    life_of_a_database(controller)(podchain)


def test_the_mended_controller_survives_whatever_its_messages_suggest() -> None:
    print(explore(life_of_a_database(DatabaseController), nodes=0, seeds=3, most=MOST))


@pytest.mark.parametrize(
    ("controller", "fault"),
    [(CrashBetweenWrites, "cut"), (StaleRead, "crash-onto-old-view"), (MissedEvent, "crash-receiver")],
)
def test_each_bug_is_found_by_a_fault_of_its_kind(controller: type[Controller], fault: str) -> None:
    with pytest.raises(Counterexample) as found:
        explore(life_of_a_database(controller), nodes=0, kinds=(fault,))
    print(found.value)
    (step,) = found.value.steps
    assert step.details["fault"] == fault
