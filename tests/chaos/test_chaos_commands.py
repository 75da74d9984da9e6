"""``podchain chaos`` on a live cluster: each fault is felt, by actors and by clients over HTTP, and heals."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from live import ROOT, cluster_name, podchain, ps, run_process, status

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    before = {name: os.environ.get(name) for name in ("PODCHAIN_HOME", "PODCHAIN_NAME")}
    os.environ |= {"PODCHAIN_HOME": str(home), "PODCHAIN_NAME": f"{cluster_name()}-commands"}
    run_process("up", "--detach", "--nodes", "1", "--seed", "3", "--fault", "drop=0.02")
    yield home
    podchain("down", "--purge")
    for name, value in before.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture
def healthy(home: Path) -> Iterator[Path]:
    podchain("chaos", "heal")
    yield home
    podchain("chaos", "heal")


def eventually(condition: Callable[[], Any], within_s: float = 30.0, look_every_s: float = 0.1) -> Any:
    until_s = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(look_every_s)
    return found


def pod_phase(name: str) -> str:
    return podchain("get", "pod", name, "-o", "jsonpath={.status.phase}")


def run_pod(name: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": "nginx:1"}]},
    }
    podchain("apply", "-f", "-", stdin=json.dumps(pod))


def config_map(name: str, value: str) -> None:
    podchain("create", "configmap", name, f"--from-literal=value={value}")


class Http:
    """A client in another language: no library of ours."""

    def __init__(self, home: Path) -> None:
        path = home / "kubeconfig"
        podchain("kubeconfig", "-o", str(path))
        cluster = yaml.safe_load(path.read_text())
        self.url = cluster["clusters"][0]["cluster"]["server"]
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE
        (token,) = home.glob("*/gateway/token")
        self.headers = {"Authorization": f"Bearer {token.read_text()}"}

    def open(self, path: str, method: str = "GET", body: Any = None, timeout_s: float = 10.0) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/merge-patch+json"}
        request = urllib.request.Request(self.url + path, content, headers, method=method)
        return urllib.request.urlopen(request, timeout=timeout_s, context=self.tls)

    def refused(self, *args: Any) -> tuple[int, dict[str, Any], Any]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.open(*args)
        return caught.value.code, json.load(caught.value), caught.value.headers


def test_faults_of_up_are_in_force_from_the_start_and_counted(home: Path) -> None:
    found = status()
    assert (found["seed"], found["faults"]) == (3, [{"do": "drop", "rate": 0.02}])
    assert eventually(lambda: status()["injected"]["counts"].get("drop"), 30.0) > 0
    assert "2% of messages are lost" in podchain("chaos", "status")


def test_a_partition_is_felt_shown_in_traces_and_heals(healthy: Path) -> None:
    said = podchain("chaos", "partition", "scheduler", "apiserver")
    assert "nothing gets between scheduler and apiserver" in said
    run_pod("cut-off")
    time.sleep(1.0)
    assert pod_phase("cut-off") == "Pending"
    assert podchain("get", "pod", "cut-off", "-o", "jsonpath={.spec.nodeName}") == ""
    assert "ended: nothing gets between" in podchain("chaos", "heal", "partition")
    eventually(lambda: pod_phase("cut-off") == "Running")
    # Faults are told twice a second, so a report may be on its way yet.
    eventually(lambda: "Faults injected meanwhile: partition " in podchain("trace", "pod/cut-off"))
    assert status()["injected"]["by_actor"]["scheduler"]["partition"] > 0


def test_a_fault_meets_an_actor_that_starts_later_and_ends_by_itself(healthy: Path) -> None:
    podchain("chaos", "partition", "scheduler", "*")
    podchain("chaos", "kill", "scheduler")
    run_pod("later")
    time.sleep(0.5)
    assert podchain("get", "pod", "later", "-o", "jsonpath={.spec.nodeName}") == ""
    podchain("chaos", "partition", "scheduler", "*", "--for", "1s")
    eventually(lambda: pod_phase("later") == "Running")
    assert status()["faults"] == []


def test_a_kill_a_restart_and_a_pause(healthy: Path) -> None:
    before = ps()
    assert f"store runs again (restarts: {before['store']['restarts'] + 1})" in podchain("chaos", "kill", "store")
    assert "runs again" in podchain("chaos", "restart", "tracer")
    command = [sys.executable, str(ROOT / "cli.py"), "chaos", "pause", "scheduler", "1.5s"]
    pausing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    scheduler = psutil.Process(before["scheduler"]["pid"])
    eventually(lambda: scheduler.status() == psutil.STATUS_STOPPED, 30.0, look_every_s=0.05)
    assert "scheduler: goes on" in pausing.communicate(timeout=30)[0]
    after = ps()
    assert after["scheduler"]["pid"] == before["scheduler"]["pid"]
    assert after["store"]["pid"] != before["store"]["pid"]
    assert after["tracer"]["pid"] != before["tracer"]["pid"]
    counts = eventually(lambda: status()["injected"]["counts"])
    assert counts["pause"] == 1


def test_kills_again_and_again(healthy: Path) -> None:
    said = podchain("chaos", "kill", "random", "--every", "300ms", "--for", "1s", "--seed", "1")
    assert said.splitlines()[-1].startswith("4 kills: ")
    eventually(lambda: all(actor["state"] == "running" for actor in ps().values()))


def test_a_full_disk_refuses_writes_and_takes_them_again_when_healed(healthy: Path) -> None:
    podchain("chaos", "disk-full")
    assert "pace" in podchain("create", "configmap", "no-room", code=1)
    assert "The store refuses writes (NOSPACE)" in podchain("chaos", "status")
    pid = ps()["store"]["pid"]
    assert "lifted: the store's NOSPACE alarm" in podchain("chaos", "heal")
    config_map("room", "1")
    assert ps()["store"]["pid"] == pid, "it did not crash"


def test_a_slow_disk_makes_writes_slow(healthy: Path) -> None:
    podchain("chaos", "slow-sync", "600ms")
    started_s = time.monotonic()
    config_map("slowly", "1")
    assert time.monotonic() - started_s > 0.6


def test_a_clock_is_skewed(healthy: Path) -> None:
    podchain("chaos", "skew", "apiserver", "-1h")
    config_map("old", "1")
    assert podchain("get", "configmap", "old").split()[-1] in ("60m", "61m")


@pytest.mark.parametrize(
    ("code", "reason"), [("409", "Conflict"), ("429", "TooManyRequests"), ("500", "InternalError")]
)
def test_clients_over_http_are_refused(healthy: Path, code: str, reason: str) -> None:
    http = Http(healthy)
    config_map(f"m{code}", "1")
    podchain("chaos", "api", code, "--kind", "configmaps", "--rate", "1", "--verb", "patch")
    path = f"{MAPS}/m{code}"
    told, body, headers = http.refused(path, "PATCH", {"data": {"value": "2"}})
    assert (str(told), body["kind"], body["reason"]) == (code, "Status", reason)
    assert headers.get("Retry-After") == ("1" if code == "429" else None)
    podchain("chaos", "heal")
    with http.open(path) as answer:
        assert json.load(answer)["data"]["value"] == ("2" if code == "500" else "1")


def events(http: Http, since: str, timeout_s: int = 6) -> list[tuple[str, str]]:
    """What a watch tells until it ends, by itself or by force."""
    path = f"{MAPS}?watch=1&resourceVersion={since}&timeoutSeconds={timeout_s}"
    seen = []
    with contextlib.suppress(OSError), http.open(path, timeout_s=40.0) as answer:
        for line in answer:
            event = json.loads(line)
            name = event["object"].get("metadata", {}).get("name", str(event["object"].get("code")))
            seen.append((event["type"], name))
    return seen


def test_watches_over_http_are_broken(healthy: Path) -> None:
    http = Http(healthy)
    with http.open(MAPS) as answer:
        since = json.load(answer)["metadata"]["resourceVersion"]
    config_map("w1", "1")
    assert events(http, since, 1) == [("ADDED", "w1")]
    podchain("chaos", "watch", "repeat", "1", "--kind", "configmaps")
    assert events(http, since, 1) == [("ADDED", "w1"), ("ADDED", "w1")]
    podchain("chaos", "heal")
    podchain("chaos", "watch", "drop", "1", "--kind", "cm")
    assert events(http, since) == [("ERROR", "410")]
    podchain("chaos", "heal")
    podchain("chaos", "watch", "reset", "1", "--kind", "configmaps")
    started_s = time.monotonic()
    assert events(http, since, 30) == []
    assert time.monotonic() - started_s < 10.0
    podchain("chaos", "heal")
    podchain("chaos", "api", "410", "--kind", "configmaps", "--rate", "1")
    assert events(http, since) == [("ERROR", "410")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["drop", "2"], "'2' is not a chance from 0 to 1"),
        (["partition", "schduler", "apiserver"], "there is no actor schduler; there are broker, store, apiserver"),
        (["slow", "scheduler", "apiserver", "soon"], "'soon' is not a duration such as 100ms, 2s or 1m"),
        (["slow", "scheduler", "apiserver", "1h"], "is not a delay from 0 to 60 s"),
        (["api", "404"], "'404' is not one of '409', '410', '429', '500'"),
        (["api", "409", "--kind", "unicorns"], "there is no kind unicorns; podchain api-resources lists all"),
        (["api", "409", "--before", "7"], "it goes with 410"),
        (["kill", "nobody"], "there is no actor nobody"),
        (["kill", "store", "--for", "5s"], "it goes with --every"),
        (["heal", "nothing"], "'nothing' is not one of 'drop'"),
    ],
)
def test_mistakes_are_told(home: Path, arguments: list[str], says: str) -> None:
    assert says in podchain("chaos", *arguments, code=1 if "delay from" in says else 2)


def test_without_a_cluster_it_says_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODCHAIN_HOME", str(tmp_path))
    assert "is not running; start it with: podchain up" in podchain("chaos", "drop", "0.1", code=1)
