"""One container of the `process` driver: its process, its pipes or terminal, and who is attached to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from actors.runtime.container_log import ContainerLog
from actors.runtime.process_child import start_process
from actors.runtime.process_stream import Taps, start_on_terminal
from actors.runtime.protocol import RUN_ERROR, Params, PodSandbox, RuntimeRefused
from actors.runtime.stream import STDERR, STDOUT

READ_BYTES: Final = 64 * 1024
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class ProcessContainer:
    """What the driver holds of a container beside its state."""

    argv: list[str]
    env: dict[str, str]
    root: Path
    directory: Path
    log: ContainerLog
    termination: Path
    from_logs: bool
    stop_signal: int
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    taps: Taps = field(default_factory=Taps)
    commands: list[int] = field(default_factory=list)
    """Sessions of commands that were run beside it: they end when it ends."""
    exit_descriptor: int = -1
    kill_timer: Any = None
    _pipes: dict[int, int] = field(default_factory=dict)
    """Descriptors that its output is read from, and which channel that is."""

    def start(self, wall_s: Callable[[], float]) -> int:
        """Start the process and begin to read what it writes; gives its session. Raises `RuntimeRefused`."""
        if not self.argv:
            raise RuntimeRefused(RUN_ERROR, "no command specified: the process runtime has no images, give one")
        try:
            process = self._start()
        except OSError as error:
            why = f'exec: "{self.argv[0]}": {(error.strerror or str(error)).lower()}'
            raise RuntimeRefused(RUN_ERROR, f"failed to start process: {why}") from error
        self.process = process
        self.started_s = wall_s()
        for descriptor in self._pipes:
            asyncio.get_running_loop().add_reader(descriptor, self._read, descriptor, wall_s)
        return process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        if self.tty:
            process, terminal = start_on_terminal(self.argv, str(self.directory), {"TERM": "xterm", **self.env})
            self._pipes = {terminal: STDOUT}
            self.taps = Taps(stdin=os.dup(terminal), terminal=True)
            return process
        process, out, err = start_process(self.argv, str(self.directory), self.env, stdin=self.stdin)
        self._pipes = {out: STDOUT, err: STDERR}
        if process.stdin is not None:
            self.taps = Taps(stdin=os.dup(process.stdin.fileno()))
            os.set_blocking(self.taps.stdin, False)
            process.stdin.close()
        return process

    def signal_stop(self) -> None:
        """Ask it to end."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                os.kill(self.process.pid, self.stop_signal)

    def finish(self, exit_code: int, wall_s: Callable[[], float]) -> None:
        """The process has ended: take the rest of its output, and let go of everything."""
        self.process = None
        if self.exit_descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self.exit_descriptor)
            os.close(self.exit_descriptor)
        if self.kill_timer is not None:
            self.kill_timer.cancel()
        for descriptor in list(self._pipes):
            self._read(descriptor, wall_s)
            self._close(descriptor)
        self.taps.ended(exit_code)
        self.log.finish(wall_s())

    def _read(self, descriptor: int, wall_s: Callable[[], float]) -> None:
        """Take what there is on a pipe."""
        while descriptor in self._pipes:
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close(descriptor)
                return
            channel = self._pipes[descriptor]
            self.log.write("stdout" if channel == STDOUT else "stderr", data, wall_s())
            if self.taps.streams:
                self.taps.show(channel, data)
            if len(data) < READ_BYTES:
                return

    def _close(self, descriptor: int) -> None:
        if self._pipes.pop(descriptor, None) is not None:
            asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)


def container_command(params: Params, root: Path) -> list[str]:
    """What to run. Without an image there is no entrypoint that ``args`` could be given to."""
    if not params.get("command"):
        return []
    words = [*params["command"], *(params.get("args") or ())]
    return located([word.replace("$(PODCHAIN_ROOT)", str(root)) for word in words], root)


def located(argv: list[str], root: Path) -> list[str]:
    """A program named by a path is looked for below the container's root first, then on the machine."""
    if argv and argv[0].startswith("/") and (root / argv[0].lstrip("/")).exists():
        return [str(root / argv[0].lstrip("/")), *argv[1:]]
    return argv


def container_environment(pod: PodSandbox, params: Params, root: Path, termination: Path) -> dict[str, str]:
    """What a container's process finds in its environment."""
    return {
        "PATH": os.environ.get("PATH", DEFAULT_PATH),
        "HOME": str(root),
        "HOSTNAME": pod.name,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        **(params.get("env") or {}),
        "PODCHAIN_ROOT": str(root),
        "PODCHAIN_TERMINATION_LOG": str(termination),
    }


def stop_signal_of(params: Params) -> int:
    """The signal that asks a container to end."""
    return int(getattr(signal, str(params.get("stop_signal") or "SIGTERM"), signal.SIGTERM))
