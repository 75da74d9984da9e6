"""The `process` driver: each container's command as a real OS process. No image, no isolation: see docs/runtimes.md.

This touches the operating system, so it is handed to the runtime actor from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from actors.runtime.container_log import ContainerLog, read_container_log
from actors.runtime.driver import DriverHost, LogRead
from actors.runtime.process_child import (
    Keeper,
    exit_code_of,
    kill_leftover,
    kill_session,
    session_usage,
    started_at_s,
)
from actors.runtime.process_container import (
    ProcessContainer,
    container_command,
    container_environment,
    located,
    stop_signal_of,
)
from actors.runtime.process_files import inside, link_mounts, make_volumes, remove_tree
from actors.runtime.process_probe import LOOPBACK, PortError, port_of, probe_exec, probe_http, probe_tcp, run_command
from actors.runtime.process_stream import attach, forward, run_beside
from actors.runtime.protocol import (
    CREATED,
    EXITED,
    INVALID,
    RUN_ERROR,
    RUNNING,
    ContainerState,
    Params,
    PodSandbox,
    PullState,
    RuntimeRefused,
)
from actors.runtime.stream import ATTACH, Ended, Stream, StreamRequest
from actors.runtime.usage import Usage

LOST_EXIT_CODE: Final = 137
LOST_REASON: Final = "Unknown"
TERMINATION_MESSAGE_BYTES: Final = 4096
FALLBACK_LINES: Final = 80
FALLBACK_BYTES: Final = 2048
#: Where there is no descriptor that tells of a process's end, its end is looked for this often.
POLL_S: Final = 0.02
#: What containers have left when the whole runtime stops.
CLOSE_GRACE_S: Final = 0.5


class ProcessDriver:
    """Runs containers as processes below a state directory of its own."""

    name = "process"
    version = "1.0.0"
    image_filesystem = False

    def __init__(self, state_directory: Path) -> None:
        self._state = state_directory
        self._containers: dict[str, ProcessContainer] = {}
        self._places: dict[str, dict[str, str]] = {}
        self._sessions: dict[str, list[float]] = {}
        """By container id: session and start time of its first process, for the next incarnation."""
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._keeper = Keeper()
        self._host: DriverHost

    # The state directory

    def open(self, host: DriverHost) -> Sequence[PodSandbox]:
        self._host = host
        (self._state / "pods").mkdir(parents=True, exist_ok=True)
        found: list[PodSandbox] = []
        for directory in sorted((self._state / "pods").iterdir()):
            pod = self._restore(directory)
            if pod is not None:
                found.append(pod)
        return found

    def _restore(self, directory: Path) -> PodSandbox | None:
        try:
            saved = json.loads((directory / "pod.json").read_text())
            pod = PodSandbox.from_wire(saved["pod"])
        except (OSError, ValueError, KeyError, TypeError):
            remove_tree(directory)  # it broke off before the pod was made
            return None
        for session, leader_started_s in saved["sessions"].values():
            kill_leftover(int(session), leader_started_s)
        for attempts in pod.containers.values():
            for container in attempts:
                if container.state in (RUNNING, CREATED):
                    container.state, container.exit_code = EXITED, LOST_EXIT_CODE
                    container.reason, container.finished_s = LOST_REASON, self._host.wall_s()
        self._places[pod.uid] = saved["places"]
        self._save(pod)
        return pod

    def _save(self, pod: PodSandbox) -> None:
        directory = self._directory(pod)
        if not directory.exists():
            return
        ids = [container.id for attempts in pod.containers.values() for container in attempts]
        sessions = {identifier: self._sessions[identifier] for identifier in ids if identifier in self._sessions}
        saved = {"pod": pod.wire(), "sessions": sessions, "places": self._places.get(pod.uid, {})}
        temporary = directory / "pod.json.new"
        temporary.write_text(json.dumps(saved))
        temporary.replace(directory / "pod.json")

    def _directory(self, pod: PodSandbox) -> Path:
        return self._state / "pods" / inside(pod.uid)

    # Sandboxes

    def run_pod_sandbox(self, pod: PodSandbox, params: Params) -> None:
        directory = self._directory(pod)
        directory.mkdir(parents=True, exist_ok=True)
        claims = self._state / "claims" / inside(pod.namespace)
        try:
            self._places[pod.uid] = make_volumes(directory, claims, params.get("volumes") or {})
        except OSError as error:
            raise RuntimeRefused(INVALID, f"{error.filename}: {error.strerror}") from error
        self._save(pod)

    def stop_pod_sandbox(self, pod: PodSandbox) -> None:
        for attempts in pod.containers.values():
            for container in attempts:
                self._end_now(pod, container)
        self._save(pod)

    def remove_pod_sandbox(self, pod: PodSandbox) -> None:
        for attempts in pod.containers.values():
            for container in attempts:
                self._containers.pop(container.id, None)
        self._places.pop(pod.uid, None)
        remove_tree(self._directory(pod))

    def pull_image(self, pod: PodSandbox, pull: PullState, container: str) -> None:
        self._host.pulled(pod, pull, 0, "")

    # Containers

    def create_container(self, pod: PodSandbox, container: ContainerState, params: Params) -> None:
        base = self._directory(pod) / "containers" / inside(container.name)
        root = base / str(container.attempt)
        termination = root / inside(params.get("termination_path") or "/dev/termination-log")
        directory = root / inside(params.get("working_dir") or "/")
        try:
            root.mkdir(parents=True, exist_ok=True)
            link_mounts(root, params.get("mounts") or (), self._places.get(pod.uid, {}))
            directory.mkdir(parents=True, exist_ok=True)
            termination.parent.mkdir(parents=True, exist_ok=True)
            termination.touch()
            log = ContainerLog(base / f"{container.attempt}.log")
        except OSError as error:
            raise RuntimeRefused(INVALID, f"{error.filename}: {error.strerror}") from error
        self._containers[container.id] = ProcessContainer(
            container_command(params, root),
            container_environment(pod, params, root, termination),
            root,
            directory,
            log,
            termination,
            bool(params.get("termination_from_logs")),
            stop_signal_of(params),
            stdin=bool(params.get("stdin")),
            stdin_once=bool(params.get("stdin_once")),
            tty=bool(params.get("tty")),
        )

    def start_container(self, pod: PodSandbox, container: ContainerState) -> float:
        held = self._held(container)
        session = held.start(self._host.wall_s)
        self._sessions[container.id] = [session, started_at_s(session)]
        self._keeper.add(session)
        container.state, container.started_s = RUNNING, held.started_s
        self._save(pod)
        self._watch_exit(pod, container, held)
        return held.started_s

    def _watch_exit(self, pod: PodSandbox, container: ContainerState, held: ProcessContainer) -> None:
        assert held.process is not None
        if hasattr(os, "pidfd_open"):
            held.exit_descriptor = os.pidfd_open(held.process.pid)
            loop = asyncio.get_running_loop()
            loop.add_reader(held.exit_descriptor, self._look_for_exit, pod, container, held)
        else:
            self._host.call_later(POLL_S, lambda: self._poll_exit(pod, container, held))

    def _poll_exit(self, pod: PodSandbox, container: ContainerState, held: ProcessContainer) -> None:
        self._look_for_exit(pod, container, held)
        if container.state == RUNNING:
            self._host.call_later(POLL_S, lambda: self._poll_exit(pod, container, held))

    def _look_for_exit(self, pod: PodSandbox, container: ContainerState, held: ProcessContainer) -> None:
        if held.process is None or held.process.poll() is None:
            return
        self._ended(pod, container, held)

    def _ended(self, pod: PodSandbox, container: ContainerState, held: ProcessContainer) -> None:
        """The first process has ended: with it ends everything of its session, as with a container's first process."""
        if held.process is None:
            return
        code = exit_code_of(held.process.returncode)
        for session in (held.process.pid, *held.commands):
            kill_session(session)
            self._keeper.remove(session)
        held.commands.clear()
        self._sessions.pop(container.id, None)
        held.finish(code, self._host.wall_s)
        self._host.exited(pod, container, code, "", self._termination_message(container, held, code))
        self._save(pod)

    def _termination_message(self, container: ContainerState, held: ProcessContainer, code: int) -> str:
        with contextlib.suppress(OSError):
            data = held.termination.read_bytes()
            if data:
                return data[:TERMINATION_MESSAGE_BYTES].decode("utf-8", "replace")
        if held.from_logs and code != 0:
            text, _ = self._read_log(container, held.log.path, LogRead(tail_lines=FALLBACK_LINES))
            return text[-FALLBACK_BYTES:]
        return ""

    def stop_container(self, pod: PodSandbox, container: ContainerState, timeout_s: float) -> None:
        held = self._containers.get(container.id)
        if held is None or held.process is None:
            return
        if timeout_s <= 0:
            self._end_now(pod, container)
            return
        held.signal_stop()
        if held.kill_timer is not None:
            held.kill_timer.cancel()
        process = held.process
        held.kill_timer = self._host.call_later(timeout_s, lambda: kill_session(process.pid))

    def _end_now(self, pod: PodSandbox, container: ContainerState) -> None:
        held = self._containers.get(container.id)
        if held is None or held.process is None:
            return
        kill_session(held.process.pid)
        held.process.wait()
        self._ended(pod, container, held)

    def remove_container(self, pod: PodSandbox, container: ContainerState) -> None:
        self._containers.pop(container.id, None)
        base = self._directory(pod) / "containers" / inside(container.name)
        remove_tree(base / str(container.attempt))
        for name in (f"{container.attempt}.log", f"{container.attempt}.log.1"):
            (base / name).unlink(missing_ok=True)

    def _held(self, container: ContainerState) -> ProcessContainer:
        held = self._containers.get(container.id)
        if held is None:
            raise RuntimeRefused(RUN_ERROR, f"container {container.id} is not known to this runtime")
        return held

    # Commands and probes

    async def exec_sync(
        self,
        pod: PodSandbox,
        container: ContainerState,
        command: Sequence[str],
        timeout_s: float,
    ) -> dict[str, Any]:
        held = self._held(container)
        if held.process is None:
            raise RuntimeRefused(INVALID, "container is not running")
        argv = located(list(command), held.root)
        code, out, err = await run_command(argv, str(held.directory), held.env, timeout_s)
        if code is None:
            raise RuntimeRefused("DeadlineExceeded", f"command {command!r} timed out after {timeout_s:g}s")
        return {"exit_code": code, "stdout": out, "stderr": err}

    def check_stream(self, pod: PodSandbox, container: ContainerState | None, request: StreamRequest) -> None:
        if container is None:
            if not pod.ready:
                raise RuntimeRefused(INVALID, f"sandbox of pod {pod.namespace}/{pod.name} is not running")
        elif self._held(container).process is None:
            raise RuntimeRefused(INVALID, "container is not running")

    async def stream(self, pod: PodSandbox, container: ContainerState | None, stream: Stream) -> Ended:
        request = stream.request
        if container is None:
            return await forward(stream, request.port)
        held = self._held(container)
        if request.kind == ATTACH:
            return await attach(stream, held.taps, stdin_once=held.stdin_once)

        def started(session: int) -> None:
            held.commands.append(session)
            self._keeper.add(session)

        argv = located(list(request.command), held.root)
        return await run_beside(stream, argv, str(held.directory), held.env, started)

    def probe(
        self,
        pod: PodSandbox,
        container: ContainerState,
        params: Params,
        answer: Callable[[bool, str], None],
    ) -> None:
        held = self._containers.get(container.id)
        if held is None or held.process is None:
            answer(False, "container is not running")
            return
        task = asyncio.get_running_loop().create_task(self._probe(held, params, answer))
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _probe(self, held: ProcessContainer, params: Params, answer: Callable[[bool, str], None]) -> None:
        handler, timeout_s = params["probe"], float(params.get("timeout_s") or 1.0)
        ports = params.get("ports") or ()
        try:
            if handler.get("exec"):
                argv = located(list(handler["exec"].get("command") or ["true"]), held.root)
                ok, output = await probe_exec(argv, str(held.directory), held.env, timeout_s)
            elif handler.get("httpGet"):
                port = port_of(handler["httpGet"]["port"], ports)
                ok, output = await probe_http(handler["httpGet"], port, timeout_s)
            elif handler.get("tcpSocket"):
                what = handler["tcpSocket"]
                ok, output = await probe_tcp(what.get("host") or LOOPBACK, port_of(what["port"], ports), timeout_s)
            else:
                ok, output = False, "this kind of probe is not supported by the process runtime"
        except PortError as error:
            ok, output = False, str(error)
        answer(ok, output)

    def usage(self, pod: PodSandbox, container: ContainerState) -> Usage:
        held = self._containers.get(container.id)
        return session_usage(held.process.pid) if held is not None and held.process is not None else Usage()

    # Logs

    def read_log(self, pod: PodSandbox, container: ContainerState, read: LogRead) -> tuple[str, int]:
        base = self._directory(pod) / "containers" / inside(container.name)
        return self._read_log(container, base / f"{container.attempt}.log", read)

    def _read_log(self, container: ContainerState, path: Path, read: LogRead) -> tuple[str, int]:
        held = self._containers.get(container.id)
        if held is not None:
            return read_container_log(path, held.log.rotated_bytes, held.log.older_bytes, read)
        older = path.with_suffix(".log.1")
        size = older.stat().st_size if older.exists() else 0
        return read_container_log(path, size, size, read)

    # The end

    def close(self) -> None:
        """SIGTERM to all, a moment, SIGKILL: nothing is left when this returns."""
        running = [held for held in self._containers.values() if held.process is not None]
        for held in running:
            held.signal_stop()
        deadline_s = time.monotonic() + CLOSE_GRACE_S
        while running and time.monotonic() < deadline_s:
            running = [held for held in running if held.process is not None and held.process.poll() is None]
            if running:
                time.sleep(0.005)
        for held in self._containers.values():
            if held.process is not None:
                kill_session(held.process.pid)
                held.process.wait()
                for session in held.commands:
                    kill_session(session)
        for task in list(self._tasks):
            task.cancel()
        self._keeper.close()
