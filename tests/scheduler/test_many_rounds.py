"""More pods at once than the scheduler has rounds under way: it waits for answers and lets others run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from actors.simulation.cluster import SimulatedCluster
from actors.simulation.oracles import unsettled

#: Many times what it takes (seconds of CPU, however busy the machine is).
SPINS_AFTER_S = 30.0


class Spins(KeyboardInterrupt):
    """The one kind of exception that ends a loop which turns without ever waiting."""


@contextmanager
def _ending_what_spins() -> Iterator[None]:
    def end(*_: Any) -> None:
        raise Spins

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, SPINS_AFTER_S)
    try:
        yield
    except Spins:
        pytest.fail("something turns without ever letting others run")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def test_five_hundred_pods_at_once() -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 500, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    with _ending_what_spins():
        # Not closed when it spins: closing would turn the same loop again.
        cluster = SimulatedCluster(seed=1, nodes=0, hollow_nodes=10)
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", deployment))
        assert cluster.sim.run_until(lambda: len(cluster.oracles.of_kind("Pod")) == 500, 30)
        assert cluster.sim.run_until(lambda: not unsettled(cluster.oracles), 60), unsettled(cluster.oracles)[:3]
        assert cluster.oracles.violations == []
        cluster.sim.close()
