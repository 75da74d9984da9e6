"""How fast whole clusters are simulated, on one core: ``python bench/simulation.py [RUNS] [PROFILE]``."""

from __future__ import annotations

import contextlib
import gc
import io
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.simulation.fault_profile import PROFILES
from actors.simulation.run import execute
from actors.simulation.schedule import draw_schedule
from actors.testing.cluster_under_test import ClusterUnderTest

#: How many fresh clusters are timed.
FRESH_CLUSTERS = 11


def main() -> None:
    """Print a table, in seconds of CPU."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    profiles = sys.argv[2:] or ["none", "heavy"]
    gc.set_threshold(50_000, 20, 50)
    print(f"{'faults':<10}{'virtual s/s':>12}{'messages/s':>12}{'rollouts/min':>14}{'schedules/h':>13}{'failed':>8}")
    for name in profiles:
        with contextlib.redirect_stderr(io.StringIO()):
            execute(draw_schedule(10_000, 3, 10.0, PROFILES[name]))  # schemas are built on first use
            gc.freeze()
            began_s = time.process_time()
            reports = [execute(draw_schedule(seed, 3, 60.0, PROFILES[name])) for seed in range(runs)]
            took_s = time.process_time() - began_s
        verbs = ("create", "apply", "scale", "set-image", "undo")
        rollouts = sum(step.kind in verbs for report in reports for step in report.schedule.steps)
        virtual_s = sum(report.virtual_s for report in reports)
        messages = sum(report.messages for report in reports)
        failed = sum(report.failure is not None for report in reports)
        row = (virtual_s / took_s, messages / took_s, rollouts / took_s * 60, runs / took_s * 3600)
        print(f"{name:<10}{row[0]:>12.0f}{row[1]:>12.0f}{row[2]:>14.0f}{row[3]:>13.0f}{failed:>8}")
    print(f"\na fresh cluster for a test (fixture podchain, three nodes): {fresh_cluster_s() * 1000:.0f} ms")


def fresh_cluster_s() -> float:
    """CPU seconds until a test's cluster is ready: the median of several."""
    ClusterUnderTest().close()
    times_s: list[float] = []
    for _ in range(FRESH_CLUSTERS):
        began_s = time.process_time()
        cluster = ClusterUnderTest()
        times_s.append(time.process_time() - began_s)
        cluster.close()
    return statistics.median(times_s)


if __name__ == "__main__":
    main()
