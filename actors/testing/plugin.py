"""The pytest plugin: fixtures ``podchain`` and ``podchain_cluster``, markers, and the seed of a failure.

    @pytest.mark.podchain(nodes=2, seed=7, faults={"drop": 0.2, "conflict": 0.1})
    def test_it(podchain): ...

``podchain`` is a cluster in simulation on virtual time (`actors.testing.cluster_under_test`), new for each test, in
some tens of milliseconds. ``podchain_cluster`` is one of real processes (`actors.testing.live_cluster`). The seed is
the marker's, or ``--podchain-seed``, or 0; ``--podchain-seeds N`` runs every test that uses ``podchain`` without a seed
of its own with seeds 0 to N-1. A failing test prints its seed and the command that replays it.
``--podchain-replay`` takes the schedule that a failed `actors.testing.exploration.explore` prints, and has it run that
one alone. docs/testing.md shows how all of this is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from actors.testing.cluster_under_test import ClusterUnderTest
    from actors.testing.live_cluster import LiveCluster
    from broker.chaos import Fault

MARKER: Final = "podchain"
FIXTURE: Final = "podchain"
SETTINGS: Final = ("nodes", "seed", "faults")
NODES: Final = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("podchain", "clusters inside tests")
    group.addoption("--podchain-seed", type=int, default=None, help="seed of simulated clusters")
    group.addoption("--podchain-seeds", type=int, default=None, help="run each simulated test with so many seeds")
    group.addoption(
        "--podchain-replay",
        metavar="SCHEDULE",
        default="",
        help="the one schedule that explore() runs, as it printed it",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and what is to be replayed."""
    if replay := config.getoption("--podchain-replay"):
        from actors.testing.exploration import replay_only

        try:
            replay_only(replay)
        except (ValueError, KeyError, TypeError) as error:
            raise pytest.UsageError(f"--podchain-replay: {error!r}") from None
        config.add_cleanup(lambda: replay_only(""))
    config.addinivalue_line(
        "markers", "podchain(nodes=3, seed=0, faults={...}): what the cluster of fixture podchain is like"
    )


def _settings(node: Any) -> dict[str, Any]:
    marker = node.get_closest_marker(MARKER)
    settings = dict(marker.kwargs) if marker is not None else {}
    for name in settings:
        if name not in SETTINGS:
            raise pytest.UsageError(f"marker podchain: unknown setting {name}; known are {', '.join(SETTINGS)}")
    return settings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With ``--podchain-seeds``, one test a seed."""
    count = metafunc.config.getoption("--podchain-seeds")
    if count and FIXTURE in metafunc.fixturenames and "seed" not in _settings(metafunc.definition):
        metafunc.parametrize("podchain_seed", range(count), indirect=True)


@pytest.fixture
def podchain_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test's simulated cluster."""
    chosen = getattr(request, "param", None)
    if chosen is None:
        chosen = request.config.getoption("--podchain-seed")
    if chosen is None:
        chosen = _settings(request.node).get("seed", 0)
    return int(chosen)


def _faults(settings: dict[str, Any]) -> Sequence[Fault]:
    from actors.chaos.vocabulary import faults_from_rates

    try:
        return faults_from_rates(settings.get("faults") or {})
    except ValueError as error:
        raise pytest.UsageError(f"marker podchain: faults: {error}") from None


@pytest.fixture
def podchain(request: pytest.FixtureRequest, podchain_seed: int) -> Iterator[ClusterUnderTest]:
    """A fresh cluster in simulation, on virtual time."""
    from actors.testing.cluster_under_test import ClusterUnderTest

    settings = _settings(request.node)
    cluster = ClusterUnderTest(podchain_seed, settings.get("nodes", NODES))
    try:
        cluster.put_in_force(*_faults(settings))
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def podchain_cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveCluster]:
    """A fresh cluster of real processes; gone when the test ends."""
    from actors.testing.live_cluster import LiveCluster

    settings = _settings(request.node)
    cluster = LiveCluster(tmp_path / "podchain", "test", settings.get("nodes", NODES))
    seed = ("--seed", str(settings["seed"])) if "seed" in settings else ()
    cluster.up(*seed, *(f"--fault={name}={rate}" for name, rate in (settings.get("faults") or {}).items()))
    try:
        yield cluster
    finally:
        cluster.down()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Say under a failure how to see it again."""
    outcome: Any = yield
    report = outcome.get_result()
    seed = getattr(item, "funcargs", {}).get("podchain_seed")
    if report.when == "call" and report.failed and seed is not None:
        base = item.nodeid.split("[")[0]
        report.sections.append(("podchain", f"seed {seed}; replay with: pytest {base!r} --podchain-seed {seed}"))
