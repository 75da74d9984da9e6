"""Every manifest in examples/ does what it says it does. Folders there bring tests of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_world import CommandWorld

from actors.simulation.cluster import SimulatedCluster

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def fresh() -> Iterator[CommandWorld]:
    with SimulatedCluster(seed=11, nodes=3) as cluster:
        cluster.start()
        yield CommandWorld(cluster)


def apply(world: CommandWorld, name: str) -> str:
    return world.ok("apply", "-f", str(EXAMPLES / name))


def test_every_example_is_tested():
    tested = Path(__file__).read_text()
    for path in sorted(EXAMPLES.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            own = "".join(test.read_text() for test in path.glob("test_*.py"))
            others = [file for file in path.iterdir() if file.is_file() and not file.name.startswith("test_")]
            assert [
                file.name for file in others if file.name not in own and f"from {file.stem} import" not in own
            ] == []
        elif path.is_file():
            assert path.name in tested


def test_nginx(fresh):
    assert apply(fresh, "nginx-deployment.yaml") == "deployment.apps/nginx-deployment created\n"
    said = fresh.ok("rollout", "status", "deployment/nginx-deployment", "--timeout=60s")
    assert said.endswith('deployment "nginx-deployment" successfully rolled out\n')
    assert apply(fresh, "nginx-deployment.yaml") == "deployment.apps/nginx-deployment unchanged\n"
    rows = fresh.ok("get", "pods", "--no-headers").splitlines()
    assert len(rows) == 3
    assert all(row.split()[1:3] == ["1/1", "Running"] for row in rows)
    assert "deleted from default namespace" in fresh.ok("delete", "-f", str(EXAMPLES / "nginx-deployment.yaml"))
    fresh.cluster.sim.run_for(90)
    assert fresh.run("get", "pods").err == "No resources found in default namespace.\n"


def test_guestbook(fresh):
    assert apply(fresh, "guestbook.yaml").splitlines() == [
        "configmap/guestbook created",
        "deployment.apps/guestbook created",
        "service/guestbook created",
    ]
    fresh.ok("rollout", "status", "deployment/guestbook", "--timeout=60s")
    assert "80/TCP" in fresh.ok("get", "service", "guestbook")
    assert fresh.ok("get", "cm", "guestbook", "-o", "jsonpath={.data.GREETING}") == "hello"


def test_init_container_and_sidecar(fresh):
    apply(fresh, "init-and-sidecar.yaml")
    assert "Init:0/2" in fresh.ok("get", "pods", "-w", for_s=5)
    fresh.ok("rollout", "status", "deployment/prepared", "--timeout=60s")
    assert fresh.ok("get", "pods", "--no-headers").split()[1:3] == ["2/2", "Running"]


def test_crash_loop(fresh):
    apply(fresh, "crash-loop.yaml")
    seen = fresh.ok("get", "pod", "crash-loop", "-w", for_s=60)
    assert "Running" in seen
    assert "CrashLoopBackOff" in seen
    described = fresh.ok("describe", "pod", "crash-loop")
    assert "Exit Code:    1" in described
    assert "Back-off restarting failed container main in pod crash-loop" in described
    assert fresh.ok("logs", "crash-loop", "--previous") == "out of luck\n"


def test_rolling_update(fresh):
    apply(fresh, "rolling-update-1.yaml")
    fresh.ok("rollout", "status", "deployment/rolling", "--timeout=120s")
    assert apply(fresh, "rolling-update-2.yaml") == "deployment.apps/rolling configured\n"
    said = fresh.ok("rollout", "status", "deployment/rolling", "--timeout=120s")
    assert "1 out of 4 new replicas have been updated..." in said
    images = "jsonpath={.items[*].spec.containers[0].image}"
    fresh.cluster.sim.run_for(60)
    assert fresh.ok("get", "pods", "-o", images).split() == ["example.com/web:2.0"] * 4
    assert fresh.ok("rollout", "history", "deployment/rolling") == (
        "deployment.apps/rolling \nREVISION  CHANGE-CAUSE\n1         first version\n2         second version\n\n"
    )
    assert fresh.ok("rollout", "undo", "deployment/rolling") == "deployment.apps/rolling rolled back\n"
    fresh.ok("rollout", "status", "deployment/rolling", "--timeout=120s")
    fresh.cluster.sim.run_for(60)
    assert fresh.ok("get", "pods", "-o", images).split() == ["example.com/web:1.0"] * 4


def test_placement(fresh):
    apply(fresh, "placement.yaml")
    fresh.ok("rollout", "status", "deployment/spread-web", "--timeout=60s")
    fresh.ok("rollout", "status", "deployment/near-cache", "--timeout=60s")
    for app in ("spread-web", "near-cache"):
        nodes = fresh.ok("get", "pods", "-l", f"app={app}", "-o", "jsonpath={.items[*].spec.nodeName}").split()
        assert sorted(nodes) == ["node-1", "node-2", "node-3"]


def test_crontab_definition(fresh):
    assert apply(fresh, "crontab-crd.yaml") == (
        "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created\n"
    )
    fresh.ok("wait", "--for=condition=established", "crd/crontabs.stable.example.com", "--timeout=10s")
    assert fresh.run("get", "ct").err == "No resources found in default namespace.\n"
