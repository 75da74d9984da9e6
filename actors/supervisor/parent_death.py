"""No process outlives the supervisor: the kernel's help (Linux), and processes left behind by one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Collection, Iterable
from typing import Final

from actors.supervisor.process_id import process_id

#: A process that forks faster than it can be killed is given up on.
KILL_ROUNDS_MAX: Final = 20

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0)


def signal_when_parent_dies(number: int) -> None:
    """Have the kernel send this process a signal once its parent is gone. Does nothing where the kernel can't."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that they can be found. Linux only."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def kill_descendants(spared: Collection[int] = ()) -> None:
    """Kill -9 all processes below this one, also those with sessions of their own.

    Children in `spared`, and what is below those, live on. Repeated until none is left, because one may fork while the
    others are being killed.
    """
    for _ in range(KILL_ROUNDS_MAX):
        found = [pid for child in _children(os.getpid()) if child not in spared for pid in (child, *_below(child))]
        if not found:
            return
        kill_all(found)


def _children(pid: int) -> list[int]:
    """The living children of a process; none when it is gone itself."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children() if process_id(child.pid).status() not in "ZX"]
    return []


def _below(pid: int) -> list[int]:
    return [descendant for child in _children(pid) for descendant in (child, *_below(child))]


def kill_all(pids: Iterable[int]) -> None:
    """Kill -9 each; those that are gone don't matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
