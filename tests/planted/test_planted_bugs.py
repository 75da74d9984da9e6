"""The suites bite: each planted bug is applied to a copy of the source, and the tests named beside it must fail.

A bug whose text is no longer in the source fails here too, so the list stays true. A few run always; all of them with
PODCHAIN_LONG=1. The budget of each is the tests named beside it, run once, with `planting.EXAMPLES` examples of each
Hypothesis property, which are the same in every run; no clock decides. A run with
PODCHAIN_PLANTED_REPORT=docs/planted-bugs.md writes that page anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from planted_again import FOUND
from planted_in_access import ACCESS, CHAOS, CUSTOM_RESOURCES, FIELD_MANAGERS
from planted_in_controllers import CONTROLLERS
from planted_in_nodes import KUBELET, SCHEDULER, SUPERVISOR
from planted_in_store import DURABILITY, FABRIC, STORE
from planted_in_watches import API_SERVER, WATCHES, WORK_QUEUE
from planting import Bug, plant, run_tests

LONG = bool(os.environ.get("PODCHAIN_LONG"))

#: By where they are planted.
BUGS = {
    "store": STORE,
    "durability": DURABILITY,
    "fabric": FABRIC,
    "watch protocol and informer": WATCHES,
    "work queue": WORK_QUEUE,
    "API server": API_SERVER,
    "access": ACCESS,
    "field managers": FIELD_MANAGERS,
    "custom resources": CUSTOM_RESOURCES,
    "controllers": CONTROLLERS,
    "scheduler": SCHEDULER,
    "kubelet": KUBELET,
    "supervisor": SUPERVISOR,
    "chaos": CHAOS,
    "found before": FOUND,
}
ALL = [(place, bug) for place, bugs in BUGS.items() for bug in bugs]


def _planted() -> list[object]:
    skipped = pytest.mark.skip(reason="one of the many; PODCHAIN_LONG=1 plants all")
    return [pytest.param(place, bug, id=bug.id, marks=[] if LONG or bug.always else skipped) for place, bug in ALL]


def test_there_are_enough_of_them_each_with_its_own_name() -> None:
    assert len({bug.name for _, bug in ALL}) == len(ALL) >= 30


@pytest.mark.parametrize("bug", [bug for _, bug in ALL], ids=lambda bug: bug.id)
def test_the_place_of_the_bug_is_there(bug: Bug) -> None:
    assert bug.is_in_place


@pytest.mark.parametrize(("place", "bug"), _planted())
def test_the_bug_is_caught(
    place: str, bug: Bug, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    plant(bug, tmp_path)
    outcome = run_tests(bug, tmp_path)
    assert outcome.is_caught, f"not caught: {bug.name}\n{outcome.said}"
    assert outcome.by, f"no test says that it failed\n{outcome.said}"
    record_property("planted", [place, bug.name, bug.file, outcome.by, round(outcome.cpu_s, 1)])
