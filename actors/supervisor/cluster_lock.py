"""One supervisor a cluster: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import Final, Self

from actors.supervisor.cluster_directory import ClusterDirectory

#: Whoever only looks (`is_locked`) holds the lock for an instant, too: try again for this long.
LOOKER_PATIENCE_S: Final = 0.05


class ClusterIsRunning(Exception):
    """Another process holds the cluster's lock."""

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(f'cluster "{name}" is already running (supervisor pid {pid})')
        self.pid = pid


class ClusterLock:
    """The exclusive lock on a cluster, held from construction to `release` or the end of the process.

    A forked child that keeps `fd` open would go on holding it: children close it.
    """

    def __init__(self, directory: ClusterDirectory) -> None:
        """Take the lock at once. Raises `ClusterIsRunning`."""
        directory.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        give_up_s = time.monotonic() + LOOKER_PATIENCE_S
        while True:
            fd = os.open(directory.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                if time.monotonic() < give_up_s:
                    time.sleep(LOOKER_PATIENCE_S / 10)
                    continue
                raise ClusterIsRunning(directory.name, lock_holder(directory)) from None
            if _is_still_at(fd, directory):
                break
            os.close(fd)  # `down --purge` removed the file between opening and locking
        self.fd = fd
        self.record_pid()

    def record_pid(self) -> None:
        """Say that this process holds the lock (after a fork it is the child's to say)."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give it up."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _is_still_at(fd: int, directory: ClusterDirectory) -> bool:
    try:
        about = directory.lock_file.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (about.st_dev, about.st_ino) == (mine.st_dev, mine.st_ino)


def lock_holder(directory: ClusterDirectory) -> int:
    """The pid written in the lock file; 0 when there is none."""
    try:
        return int(directory.lock_file.read_text() or 0)
    except (OSError, ValueError):
        return 0


def is_locked(directory: ClusterDirectory) -> bool:
    """Whether a supervisor runs the cluster now."""
    try:
        fd = os.open(directory.lock_file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
