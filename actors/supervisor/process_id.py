"""Naming a process for good: a pid is given to another process once its owner is gone, so its start belongs to it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessId:
    """Names one process."""

    pid: int
    started: float
    """When it started: clock ticks since boot on Linux, otherwise seconds since the epoch. 0 for no process."""

    def is_alive(self) -> bool:
        """Whether that very process exists and is not a zombie."""
        return self.pid > 0 and self.started > 0 and _look(self.pid)[0] == self.started and self.status() not in "Z"

    def status(self) -> str:
        """The kernel's letter for what it does now: ``R`` runs, ``S`` sleeps, ``D`` waits for a disk, ``T`` is stopped,
        ``Z`` has ended; ``Z``, too, when it doesn't exist."""
        return _look(self.pid)[1]


def process_id(pid: int) -> ProcessId:
    """The name of the process that has this pid now."""
    return ProcessId(pid, _look(pid)[0])


def _look_in_proc(pid: int) -> tuple[float, str]:
    """Start and status letter; ``(0.0, "Z")`` when there is no such process."""
    try:
        # The second field is the command in parentheses and may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, "Z"
    return float(fields[19]), fields[0]


def _look_with_psutil(pid: int) -> tuple[float, str]:
    import psutil

    try:
        process = psutil.Process(pid)
        letters = {psutil.STATUS_RUNNING: "R", psutil.STATUS_STOPPED: "T", psutil.STATUS_ZOMBIE: "Z"}
        return process.create_time(), letters.get(process.status(), "S")
    except psutil.Error:
        return 0.0, "Z"


_look = _look_in_proc if sys.platform == "linux" else _look_with_psutil
