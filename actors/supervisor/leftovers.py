"""Cleaning up after a supervisor that was killed: processes, sockets, its state file."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import Final

from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.parent_death import kill_all
from actors.supervisor.process_id import ProcessId, process_id
from actors.supervisor.state_file import read_state

GONE_TIMEOUT_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.02


class StillAlive(Exception):
    """A process can't be killed; the message names it."""


def clean_leftovers(directory: ClusterDirectory) -> int:
    """End what is left of the cluster and remove its sockets. The caller holds the lock.

    Gives how many processes had to be killed. Raises `StillAlive`.
    """
    state = read_state(directory)
    found = [actor.process for actor in state.actors if actor.process.is_alive()] if state else []
    found.extend(process for parent in tuple(found) for process in _descendants(parent))
    kill_all(process.pid for process in found)
    wait_until_gone(found, GONE_TIMEOUT_S)
    shutil.rmtree(directory.run, ignore_errors=True)
    directory.state_file.unlink(missing_ok=True)
    return len(found)


def wait_until_gone(processes: list[ProcessId], timeout_s: float) -> None:
    """Raises `StillAlive` when one of them is not."""
    until_s = time.monotonic() + timeout_s
    while left := [process for process in processes if process.is_alive()]:
        if time.monotonic() > until_s:
            pids = ", ".join(str(process.pid) for process in left)
            raise StillAlive(f"processes that can't be killed: {pids}")
        time.sleep(_LOOK_AGAIN_S)


def _descendants(parent: ProcessId) -> list[ProcessId]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [process_id(child.pid) for child in psutil.Process(parent.pid).children(recursive=True)]
    return []
