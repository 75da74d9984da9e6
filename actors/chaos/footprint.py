"""What a running cluster takes: processes, memory, open files and sockets."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from actors.chaos.soak_load import CONTAINERS_SLEEP
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.commands.ps import usage
from actors.supervisor.state_file import read_state

#: What is not counted as growth of one actor: caches fill.
MEMORY_SLACK_BYTES: Final = 64 * 2**20
FDS_SLACK: Final = 24
MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Footprint:
    """At one moment, by actor; the supervisor is one of them."""

    memory: Mapping[str, int]
    """Bytes, each shared page counted in part (proportional set size)."""
    fds: Mapping[str, int]
    """Open descriptors: sockets and files."""

    @property
    def memory_bytes(self) -> int:
        return sum(self.memory.values())

    @property
    def open_fds(self) -> int:
        return sum(self.fds.values())


def footprint(directory: ClusterDirectory) -> Footprint:
    """Now."""
    memory: dict[str, int] = {}
    fds: dict[str, int] = {}
    state = read_state(directory)
    if state is None:
        return Footprint({}, {})
    for name, process in [("supervisor", state.supervisor), *((a.name, a.process) for a in state.actors)]:
        with contextlib.suppress(psutil.Error, OSError):
            if process.is_alive():
                fds[name] = psutil.Process(process.pid).num_fds()
    for actor in state.actors:
        memory[actor.name] = usage(actor)["memory"]
    return Footprint(memory, fds)


def grown(before: Footprint, after: Footprint, kept_bytes: Mapping[str, int]) -> Sequence[str]:
    """What an actor takes more of than its work explains, such as the history that it is there to keep."""
    problems = []
    for name, bytes_after in after.memory.items():
        bytes_before = before.memory.get(name, bytes_after)
        if bytes_after - bytes_before > MEMORY_SLACK_BYTES + kept_bytes.get(name, 0):
            problems.append(f"{name}: memory grew from {bytes_before // MIB} to {bytes_after // MIB} MiB")
    for name, fds_after in after.fds.items():
        fds_before = before.fds.get(name, fds_after)
        if fds_after - fds_before > FDS_SLACK:
            problems.append(f"{name}: open descriptors grew from {fds_before} to {fds_after}")
    return problems


def strays(directory: ClusterDirectory) -> list[str]:
    """Processes that call themselves actors of the cluster, write its logs, and are not known to its supervisor."""
    state = read_state(directory)
    known = {actor.process.pid for actor in state.actors} | {state.supervisor.pid} if state is not None else set()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            title = " ".join(process.cmdline())
            if not title.startswith(f"podchain: {directory.name}/") or process.pid in known:
                continue
            if any(file.path.startswith(str(directory.logs)) for file in process.open_files()):
                found.append(f"{process.pid} {title.strip()}")
    return sorted(found)


def containers(directory: ClusterDirectory) -> list[int]:
    """The processes of the soak's containers, wherever they are now: they sleep for a time that nothing else does.

    They run in their nodes' directories; that is how those of another cluster are told apart.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if CONTAINERS_SLEEP in process.cmdline() and process.cwd().startswith(str(directory.data)):
                found.append(process.pid)
    return found
