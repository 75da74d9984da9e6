"""Jobs with the whole cluster around them: under faults, crashes, old views, deletions and dead nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from actors.apimachinery.meta import controller_of
from actors.apimachinery.operation import Object
from actors.simulation.cluster import SimulatedCluster
from actors.simulation.final_oracles import not_idempotent
from actors.testing.cluster_under_test import ClusterUnderTest
from actors.testing.exploration import explore
from broker.faults import RandomFaults

JOBS = "batch/v1/jobs"
SEEDS = range(40 if os.environ.get("PODCHAIN_LONG") else 3)


def job(name: str, script: dict[str, str] | None = None, restart: str = "Never", **spec: Any) -> Object:
    annotations = {f"sim.podchain.dev/{key}": value for key, value in (script or {}).items()}
    container = {"name": "main", "image": "busybox"}
    template = {"metadata": {"annotations": annotations}, "spec": {"restartPolicy": restart, "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template, **spec},
    }


@pytest.fixture
def cluster() -> Iterator[SimulatedCluster]:
    with SimulatedCluster(seed=3, nodes=2) as cluster:
        cluster.start()
        yield cluster
        assert cluster.oracles.violations == []
        assert not cluster.sim.crashes, "\n".join(map(str, cluster.sim.crashes))


def create(cluster: SimulatedCluster, *jobs: Object) -> None:
    for manifest in jobs:
        cluster.run(cluster.client.create(JOBS, manifest))


def status(cluster: SimulatedCluster, name: str) -> Object:
    (found,) = (obj for obj in cluster.oracles.of_kind("Job") if obj["metadata"]["name"] == name)
    return found.get("status") or {}


def ended(cluster: SimulatedCluster) -> bool:
    """Whether all Jobs have ended."""
    jobs = cluster.oracles.of_kind("Job")
    found = [{c["type"] for c in (obj.get("status") or {}).get("conditions") or ()} for obj in jobs]
    return all(types & {"Complete", "Failed"} for types in found)


def pods_of(cluster: SimulatedCluster, name: str) -> list[Object]:
    return [pod for pod in cluster.oracles.of_kind("Pod") if (controller_of(pod) or {}).get("name") == name]


def reasons(cluster: SimulatedCluster, name: str) -> list[str]:
    events = cluster.oracles.of_kind("Event")
    return [event["reason"] for event in events if event["involvedObject"]["name"] == name]


def test_jobs_of_all_kinds_come_to_their_end(cluster) -> None:
    create(
        cluster,
        job("one"),
        job("many", {"run-seconds": "3"}, parallelism=2, completions=5),
        job("indexed", completionMode="Indexed", completions=4, parallelism=4),
        job("queue", {"run-seconds": "2"}, parallelism=3, completions=None),
        job("fails", {"exit-code": "1"}, backoffLimit=2),
        job("restarts", {"exit-code": "1,1,0"}, "OnFailure"),
        job("late", {"run-seconds": "500"}, activeDeadlineSeconds=5),
        job("short", ttlSecondsAfterFinished=10),
    )
    cluster.sim.run_for(1)
    assert "Complete" in {c["type"] for c in status(cluster, "short")["conditions"]}
    assert cluster.sim.run_until(lambda: ended(cluster), 120)
    got = {n: status(cluster, n) for n in ("one", "many", "indexed", "queue", "fails", "restarts", "late")}
    counts = {name: (found.get("succeeded", 0), found.get("failed", 0)) for name, found in got.items()}
    assert counts == {
        "one": (1, 0),
        "many": (5, 0),
        "indexed": (4, 0),
        "queue": (3, 0),
        "fails": (0, 3),
        "restarts": (1, 0),
        "late": (0, 1),
    }
    assert got["indexed"]["completedIndexes"] == "0-3"
    names = {pod["metadata"]["name"][: len("indexed-0-")] for pod in pods_of(cluster, "indexed")}
    assert names == {f"indexed-{index}-" for index in range(4)}
    assert [found["conditions"][-1]["reason"] for found in (got["fails"], got["late"])] == [
        "BackoffLimitExceeded",
        "DeadlineExceeded",
    ]
    assert "DeadlineExceeded" in reasons(cluster, "late")
    assert reasons(cluster, "one") == ["SuccessfulCreate", "Completed"]
    assert not [pod for pod in cluster.oracles.of_kind("Pod") if pod["metadata"].get("finalizers")]
    cluster.sim.run_for(20)
    assert "short" not in {obj["metadata"]["name"] for obj in cluster.oracles.of_kind("Job")}
    assert not_idempotent(cluster.oracles, cluster.client.ctx.wall_s()) == []


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_a_deleted_job_holds_nothing_back(cluster, policy) -> None:
    create(cluster, job("one", {"run-seconds": "900"}))
    cluster.sim.run_for(2)
    cluster.run(cluster.client.delete(JOBS, "one", "default", options={"propagationPolicy": policy}))
    cluster.sim.run_for(60)
    assert not cluster.oracles.of_kind("Job")
    pods = cluster.oracles.of_kind("Pod")
    assert [pod["metadata"].get("finalizers") for pod in pods] == [None] * (policy == "Orphan")


def test_an_evicted_pod_is_replaced_once_it_has_ended(cluster) -> None:
    create(
        cluster,
        job("one", {"run-seconds": "20", "stop-seconds": "5", "stop-exit-code": "143"}, podReplacementPolicy="Failed"),
    )
    cluster.sim.run_for(2)
    (pod,) = pods_of(cluster, "one")
    cluster.run(cluster.client.delete("v1/pods", pod["metadata"]["name"], "default"))
    cluster.sim.run_for(3)
    assert len(pods_of(cluster, "one")) == 1
    assert status(cluster, "one")["terminating"] == 1
    assert cluster.sim.run_until(lambda: ended(cluster), 90)
    assert (status(cluster, "one")["succeeded"], status(cluster, "one")["failed"]) == (1, 1)


def test_the_pods_of_a_node_that_is_gone_fail_and_are_replaced(cluster) -> None:
    create(cluster, job("two", {"run-seconds": "300"}, parallelism=2, completions=2, podReplacementPolicy="Failed"))
    cluster.sim.run_for(2)
    lost = [pod for pod in pods_of(cluster, "two") if pod["spec"]["nodeName"] == "node-2"]
    assert lost, "the test needs a pod on each node"
    cluster.switch_off_node("node-2")
    cluster.run(cluster.client.delete("v1/nodes", "node-2"))
    assert cluster.sim.run_until(lambda: ended(cluster), 900)
    assert (status(cluster, "two")["succeeded"], status(cluster, "two")["failed"]) == (2, len(lost))


def test_suspended_and_resumed(cluster) -> None:
    create(cluster, job("pause", {"run-seconds": "10"}, suspend=True, parallelism=2, completions=2))
    cluster.sim.run_for(5)
    assert not pods_of(cluster, "pause")

    def suspend(value: bool) -> None:
        cluster.run(cluster.client.patch(JOBS, "pause", {"spec": {"suspend": value}}, "default"))

    suspend(False)
    cluster.sim.run_for(2)
    assert len(pods_of(cluster, "pause")) == 2
    suspend(True)
    cluster.sim.run_for(40)
    assert not pods_of(cluster, "pause")
    suspend(False)
    assert cluster.sim.run_until(lambda: ended(cluster), 60)
    assert (status(cluster, "pause")["succeeded"], status(cluster, "pause").get("failed", 0)) == (2, 0)


class Tally:
    """Counts from the store's history what ended, and how many ran at a time."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.ended: dict[str, set[str]] = {"Succeeded": set(), "Failed": set()}
        self.owner: dict[str, str] = {}
        """Uids of pods to the names of their Jobs."""
        self.most = 0
        live: dict[str, Object] = {}
        for _, key, pod in cluster.oracles.history.get("Pod", ()):
            if pod is None:
                live.pop(str(key), None)
                continue
            live[str(key)] = pod
            self.owner[pod["metadata"]["uid"]] = (controller_of(pod) or {}).get("name", "")
            phase = (pod.get("status") or {}).get("phase")
            if phase in self.ended:
                self.ended[phase].add(pod["metadata"]["uid"])
            active = [
                p
                for p in live.values()
                if (p.get("status") or {}).get("phase") not in self.ended and not p["metadata"].get("deletionTimestamp")
            ]
            self.most = max(self.most, len(active))


@pytest.mark.parametrize("seed", SEEDS)
def test_each_pod_is_counted_once_under_faults_crashes_and_old_views(seed) -> None:
    faults = RandomFaults(drop=0.03, duplicate=0.05, delay=0.1, delay_max_s=0.6)
    with SimulatedCluster(seed=seed, nodes=2) as cluster:
        cluster.start()
        cluster.set_faults(faults)
        script = {"exit-code": "0", "run-seconds": "2"}
        manifest = job("work", script, parallelism=3, completions=9, backoffLimit=50)
        del manifest["spec"]["template"]["metadata"]["annotations"]["sim.podchain.dev/exit-code"]
        create(cluster, manifest)
        for turn in range(8):
            cluster.sim.run_for(1.3)
            cluster.sim.crash("job-controller", restart_after_s=0.1 * turn)
            if turn == 3:
                cluster.sim.crash("apiserver", restart_after_s=0.2)
            if turn == 5:
                cluster.sim.crash("runtime-node-1", restart_after_s=0.2)
        cluster.set_faults(None)
        assert cluster.sim.run_until(lambda: ended(cluster), 300), status(cluster, "work")
        cluster.sim.run_for(60)
        tally, found = Tally(cluster), status(cluster, "work")
        assert found["succeeded"] == len(tally.ended["Succeeded"]) >= 9
        assert found.get("failed", 0) == len(tally.ended["Failed"])
        assert tally.most <= 3
        assert not [pod for pod in cluster.oracles.of_kind("Pod") if pod["metadata"].get("finalizers")]
        assert cluster.oracles.violations == []
        assert not_idempotent(cluster.oracles, cluster.client.ctx.wall_s()) == []


def a_jobs_life(podchain: ClusterUnderTest) -> None:
    """A Job with failures and successes, an indexed one with limits for each index, one suspended and resumed."""
    podchain.under_test["job-controller"] = None
    fails = {"sim.podchain.dev/exit-code": "1"}
    flaky = job("flaky", {"run-seconds": "1"}, parallelism=2, completions=3)
    podchain.apply(flaky)
    podchain.run_until(lambda: bool(pods_of(podchain.simulated, "flaky")))
    indexed = job("indexed", completionMode="Indexed", completions=2, parallelism=2, backoffLimitPerIndex=1)
    indexed["spec"]["template"]["metadata"]["annotations"] = fails
    podchain.apply(indexed)
    podchain.run_until(lambda: len(pods_of(podchain.simulated, "flaky")) >= 2)
    podchain.patch("jobs", "flaky", {"spec": {"suspend": True}})
    podchain.run_until(lambda: not pods_of(podchain.simulated, "flaky"), 20)
    podchain.patch("jobs", "flaky", {"spec": {"suspend": False}})
    podchain.assert_converges(lambda: ended(podchain.simulated), 200)
    podchain.run_for(40)
    tally = Tally(podchain.simulated)
    assert tally.most <= 4
    assert status(podchain.simulated, "flaky")["succeeded"] >= 3
    assert status(podchain.simulated, "indexed")["failedIndexes"] == "0,1"
    failed = [uid for uid in tally.ended["Failed"] if tally.owner[uid] == "indexed"]
    assert status(podchain.simulated, "indexed")["failed"] == len(failed) == 4
    assert not_idempotent(podchain.simulated.oracles, podchain.simulated.client.ctx.wall_s()) == []
    assert not [pod for pod in podchain.simulated.oracles.of_kind("Pod") if pod["metadata"].get("finalizers")]


def test_a_jobs_life_under_every_fault_that_its_messages_suggest() -> None:
    most, seeds = (None, 20) if os.environ.get("PODCHAIN_LONG") else (10, 1)
    tried = explore(a_jobs_life, nodes=1, most=most, seeds=seeds)
    assert tried.run >= 10
