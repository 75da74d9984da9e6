"""One actor under supervision: its process now, how it came to it, and what is due next."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import Final

from actors.supervisor.actor_log import bound_log, log_file
from actors.supervisor.actor_spec import ActorMain, ActorSpec
from actors.supervisor.backoff import Backoff
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.process import HELD_BACK, Birth, live
from actors.supervisor.process_id import ProcessId, process_id
from actors.supervisor.state_file import ActorRecord, ActorState

#: No sign of life for this long from a process that sleeps or is stopped: it hangs.
HANG_TIMEOUT_S: Final = 3.0
#: The same for one that computes, or waits for a disk: it may be in for something long, or for its turn on a busy CPU.
BUSY_HANG_TIMEOUT_S: Final = 15.0
#: Until a new process gives its first sign of life.
START_TIMEOUT_S: Final = 30.0

_NO_PROCESS: Final = ProcessId(0, 0.0)


@dataclass(slots=True)
class Supervised:
    """The supervisor's knowledge of one actor. Times are monotonic unless their comment says otherwise."""

    spec: ActorSpec
    main: ActorMain
    process: ProcessId = _NO_PROCESS
    state: ActorState = "waiting"
    restarts: int = 0
    last_exit: str = ""
    started_wall_s: float = 0.0
    forked_s: float = 0.0
    last_beat_s: float = 0.0
    restart_at_s: float = 0.0
    heartbeat_fd: int = -1
    log_start_byte: int = 0
    """Size of the log when the process was started: what follows is its own."""
    killed_for: str = ""
    """Why the supervisor killed it, to be told when it has ended."""
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def has_process(self) -> bool:
        return self.process.pid > 0

    @property
    def record(self) -> ActorRecord:
        """What the world is told of it."""
        return ActorRecord(self.spec.name, self.process, self.state, self.restarts, self.started_wall_s, self.last_exit)

    def fork(self, directory: ClusterDirectory, inherited_fds: tuple[int, ...]) -> None:
        """Start its process."""
        log = log_file(directory, self.spec.name)
        bound_log(log)
        with contextlib.suppress(FileNotFoundError):
            self.log_start_byte = log.stat().st_size
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        birth = Birth(self.spec, self.main, directory.name, log, writing, os.getpid(), (*inherited_fds, reading))
        held_before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        pid = os.fork()
        if pid == 0:
            live(birth)
        signal.pthread_sigmask(signal.SIG_SETMASK, held_before)
        os.close(writing)
        self.heartbeat_fd = reading
        self.process = process_id(pid)
        self.state = "starting"
        self.killed_for = ""
        self.started_wall_s = time.time()
        self.forked_s = self.last_beat_s = time.monotonic()

    def read_beats(self, now_s: float) -> bool:
        """Take what its heart has written; whether there was anything."""
        try:
            beaten = bool(os.read(self.heartbeat_fd, 4096))
        except BlockingIOError:
            return False
        if beaten:
            self.last_beat_s = now_s
        return beaten

    def kill_if_hung(self, now_s: float) -> None:
        """Kill -9 it when it hasn't given a sign of life for too long. Its end is noticed like any other."""
        silent_s = now_s - self.last_beat_s
        if self.killed_for or silent_s < HANG_TIMEOUT_S:
            return
        limit_s = START_TIMEOUT_S if self.state == "starting" else HANG_TIMEOUT_S
        if self.process.status() in "RD":
            limit_s = max(limit_s, BUSY_HANG_TIMEOUT_S)
        if silent_s >= limit_s:
            self.killed_for = f"hung for {silent_s:.1f} s"
            self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send its process a signal."""
        if self.has_process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def ended(self, wait_status: int, now_s: float) -> None:
        """Its process is gone: decide when it comes again."""
        os.close(self.heartbeat_fd)
        self.heartbeat_fd = -1
        self.process = _NO_PROCESS
        self.last_exit = self.killed_for or describe_exit(wait_status)
        if self.spec.one_shot and wait_status == 0:
            self.state = "done"
            return
        self.state = "waiting"
        self.restart_at_s = now_s + self.backoff.delay_s(now_s - self.forked_s)


def describe_exit(wait_status: int) -> str:
    """How a process ended, in words."""
    code = os.waitstatus_to_exitcode(wait_status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"
