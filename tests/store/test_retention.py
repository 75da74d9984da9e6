"""Automatic compaction: by revisions and by age, as etcd's options say it, and never more memory than was allowed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.supervisor.cluster_config import ClusterConfig, InvalidConfig
from broker.context import RequestFailed
from broker.simulation import Simulation
from store.actor import run
from store.memory_log import MemoryLog
from store.protocol import RANGE, STATUS, TXN
from store.retention import (
    HISTORY_BYTES,
    HISTORY_REVISIONS,
    HistoryLimits,
    InvalidRetention,
    Retention,
    read_retention,
)

SOAK_S = 240 if os.environ.get("PODCHAIN_LONG") else 10


@pytest.mark.parametrize(
    ("mode", "retention", "limits"),
    [
        ("periodic", "", HistoryLimits(HISTORY_REVISIONS, HISTORY_BYTES)),
        ("revision", "", HistoryLimits(HISTORY_REVISIONS, HISTORY_BYTES)),
        ("periodic", "0", HistoryLimits(0, 0)),
        ("revision", "0", HistoryLimits(0, 0)),
        ("revision", "1000", HistoryLimits(1000, HISTORY_BYTES)),
        ("periodic", "2", HistoryLimits(0, HISTORY_BYTES, 7200.0)),
        ("periodic", "1h", HistoryLimits(0, HISTORY_BYTES, 3600.0)),
        ("periodic", "1h30m", HistoryLimits(0, HISTORY_BYTES, 5400.0)),
        ("periodic", "1.5s", HistoryLimits(0, HISTORY_BYTES, 1.5)),
        ("periodic", "500ms", HistoryLimits(0, HISTORY_BYTES, 0.5)),
    ],
)
def test_etcds_options(mode, retention, limits):
    assert read_retention(mode, retention) == limits


@pytest.mark.parametrize(
    ("mode", "retention", "why"),
    [
        ("sometimes", "1", "neither periodic nor revision"),
        ("revision", "1h", "not a number of revisions"),
        ("periodic", "soon", "not a duration"),
        ("periodic", "-1h", "not a duration"),
        ("periodic", "1h 5", "not a duration"),
    ],
)
def test_what_is_refused(mode, retention, why):
    with pytest.raises(InvalidRetention, match=why):
        read_retention(mode, retention)
    with pytest.raises(InvalidConfig, match=why):
        ClusterConfig(auto_compaction_mode=mode, auto_compaction_retention=retention)


def test_by_revisions():
    retention = Retention(HistoryLimits(1000, 0))
    assert retention.target(1000, 0, 0, 0.0) == 0
    assert retention.target(1099, 0, 0, 0.0) == 0  # a few revisions are not worth a compaction
    assert retention.target(1100, 0, 0, 0.0) == 100
    assert retention.target(1150, 100, 0, 0.0) == 0
    assert retention.target(5000, 100, 10**12, 0.0) == 4000


def test_by_age_nothing_younger_goes_and_nothing_much_older_stays():
    retention, period_s = Retention(HistoryLimits(0, 0, 100.0)), 100.0
    compacted, written = 0, {0: 1}
    for second in range(1, 2000):
        revision = 1 + second * 7
        written[second] = revision
        target = retention.target(revision, compacted, 0, float(second))
        if target:
            assert target > compacted
            compacted = target
        if second > period_s:
            assert compacted <= written[second - 100], "something younger than the period is gone"
        if second > period_s * 1.2:
            assert compacted >= written[second - 121], "something much older than the period is still there"
    assert Retention(HistoryLimits(0, 0, 100.0)).target(10_000, 0, 0, 50.0) == 0


def test_memory_comes_before_either():
    for limits in (HistoryLimits(10**9, 1000), HistoryLimits(0, 1000, 10**9)):
        assert Retention(limits).target(500, 100, 1001, 0.0) == 300
        assert Retention(limits).target(500, 100, 1000, 0.0) == 0


def test_without_any_all_history_stays():
    assert Retention(read_retention("periodic", "0")).target(10**9, 0, 10**12, 10**9) == 0


def test_a_store_gives_up_what_is_old():
    sim = Simulation(seed=1)
    try:
        sim.spawn_actor("store", lambda ctx: run(ctx, MemoryLog(), read_retention("periodic", "60s")))
        client = sim.context("client")

        def ask(method, body=None, blobs=()):
            return sim.run(client.request("store", method, body, list(blobs))).body

        def put():
            return ask(TXN, [[[], [["put", b"a", 0]], [], ""]], [b"v"])[0][1]

        def readable(revision):
            try:
                ask(RANGE, {"key": b"a", "revision": revision})
            except RequestFailed as failure:
                return failure.code != "Compacted"
            return True

        first = put()
        sim.run_for(50.0)
        second = put()
        assert readable(first)
        sim.run_for(25.0)
        third = put()
        assert not readable(first - 1)
        assert readable(second)
        sim.run_for(50.0)
        assert not readable(first)
        assert readable(third)
        sim.run_for(80.0)
        assert ask(STATUS)["compacted"] == third
        assert ask(RANGE, {"key": b"a"})[3] == 1
    finally:
        sim.close()


def test_memory_and_files_level_off():
    """The soak, in short; bench/soak.py says what it looks at."""
    program = Path(__file__).parents[2] / "bench" / "soak.py"
    found = subprocess.run(
        [sys.executable, program, "--seconds", str(SOAK_S), "--retention", "1000", "--keys", "300"],
        capture_output=True,
        text=True,
        timeout=SOAK_S * 2 + 60,
    )
    assert found.returncode == 0, found.stdout + found.stderr
