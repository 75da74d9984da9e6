"""The plugin's fixtures, as an author of a controller uses them."""

from __future__ import annotations

import asyncio
import base64
import http.client
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Operation
from actors.client.controller import Trigger, run_controller
from actors.client.decision import Decision
from actors.testing.cluster_under_test import ClusterUnderTest, NotConverged
from actors.testing.live_cluster import LiveCluster
from broker.chaos import Fault
from broker.context import Context

pytest_plugins = ["pytester"]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1.25"}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"""


class Copier:
    """A small controller: every ConfigMap labelled ``copy`` has a copy of its data under another name."""

    name = "copier"
    triggers = (
        Trigger("v1/configmaps", lambda obj, _: (Key("default", obj["metadata"]["name"].removesuffix("-copy")),)),
    )

    def reconcile(self, key, view, now_s) -> Decision:
        original = view.get("v1/configmaps", key)
        if original is None or "copy" not in (original["metadata"].get("labels") or {}):
            return Decision()
        name = f"{key.name}-copy"
        copy = view.get("v1/configmaps", Key(key.namespace, name))
        if copy is not None and copy.get("data") == original.get("data"):
            return Decision()
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": key.namespace},
            "data": original.get("data"),
        }
        verb = "create" if copy is None else "update"
        return Decision([Operation(verb, "v1/configmaps", key.namespace, name, "", body)])


def test_a_manifest_is_applied_and_the_cluster_converges(podchain: ClusterUnderTest) -> None:
    podchain.apply(WEB)
    podchain.assert_converges()
    assert len(podchain.list("pods", label_selector="app=web")) == 2
    podchain.apply(WEB.replace("replicas: 2", "replicas: 4").replace("blue", "red"))
    podchain.assert_converges(lambda: podchain.get("deploy", "web")["status"]["readyReplicas"] == 4)
    assert podchain.get("cm", "settings")["data"] == {"colour": "red"}
    podchain.delete("deploy", "web")
    podchain.assert_converges(lambda: not podchain.list("pods"))


@pytest.mark.podchain(nodes=1, faults={"drop": 0.2, "duplicate": 0.1}, seed=3)
def test_a_controller_of_ones_own_under_faults_and_crashes(podchain: ClusterUnderTest) -> None:
    podchain.run_actor("copier", lambda ctx: run_controller(ctx, Copier()))
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"copy": ""}}}
    for number in range(5):
        podchain.apply({**settings, "data": {"n": str(number)}})
        podchain.run_for(0.3)
        podchain.crash("copier")
    podchain.assert_converges(lambda: podchain.get("cm", "a-copy")["data"] == {"n": "4"})
    data = podchain.assert_eventually_stable(lambda: podchain.get("cm", "a-copy")["data"])
    assert data == {"n": "4"}
    assert len(podchain.stored("Node")) == 1


def test_what_does_not_converge_is_told(podchain: ClusterUnderTest) -> None:
    with pytest.raises(NotConverged, match="not converged within 5 virtual seconds"):
        podchain.assert_converges(lambda: bool(podchain.get("cm", "nobody-writes-it")), within_s=5)


def test_what_does_not_settle_is_told(podchain: ClusterUnderTest) -> None:
    async def restless(ctx: Context) -> None:
        number = 0
        while True:
            number += 1
            ctx.publish("number", number)
            latest.append(number)
            await asyncio.sleep(1)

    latest: list[int] = []
    podchain.run_actor("restless", restless)
    with pytest.raises(NotConverged, match="still changing after 10 virtual seconds"):
        podchain.assert_eventually_stable(lambda: latest[-1:], within_s=10, for_s=5)


def test_a_fresh_cluster_is_quick() -> None:
    """Well under 150 ms, in CPU, which a busy machine does not change; bench/simulation.py prints the figure."""
    ClusterUnderTest().close()
    took_s: list[float] = []
    for _ in range(5):
        began_s = time.process_time()
        ClusterUnderTest().close()
        took_s.append(time.process_time() - began_s)
    assert min(took_s) < 0.15


def test_a_failure_prints_its_seed_and_seeds_can_be_swept(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        def test_fails_on_one(podchain, podchain_seed):
            assert podchain.seed == podchain_seed
            assert podchain_seed != 1
        """
    )
    result = pytester.runpytest_subprocess("--podchain-seeds", "3", "-p", "no:xdist")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*seed 1; replay with: pytest 'test_it.py::test_fails_on_one' --podchain-seed 1*"])
    result = pytester.runpytest_subprocess("--podchain-seed", "1", "-p", "no:xdist")
    result.assert_outcomes(failed=1)


@pytest.mark.podchain(nodes=2, seed=5, faults={"conflict": 0.1})
def test_a_cluster_of_real_processes(podchain_cluster: LiveCluster) -> None:
    podchain_cluster.podchain("apply", "-f", "-", stdin=WEB)
    podchain_cluster.assert_converges(lambda: "2/2" in podchain_cluster.podchain("get", "deployment", "web"))
    assert len(podchain_cluster.podchain("get", "pods", "-o", "name").split()) == 2
    with pytest.raises(NotConverged, match="not converged within 1 seconds"):
        podchain_cluster.assert_converges(lambda: "8/8" in podchain_cluster.podchain("get", "deployment", "web"), 1)
    assert podchain_cluster.kubeconfig is not None
    config = yaml.safe_load(podchain_cluster.kubeconfig.read_text())
    address = urlsplit(config["clusters"][0]["cluster"]["server"])
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    connection = http.client.HTTPSConnection(address.hostname, address.port, context=context, timeout=20)
    connection.request("GET", "/version")
    assert b"gitVersion" in connection.getresponse().read()
    connection.close()


def test_without_the_gateways_extra_there_is_no_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("actors.testing.live_cluster.gateway_is_installed", lambda: False)
    assert LiveCluster(tmp_path, "none", 1).kubeconfig is None


@pytest.mark.podchain(nodes=1, faults={"conflict": 0.2, "too-many-requests": 0.2, "error-after-commit": 0.2})
def test_faults_of_the_api_are_felt_by_controllers_and_the_user_insists(podchain: ClusterUnderTest) -> None:
    podchain.apply(WEB)
    podchain.scale("deployments", "web", 3)
    podchain.run_for(10.0)
    podchain.assert_converges()
    assert len(podchain.list("pods")) == 3
    assert not podchain.simulated.sim.chaos.faults


def test_a_fault_is_put_in_force_for_one_actor_and_healed(podchain: ClusterUnderTest) -> None:
    podchain.put_in_force(Fault("conflict", {"rate": 1.0, "resource": "v1/pods", "from": "scheduler"}))
    podchain.apply(WEB)
    podchain.run_for(5.0)
    assert {pod["spec"].get("nodeName") for pod in podchain.list("pods")} == {None}
    podchain.heal()
    podchain.assert_converges()
    with pytest.raises(ValueError, match="earthquake: unknown fault"):
        podchain.put_in_force(Fault("earthquake"))
