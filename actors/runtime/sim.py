"""The `sim` driver: containers that are played from a script on the pod's annotations. No process, no file, no network.

Without a script everything is instant and goes well: an image is there as soon as it is asked for, a container runs at
once and until it is stopped, and its probes succeed. Containers that are there to end (init containers, and those of
pods that aren't restarted, as a Job's) end at once with exit code 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from actors.apimachinery.meta import format_time
from actors.runtime.driver import DriverHost, LogRead
from actors.runtime.protocol import (
    CREATE_ERROR,
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
from actors.runtime.sim_script import DEFAULT_SCRIPT, SimScript, SimScriptError, sim_script
from actors.runtime.stream import EXEC, STDOUT, Ended, Stream, StreamRequest
from actors.runtime.usage import Usage

#: What a played image weighs.
IMAGE_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class _PlayedPod:
    annotations: dict[str, str]
    scripts: dict[str, SimScript] = field(default_factory=dict)
    timers: dict[str, Any] = field(default_factory=dict)
    failed_pulls: dict[str, int] = field(default_factory=dict)
    ending: dict[str, None] = field(default_factory=dict)
    """Names of containers that end by themselves when no script says otherwise."""


class SimDriver:
    """Plays containers on the actor's clock."""

    name = "sim"
    version = "1.0.0"
    image_filesystem = True

    def __init__(self) -> None:
        self._pods: dict[str, _PlayedPod] = {}
        self._host: DriverHost

    def open(self, host: DriverHost) -> Sequence[PodSandbox]:
        self._host = host
        return ()

    def run_pod_sandbox(self, pod: PodSandbox, params: Params) -> None:
        self._pods[pod.uid] = _PlayedPod(dict(params.get("annotations") or {}))

    def stop_pod_sandbox(self, pod: PodSandbox) -> None:
        played = self._pods.get(pod.uid)
        if played is not None:
            for timer in played.timers.values():
                timer.cancel()
            played.timers.clear()

    def remove_pod_sandbox(self, pod: PodSandbox) -> None:
        self._pods.pop(pod.uid, None)

    def pull_image(self, pod: PodSandbox, pull: PullState, container: str) -> None:
        played = self._pods[pod.uid]
        try:
            script = self._script(pod, container)
            error = script.image_pull_error
        except SimScriptError as refused:
            script, error = DEFAULT_SCRIPT, str(refused)
        failed = played.failed_pulls.get(container, 0)
        if error and script.image_pull_failures is not None and failed >= script.image_pull_failures:
            error = ""
        if error:
            played.failed_pulls[container] = failed + 1

        def done() -> None:
            self._host.pulled(pod, pull, 0 if error else IMAGE_BYTES, error)

        self._after(pod, f"pull {container}", script.pull_seconds, done)

    def create_container(self, pod: PodSandbox, container: ContainerState, params: Params) -> None:
        try:
            self._script(pod, container.name)
        except SimScriptError as error:
            raise RuntimeRefused(CREATE_ERROR, str(error)) from error
        if params.get("ends"):
            self._pods[pod.uid].ending[container.name] = None

    def start_container(self, pod: PodSandbox, container: ContainerState) -> float:
        script = self._script(pod, container.name)
        if script.start_error:
            raise RuntimeRefused(RUN_ERROR, script.start_error)
        run_seconds = script.run_seconds
        if run_seconds is None and container.name in self._pods[pod.uid].ending:
            run_seconds = 0.0
        if run_seconds is not None and (script.exits is None or container.attempt < script.exits):

            def end() -> None:
                code = script.exit_code(container.attempt)
                self._host.exited(pod, container, code, script.exit_reason, script.termination_message)

            # Even a container that ends at once has run: its end is seen after its start.
            delay_s = max(run_seconds, 0.001)
            self._pods[pod.uid].timers[container.id] = self._host.call_later(delay_s, end)
        return self._host.wall_s()

    def stop_container(self, pod: PodSandbox, container: ContainerState, timeout_s: float) -> None:
        script = self._script(pod, container.name)
        killed = script.stop_seconds > timeout_s
        delay_s = timeout_s if killed else script.stop_seconds
        code = 137 if killed else script.stop_exit_code

        def end() -> None:
            self._host.exited(pod, container, code, "", "" if killed else script.termination_message)

        self._after(pod, f"stop {container.id}", delay_s, end)

    def remove_container(self, pod: PodSandbox, container: ContainerState) -> None:
        played = self._pods.get(pod.uid)
        timer = played.timers.pop(container.id, None) if played else None
        if timer is not None:
            timer.cancel()

    async def exec_sync(
        self, pod: PodSandbox, container: ContainerState, command: Sequence[str], timeout_s: float
    ) -> dict[str, Any]:
        script = self._script(pod, container.name)
        return {"exit_code": script.exec_exit_code, "stdout": script.exec_output, "stderr": ""}

    def check_stream(self, pod: PodSandbox, container: ContainerState | None, request: StreamRequest) -> None:
        if request.kind != EXEC:
            played = "the sim runtime plays containers: they have no ports and no input"
            raise RuntimeRefused(INVALID, f"{played}; real processes come with --runtime process")
        if container is None or container.state != RUNNING:
            raise RuntimeRefused(INVALID, "container is not running")

    async def stream(self, pod: PodSandbox, container: ContainerState | None, stream: Stream) -> Ended:
        assert container is not None
        script = self._script(pod, container.name)
        await stream.send(STDOUT, script.exec_output.encode())
        return Ended(script.exec_exit_code)

    def probe(
        self, pod: PodSandbox, container: ContainerState, params: Params, answer: Callable[[bool, str], None]
    ) -> None:
        if container.state == EXITED:
            answer(False, "container is not running")
            return
        ok = self._script(pod, container.name).probe(params["kind"], self._host.wall_s() - container.started_s)
        answer(
            ok, "" if ok else "HTTP probe failed with statuscode: 500" if params["probe"].get("httpGet") else "failed"
        )

    def usage(self, pod: PodSandbox, container: ContainerState) -> Usage:
        script = self._script(pod, container.name)
        running_s = max(self._host.wall_s() - container.started_s, 0.0)
        return Usage(script.cpu_cores * running_s, script.memory_bytes)

    def read_log(self, pod: PodSandbox, container: ContainerState, read: LogRead) -> tuple[str, int]:
        text = self._script(pod, container.name).logs
        if text and not text.endswith("\n"):
            text += "\n"
        if not container.started_s or (read.since_s is not None and container.started_s < read.since_s):
            text = ""
        lines = text[read.offset :].splitlines(keepends=True)
        if read.tail_lines is not None and not read.offset:
            lines = lines[len(lines) - read.tail_lines :] if read.tail_lines < len(lines) else lines
        if read.timestamps:
            lines = [f"{format_time(container.started_s)} {line}" for line in lines]
        return "".join(lines), len(text)

    def close(self) -> None:
        for played in self._pods.values():
            for timer in played.timers.values():
                timer.cancel()
        self._pods.clear()

    def _script(self, pod: PodSandbox, container: str) -> SimScript:
        played = self._pods.get(pod.uid)
        if played is None:
            return DEFAULT_SCRIPT
        script = played.scripts.get(container)
        if script is None:
            script = played.scripts[container] = sim_script(played.annotations, container)
        return script

    def _after(self, pod: PodSandbox, what: str, delay_s: float, then: Callable[[], None]) -> None:
        """Now when there is no delay; otherwise on a timer that ends with the pod."""
        if delay_s <= 0:
            then()
            return
        timers = self._pods[pod.uid].timers
        earlier = timers.pop(what, None)
        if earlier is not None:
            earlier.cancel()
        timers[what] = self._host.call_later(delay_s, then)
