"""The chaos suite on real processes: load and faults for a while (minutes with PODCHAIN_LONG=1), then the verdict.

Every actor is killed, the store, the broker, the API server and the gateway included; processes hang; links break;
messages are lost, doubled, late and damaged; the disk is full and slow; clocks jump; the API refuses.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from live import ROOT, cluster_name, podchain, run_process

LONG = bool(os.environ.get("PODCHAIN_LONG"))
MINUTES = 3.0 if LONG else 0.2
NAME = cluster_name()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path))
    monkeypatch.setenv("PODCHAIN_NAME", NAME)
    yield tmp_path
    run_process("down", "--purge")
    assert running() == []


def running() -> list[str]:
    """Titles of the actors that run. A title takes the place of the environment in /proc, so that is no mark."""
    titles = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            titles.append(" ".join(process.cmdline()))
    return sorted(title for title in titles if title.startswith(f"podchain: {NAME}/"))


@pytest.mark.parametrize("seed", range(5) if LONG else [1])
def test_a_soak_loses_nothing_and_the_cluster_converges(home: Path, seed: int) -> None:
    run_process("up", "--detach", "--nodes", "2")
    assert len(running()) > 10, "the check for what is left finds what runs"
    command = [sys.executable, str(ROOT / "cli.py"), "chaos", "soak", "--minutes", str(MINUTES), "--seed", str(seed)]
    done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, timeout=60 * MINUTES + 200)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    print(json.dumps(report, indent=2))
    assert report["lost"] == []
    assert report["problems"] == []
    assert report["converged_after_s"] >= 0
    assert report["ok"]
    assert done.returncode == 0
    assert report["acknowledged"] > 60 * MINUTES
    assert report["faults"]["crash"] >= 60 * MINUTES * 0.6
    assert len(report["faults"]) >= (15 if LONG else 4)
    assert json.loads(podchain("chaos", "status", "-o", "json"))["faults"] == []


def test_a_store_that_forgets_is_found_out(home: Path) -> None:
    """The suite bites: with a store in memory, whose kill loses everything, the same soak must fail."""
    run_process("up", "--detach", "--nodes", "1", "--no-gateway", "--store", "memory")
    command = [sys.executable, str(ROOT / "cli.py"), "chaos", "soak", "--minutes", "0.05", "-o", "json"]
    soaking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(3.0)
    podchain("chaos", "kill", "store")
    report = json.loads(soaking.communicate(timeout=200)[0])
    assert soaking.returncode == 1
    assert report["lost"]
    assert any("the store went back" in problem for problem in report["problems"])


def test_an_interrupted_soak_leaves_no_fault_in_force(home: Path) -> None:
    run_process("up", "--detach", "--nodes", "1", "--no-gateway")
    command = [sys.executable, str(ROOT / "cli.py"), "chaos", "soak", "--minutes", "5", "--every", "30s"]
    soaking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until_s = time.monotonic() + 40.0
    while not json.loads(podchain("chaos", "status", "-o", "json"))["faults"]:
        assert time.monotonic() < until_s, "no fault ever set in"
        time.sleep(0.1)
    soaking.send_signal(signal.SIGINT)
    said, _ = soaking.communicate(timeout=20)
    assert "no fault is left in force" in said
    assert soaking.returncode == 130
    assert json.loads(podchain("chaos", "status", "-o", "json"))["faults"] == []
