"""What a driver must do; what all drivers share (ids, state, addresses, versions) is `RuntimeService`'s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.runtime.protocol import ContainerState, Params, PodSandbox, PullState
from actors.runtime.stream import Ended, Stream, StreamRequest
from actors.runtime.usage import Usage


@dataclass(frozen=True, slots=True)
class DriverHost:
    """What a driver is given: the clock, timers, and whom to tell of what happened."""

    node: str
    incarnation: str
    wall_s: Callable[[], float]
    call_later: Callable[[float, Callable[[], None]], Any]
    """Run something after a delay in seconds; gives a handle with ``cancel()``."""
    exited: Callable[[PodSandbox, ContainerState, int, str, str], None]
    """A container ended: its exit code, reason (empty: by the exit code) and termination message."""
    pulled: Callable[[PodSandbox, PullState, int, str], None]
    """A pull ended: size in bytes, or an error text."""


@dataclass(frozen=True, slots=True)
class LogRead:
    """What to read of a container's log."""

    offset: int = 0
    tail_lines: int | None = None
    since_s: float | None = None
    timestamps: bool = False
    limit_bytes: int = 1 << 20


class Driver(Protocol):
    """Makes containers real. Methods may raise `RuntimeRefused`; what they begin ends through the `DriverHost`."""

    name: str
    version: str
    image_filesystem: bool
    """Whether an image must be fetched before a container can be created."""

    def open(self, host: DriverHost) -> Sequence[PodSandbox]:
        """Begin; gives the pods that an earlier incarnation left, with no container still running."""

    def run_pod_sandbox(self, pod: PodSandbox, params: Params) -> None:
        """Prepare a pod: its directory and volumes."""

    def stop_pod_sandbox(self, pod: PodSandbox) -> None:
        """The pod's containers are over."""

    def remove_pod_sandbox(self, pod: PodSandbox) -> None:
        """Forget the pod and everything of it."""

    def pull_image(self, pod: PodSandbox, pull: PullState, container: str) -> None:
        """Begin to fetch an image."""

    def create_container(self, pod: PodSandbox, container: ContainerState, params: Params) -> None:
        """Prepare a container."""

    def start_container(self, pod: PodSandbox, container: ContainerState) -> float:
        """Start it, and answer when it started (wall-clock seconds)."""

    def stop_container(self, pod: PodSandbox, container: ContainerState, timeout_s: float) -> None:
        """Ask it to end, and end it by force after `timeout_s`."""

    def remove_container(self, pod: PodSandbox, container: ContainerState) -> None:
        """Forget it and its log."""

    async def exec_sync(
        self, pod: PodSandbox, container: ContainerState, command: Sequence[str], timeout_s: float
    ) -> dict[str, Any]:
        """Run a command beside the container: ``exit_code``, ``stdout``, ``stderr``."""

    def check_stream(self, pod: PodSandbox, container: ContainerState | None, request: StreamRequest) -> None:
        """Whether a stream could be opened now. Raises `RuntimeRefused`. A port is the pod's: it has no container."""

    async def stream(self, pod: PodSandbox, container: ContainerState | None, stream: Stream) -> Ended:
        """Work on a stream until its end; cancelled when its client goes."""

    def probe(
        self, pod: PodSandbox, container: ContainerState, params: Params, answer: Callable[[bool, str], None]
    ) -> None:
        """Probe the container; `answer` is called with whether it succeeded and what it said, now or later."""

    def usage(self, pod: PodSandbox, container: ContainerState) -> Usage:
        """What a running container uses."""

    def read_log(self, pod: PodSandbox, container: ContainerState, read: LogRead) -> tuple[str, int]:
        """Log text and the offset to go on from."""

    def close(self) -> None:
        """End every container now."""
