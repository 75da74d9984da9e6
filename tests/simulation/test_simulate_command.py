"""``podchain simulate``: the same seed is the same run everywhere; failures are found, shrunk and replayed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from actors.kubectl.simulate import simulate
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import PROFILES
from actors.simulation.run import execute
from actors.simulation.schedule import draw_schedule
from actors.simulation.shrink import minimal

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["simulate", "--seed", "7", "--runs", "2", "--minutes", "0.3", "--nodes", "2", "--faults", "heavy"]


def hashes(python: str, hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [python, "cli.py", *ARGUMENTS, "-o", "json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    return [run["trace_hash"] for run in json.loads(done.stdout)["runs"]]


@pytest.fixture(scope="module")
def reference() -> list[str]:
    return hashes(sys.executable, "1")


def test_the_same_seed_gives_the_same_trace_in_another_process_with_another_hash_seed(reference: list[str]) -> None:
    assert hashes(sys.executable, "4242") == reference
    assert len(set(reference)) == 2


@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_every_python_gives_the_same_trace(minor: int, reference: list[str]) -> None:
    python = shutil.which(f"python3.{minor}")
    if sys.version_info[:2] == (3, minor):
        python = sys.executable
    if python is None:
        pytest.skip(f"Python 3.{minor} is not on this machine")
    if subprocess.run(
        [python, "-c", "import msgpack, yaml, click, orjson"], capture_output=True, check=False
    ).returncode:
        pytest.skip(f"Python 3.{minor} here lacks Podchain's dependencies")
    assert hashes(python, "0") == reference


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(simulate, list(arguments))
    return result.exit_code, result.output


def scenario(tmp_path: Path, **content: object) -> str:
    path = tmp_path / "scenario.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def web(replicas: int) -> dict[str, object]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_a_scenario_with_what_is_expected_of_it(tmp_path: Path) -> None:
    path = scenario(
        tmp_path,
        minutes=0.3,
        manifests=[web(2)],
        operations=[{"at": 3, "do": "scale", "name": "web", "replicas": 4}],
        faults=[{"at": 3.2, "do": "crash", "actor": "replicaset-controller"}, {"at": 4, "do": "disk-full", "for_s": 1}],
        expectations=[{"kind": "Deployment", "name": "web", "path": "status.readyReplicas", "value": 4}],
    )
    code, output = run("--scenario", path, "-o", "json")
    document = json.loads(output)
    assert (code, document["failures"]) == (0, [])
    assert document["runs"][0]["faults"] == {"crash": 1, "disk-full": 1}


def test_a_scenario_of_everything_users_do(tmp_path: Path) -> None:
    operations: list[dict[str, object]] = [
        {"do": "add-node", "node": "node-3"},
        {"do": "set-image", "name": "web", "image": "nginx:2"},
        {"do": "undo", "name": "web"},
        {"do": "drain", "node": "node-1"},
        {"do": "cordon", "node": "node-2"},
        {"do": "apply", "manifest": web(3)},
        {"do": "remove-node", "node": "node-1"},
        {"do": "uncordon", "node": "node-2"},
        {"do": "update", "name": "web", "patch": {"spec": {"minReadySeconds": 1}}},
        {"do": "scale", "name": "web", "replicas": 4},
        {"do": "create", "manifest": {**web(1), "metadata": {"name": "gone"}}},
        {"do": "delete", "name": "gone"},
    ]
    path = scenario(
        tmp_path,
        minutes=0.6,
        nodes=2,
        manifests=[web(2)],
        operations=[{"at": 2.0 + 2 * i, **operation} for i, operation in enumerate(operations)],
        faults=[{"when": {"operation": "create eviction"}, "do": "crash", "actor": "apiserver"}],
        expectations=[
            {"kind": "Deployment", "name": "web", "path": "status.readyReplicas", "value": 4},
            {"kind": "Deployment", "name": "web", "path": "spec.minReadySeconds", "value": 1},
            {"kind": "Deployment", "name": "gone", "absent": True},
            {"kind": "Node", "name": "node-1", "absent": True},
            {"kind": "Node", "name": "node-3", "path": "spec.unschedulable", "value": None},
        ],
    )
    code, output = run("--scenario", path, "-o", "json", "--no-shrink")
    document = json.loads(output)
    assert (code, document["failures"]) == (0, [])
    assert document["runs"][0]["faults"] == {"crash": 1}


def test_what_is_disappointed_is_shrunk_saved_and_replayed(tmp_path: Path) -> None:
    """The expectation fails because of the scaling alone: nothing else may be left of the story."""
    path = scenario(
        tmp_path,
        minutes=0.3,
        manifests=[web(2)],
        operations=[
            {"at": 3, "do": "set-image", "name": "web", "image": "nginx:2"},
            {"at": 6, "do": "scale", "name": "web", "replicas": 4},
        ],
        faults=[
            {"at": 3.2, "do": "crash", "actor": "scheduler"},
            {"at": 4, "do": "pause", "actor": "store", "for_s": 1},
        ],
        expectations=[{"kind": "Deployment", "name": "web", "path": "status.conditions", "value": None}],
    )
    saved = tmp_path / "saved.yaml"
    code, output = run("--scenario", path, "--save", str(saved), "-o", "json")
    (failure,) = json.loads(output)["failures"]
    assert code == 1
    assert failure["kind"] == "expectation"
    assert failure["shrunk"]["story"] == ["   0.000 s  user creates Deployment web with 2 replicas"]
    code, output = run("--scenario", str(saved), "--no-shrink", "-o", "json")
    assert code == 1
    assert json.loads(output)["runs"][0]["trace_hash"] == failure["shrunk"]["trace_hash"]


def test_drawn_faults_replay_as_scripted_ones() -> None:
    first = execute(draw_schedule(3, 2, 20, PROFILES["heavy"]))
    assert sum(first.faults.values()) > 20
    again = execute(first.schedule)
    assert again.trace_hash == first.trace_hash
    assert again.faults == first.faults


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "heavy"])
def test_every_profile_injects_what_it_says(profile: str) -> None:
    report = execute(draw_schedule(5, 2, 30, PROFILES[profile]))
    wanted = {name.replace("_", "-") for name, rate in PROFILES[profile].to_plain().items() if rate > 4 or rate < 1}
    assert wanted <= set(report.faults)
    assert bool(wanted) == bool(report.faults)


def test_delta_debugging_finds_the_needed_pair() -> None:
    steps = [Step(float(i), "crash", {"actor": f"a{i}"}) for i in range(40)]

    def fails(kept: Sequence[Step]) -> bool:
        return steps[7] in kept and steps[31] in kept

    assert minimal(steps, fails, lambda: True) == [steps[7], steps[31]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--faults", "nonsense"], "neither a file nor one of"),
        (["--scenario", "no-such-file.yaml"], "No such file"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], message: str) -> None:
    code, output = run(*arguments)
    assert code == 1
    assert message in output


@pytest.mark.parametrize(
    "content",
    [
        {"surprise": 1},
        {"faults": [{"do": "crash"}]},
        {"faults": [{"do": "explode"}]},
        {"faults": {"drop": 2}},
        {"faults": {"dorp": 0.1}},
        {"faults": "gentle"},
        {"faults": [{"at": -1, "do": "crash", "actor": "store"}]},
        {"operations": [{"do": "crash", "actor": "store"}]},
        {"operations": [{"do": "scale", "name": "web", "replicas": "many"}]},
        {"faults": [{"do": "crash", "actor": "store", "when": {"nth": 1}}]},
        {"faults": [{"do": "crash", "actor": "store", "at": 1, "when": {"operation": "create"}}]},
        {"faults": [{"do": "crash", "actor": "store", "when": {"event": "ADDED", "point": "before-answer"}}]},
        {"controllers": ["nonsense"]},
        {"manifests": [3]},
        {"expectations": [{"kind": "Pod"}]},
        {"nodes": "three"},
    ],
)
def test_a_bad_scenario_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    code, output = run("--scenario", scenario(tmp_path, **content))
    assert code == 1
    assert output.startswith("Error: ")
