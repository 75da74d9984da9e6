"""The process driver with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.runtime.container_log import ContainerLog, read_container_log
from actors.runtime.driver import LogRead
from actors.runtime.process import ProcessDriver
from actors.runtime.protocol import EXITED, RUNNING, RuntimeRefused
from actors.runtime.service import RuntimeService

UID = "11111111-2222-4333-8444-555555555555"


class Node:
    """A runtime service on a process driver."""

    def __init__(self, directory: Path, incarnation: str = "1") -> None:
        loop = asyncio.get_running_loop()
        self.service = RuntimeService("n", incarnation, ProcessDriver(directory), time.time, loop.call_later)

    def run(self, *command: str, name: str = "main", attempt: int = 0, **config: Any) -> None:
        volumes = config.pop("volumes", {})
        params = {"uid": UID, "namespace": "default", "name": "web", "attempt": 0, "pod_cidr": "10.244.0.0/24"}
        self.service.call("run_pod_sandbox", {**params, "volumes": volumes})
        which = {"uid": UID, "container": name, "attempt": attempt}
        self.service.call("create_container", {**which, "image": "none", "command": list(command), **config})
        self.service.call("start_container", which)

    def stop(self, timeout_s: float, name: str = "main") -> None:
        params = {"uid": UID, "container": name, "attempt": 0, "timeout_s": timeout_s}
        self.service.call("stop_container", params)

    def state(self, name: str = "main") -> Any:
        return self.service.pods[UID].latest(name)

    def log(self, **params: Any) -> str:
        return self.service.read_log({"namespace": "default", "pod": "web", "container": "main", **params})["data"]

    async def ended(self, name: str = "main") -> Any:
        await until(lambda: self.state(name).state == EXITED)
        return self.state(name)


async def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.005)


def in_loop(work: Callable[[Node], Any], directory: Path) -> None:
    async def live() -> None:
        node = Node(directory)
        try:
            await work(node)
        finally:
            node.service.close()

    asyncio.run(live())


def processes_with(marker: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if marker in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_output_exit_code_and_environment(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        script = 'echo "hello $WHO"; echo oops >&2; printf unfinished; echo bye > "$PODCHAIN_TERMINATION_LOG"; exit 3'
        node.run("sh", "-c", script, env={"WHO": "world"})
        state = await node.ended()
        assert (state.exit_code, state.reason, state.message) == (3, "Error", "bye\n")
        assert sorted(node.log().splitlines()) == ["hello world", "oops", "unfinished"]
        assert node.log(tail_lines=1).count("\n") == 1
        assert node.log(timestamps=True).splitlines()[0].split(" ")[0].endswith("Z")
        assert "PODCHAIN_HOME" not in node.service.driver._containers[state.id].env  # type: ignore[attr-defined]

    in_loop(work, tmp_path)


def test_grace_period_then_kill(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        node.run("sh", "-c", 'trap "" TERM; echo ready; while true; do sleep 0.05; done')
        await until(lambda: "ready" in node.log())
        node.stop(0.3)
        await asyncio.sleep(0.15)
        assert node.state().state == RUNNING
        state = await node.ended()
        assert state.exit_code == 137

    in_loop(work, tmp_path)


def test_a_signal_that_is_heeded(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        node.run("sh", "-c", 'trap "echo got it; exit 0" TERM; echo ready; while true; do sleep 0.02; done')
        await until(lambda: "ready" in node.log())
        node.stop(10)
        state = await node.ended()
        assert state.exit_code == 0
        assert "got it" in node.log()
        node.run("sleep", "1000", name="other")
        node.stop(10, "other")
        assert (await node.ended("other")).exit_code == 143

    in_loop(work, tmp_path)


def test_children_end_with_the_first_process(tmp_path: Path) -> None:
    marker = f"9{os.getpid()}1"

    async def work(node: Node) -> None:
        node.run("sh", "-c", f"sleep {marker} & sleep {marker} & echo started; sleep 0.1; exit 0")
        await node.ended()
        await until(lambda: not processes_with(marker))

    in_loop(work, tmp_path)


def test_close_leaves_nothing(tmp_path: Path) -> None:
    marker = f"9{os.getpid()}2"

    async def work(node: Node) -> None:
        node.run("sh", "-c", f'trap "" TERM; sleep {marker} & echo ready; sleep {marker}')
        await until(lambda: "ready" in node.log())
        assert processes_with(marker)

    in_loop(work, tmp_path)
    assert not processes_with(marker)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        with pytest.raises(RuntimeRefused, match="no such file"):
            node.run("surely-not-a-program")
        assert (node.state().exit_code, node.state().reason) == (128, "StartError")

    in_loop(work, tmp_path)


def test_volumes_are_linked_below_the_root(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        (tmp_path / "host").mkdir()
        (tmp_path / "host" / "seen").write_text("from the host\n")
        volumes = {
            "config": {"type": "files", "files": {"app/settings": [b"debug=1\n", 0o400]}},
            "scratch": {"type": "emptyDir", "medium": ""},
            "host": {"type": "hostPath", "path": str(tmp_path / "host"), "path_type": "Directory"},
        }
        mounts = [
            {"volume": "config", "path": "/etc/app", "sub_path": "", "read_only": True},
            {"volume": "scratch", "path": "/scratch", "sub_path": "", "read_only": False},
            {"volume": "host", "path": "/host", "sub_path": "", "read_only": False},
        ]
        script = 'cat etc/app/app/settings host/seen; echo x > "$PODCHAIN_ROOT/scratch/y"; pwd'
        node.run("sh", "-c", script, volumes=volumes, mounts=mounts, working_dir="/")
        await node.ended()
        assert node.log().splitlines()[:2] == ["debug=1", "from the host"]
        assert (tmp_path / "pods" / UID / "volumes" / "scratch" / "y").exists()
        node.service.call("remove_pod_sandbox", {"uid": UID})
        assert not (tmp_path / "pods" / UID).exists()
        assert (tmp_path / "host" / "seen").exists(), "a hostPath is not the pod's to remove"

    in_loop(work, tmp_path)


@pytest.mark.parametrize("path", ["../out", "/a/../../out"])
def test_no_way_out_of_the_root(tmp_path: Path, path: str) -> None:
    async def work(node: Node) -> None:
        mount = {"volume": "scratch", "path": path, "sub_path": "", "read_only": False}
        with pytest.raises(RuntimeRefused, match=r"\.\."):
            node.run("true", volumes={"scratch": {"type": "emptyDir", "medium": ""}}, mounts=[mount])

    in_loop(work, tmp_path)


def test_exec(tmp_path: Path) -> None:
    async def work(node: Node) -> None:
        node.run("sleep", "1000", env={"A": "b"})
        driver, pod, state = node.service.driver, node.service.pods[UID], node.state()
        done = await driver.exec_sync(pod, state, ["sh", "-c", "echo $A; echo e >&2; exit 4"], 10)
        assert done == {"exit_code": 4, "stdout": "b\n", "stderr": "e\n"}
        assert (await driver.exec_sync(pod, state, ["surely-not-a-program"], 10))["exit_code"] == 127
        with pytest.raises(RuntimeRefused, match="timed out"):
            await driver.exec_sync(pod, state, ["sleep", "100"], 0.1)

    in_loop(work, tmp_path)


async def _probe(node: Node, handler: dict[str, Any], **more: Any) -> tuple[bool, str]:
    answered: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
    params = {"kind": "readiness", "probe": handler, "timeout_s": 2.0, **more}
    node.service.driver.probe(
        node.service.pods[UID], node.state(), params, lambda ok, output: answered.set_result((ok, output))
    )
    return await answered


def test_probes_are_real(tmp_path: Path) -> None:
    server = (
        "import http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if self.path == '/ok' else 503); self.end_headers()\n"
        "    def log_message(self, *a): pass\n"
        "s = h.HTTPServer(('127.0.0.1', 0), H); print(s.server_port, flush=True); s.serve_forever()\n"
    )

    async def work(node: Node) -> None:
        node.run(sys.executable, "-c", server)
        await until(lambda: node.log().endswith("\n"))
        port = int(node.log())
        assert await _probe(node, {"httpGet": {"port": port, "path": "/ok"}}) == (True, "")
        ok, why = await _probe(
            node, {"httpGet": {"port": "web", "path": "/no"}}, ports=[{"name": "web", "containerPort": port}]
        )
        assert (ok, why) == (False, "HTTP probe failed with statuscode: 503")
        assert await _probe(node, {"tcpSocket": {"port": port}}) == (True, "")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = free.getsockname()[1]
        ok, why = await _probe(node, {"tcpSocket": {"port": closed}})
        assert not ok
        assert "connection refused" in why
        assert await _probe(node, {"exec": {"command": ["sh", "-c", "echo fine"]}}) == (True, "fine\n")
        ok, why = await _probe(node, {"exec": {"command": ["sleep", "9"]}}, timeout_s=0.1)
        assert not ok
        assert "timed out" in why

    in_loop(work, tmp_path)


KILLED = """
import asyncio, sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_process_driver import Node
async def live():
    node = Node(Path({state!r}))
    node.run("sh", "-c", "sleep {marker} & setsid -w true; sleep {marker}")
    print("started", flush=True)
    await asyncio.sleep(1000)
asyncio.run(live())
"""


def test_a_killed_runtime_leaves_no_orphans_and_its_successor_knows(tmp_path: Path) -> None:
    marker = f"9{os.getpid()}3"
    code = KILLED.format(tests=str(Path(__file__).parent), state=str(tmp_path), marker=marker)
    runtime = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert runtime.stdout is not None
    assert runtime.stdout.readline() == b"started\n"
    deadline = time.monotonic() + 5
    while len(processes_with(f"sleep {marker}")) < 2:
        assert time.monotonic() < deadline
    runtime.send_signal(signal.SIGKILL)
    runtime.wait()
    runtime.stdout.close()
    deadline = time.monotonic() + 5
    while processes_with(f"sleep {marker}"):
        assert time.monotonic() < deadline, "orphans"
        time.sleep(0.01)

    async def work(node: Node) -> None:
        state = node.state()
        assert (state.state, state.exit_code, state.reason) == (EXITED, 137, "Unknown")
        assert node.service.pods[UID].ready
        node.service.call("run_pod_sandbox", {"uid": UID, "attempt": 0})
        which = {"uid": UID, "container": "main", "attempt": 1}
        node.service.call("create_container", {**which, "image": "none", "command": ["true"]})
        node.service.call("start_container", which)
        assert (await node.ended()).exit_code == 0

    in_loop(work, tmp_path)


def test_log_rotation_and_following(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = ContainerLog(path, rotate_bytes=2000)
    offset, seen = 0, ""
    for number in range(100):
        log.write("stdout", f"line {number}\n".encode(), 1_767_225_600.5)
        text, offset = read_container_log(path, log.rotated_bytes, log.older_bytes, LogRead(offset))
        seen += text
    assert seen.splitlines() == [f"line {number}" for number in range(100)]
    assert path.stat().st_size + path.with_suffix(".log.1").stat().st_size <= 4100
    text, _ = read_container_log(path, log.rotated_bytes, log.older_bytes, LogRead(tail_lines=2))
    assert text == "line 98\nline 99\n"
    limited, next_offset = read_container_log(path, log.rotated_bytes, log.older_bytes, LogRead(limit_bytes=120))
    rest, _ = read_container_log(path, log.rotated_bytes, log.older_bytes, LogRead(next_offset))
    everything, _ = read_container_log(path, log.rotated_bytes, log.older_bytes, LogRead())
    assert limited + rest == everything
