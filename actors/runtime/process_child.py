"""Child processes of the `process` driver: each container is a session of its own, and none outlives its runtime.

A session's id is its first process's pid, and isn't given out again while any member lives; so "everything of this
container" is "every process of this session", even after the first process has ended. Three things see to it that
containers end with their runtime, however that ends:

- on Linux the kernel kills a container's first process when the runtime dies (``PR_SET_PDEATHSIG``)
- a keeper, forked from the runtime, is told of every session through a pipe, and kills them all when the pipe breaks
- the next runtime finds sessions in its state directory and kills what is left of them
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import psutil
import setproctitle

from actors.runtime.usage import Usage

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux); called between fork and exec."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start_process(
    argv: Sequence[str], directory: str, env: Mapping[str, str], *, stdin: bool = False
) -> tuple[subprocess.Popen[bytes], int, int]:
    """Start a process in a session of its own; gives it and the ends of its stdout and stderr. Raises `OSError`.

    With `stdin` its input is a pipe, whose end is the process's ``stdin``.
    """
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - running what pods say is what this is for
            list(argv),
            cwd=directory,
            env=dict(env),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=out_write,
            stderr=err_write,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except BaseException:
        os.close(out_read)
        os.close(err_read)
        raise
    finally:
        os.close(out_write)
        os.close(err_write)
    os.set_blocking(out_read, False)
    os.set_blocking(err_read, False)
    return process, out_read, err_read


def started_at_s(pid: int) -> float:
    """When a process started; 0 when there is none. With the pid it names a process for good."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def session_members(session: int) -> list[int]:
    """The processes of a session."""
    members: list[int] = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session:
                members.append(pid)
        except OSError:
            continue
    return members


def session_usage(session: int) -> Usage:
    """What the processes of a session use together. Of those that have ended, only what their parents waited for."""
    cpu_s, memory_bytes = 0.0, 0
    for pid in session_members(session):
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            cpu_s += times.user + times.system + times.children_user + times.children_system
            memory_bytes += process.memory_info().rss
        except psutil.Error:
            continue
    return Usage(cpu_s, memory_bytes)


def kill_session(session: int, own_children_too: bool = True) -> None:
    """Kill every process of a session; what is born meanwhile too."""
    for _ in range(5):
        members = [pid for pid in session_members(session) if own_children_too or pid != session]
        alive = [pid for pid in members if _kill(pid)]
        if not alive:
            return


def _kill(pid: int) -> bool:
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        os.kill(pid, signal.SIGKILL)
    except (OSError, psutil.Error):
        return False
    return True


def kill_leftover(session: int, leader_started_s: float) -> None:
    """Kill what is left of a session that an earlier runtime began, unless its id means something else by now."""
    now = started_at_s(session)
    if now and abs(now - leader_started_s) > 1.0:
        return
    kill_session(session)


class Keeper:
    """A process that outlives the runtime by a moment, to kill the sessions it leaves behind."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._pid = 0

    def add(self, session: int) -> None:
        """A session began."""
        if self._pipe is None:
            self._start()
        self._tell(b"+%d\n" % session)

    def remove(self, session: int) -> None:
        """A session is over."""
        self._tell(b"-%d\n" % session)

    def close(self) -> None:
        """All sessions are over: end the keeper."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
            os.waitpid(self._pid, 0)

    def _tell(self, line: bytes) -> None:
        if self._pipe is not None:
            os.write(self._pipe, line)

    def _start(self) -> None:
        read_end, write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _keep(read_end)
        os.close(read_end)
        self._pipe = write_end


def _keep(pipe: int) -> None:
    """The keeper's life. Nothing of the runtime's sockets and files may stay open here."""
    try:
        os.setsid()
        setproctitle.setproctitle("podchain: keeper")
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        os.dup2(pipe, 3)
        os.closerange(4, 65_536)
        sessions: dict[int, None] = {}
        data = b""
        while chunk := os.read(3, 4096):
            *lines, data = (data + chunk).split(b"\n")
            for line in lines:
                if line[:1] == b"+":
                    sessions[int(line[1:])] = None
                else:
                    sessions.pop(int(line[1:]), None)
        for session in sessions:
            kill_session(session)
    finally:
        os._exit(0)


def exit_code_of(returncode: int) -> int:
    """As containers report it: 128 + signal for one ended by a signal."""
    return 128 - returncode if returncode < 0 else returncode
