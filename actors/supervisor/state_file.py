"""What the supervisor tells the rest of the world: a JSON file, replaced whenever something changes."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.process_id import ProcessId

ActorState = Literal["starting", "running", "waiting", "done"]
"""``waiting``: it ended and is started again after a while. ``done``: it was meant to end."""


@dataclass(frozen=True, slots=True)
class ActorRecord:
    """One actor, as the supervisor sees it."""

    name: str
    process: ProcessId
    """Of pid 0 while it has none."""
    state: ActorState
    restarts: int
    started_s: float
    """When its process was started, in seconds since the epoch."""
    last_exit: str = ""
    """How its last process ended: ``exit code 1``, ``signal 9``, ``hung``; empty before the first end."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All that is told about a cluster."""

    name: str
    supervisor: ProcessId
    started_s: float
    ready_in_s: float | None
    """From the command's start until the cluster was ready; None as long as it isn't."""
    actors: tuple[ActorRecord, ...]


def write_state(directory: ClusterDirectory, state: ClusterState) -> None:
    """Replace the state file."""
    replace_file(directory.state_file, json.dumps(dataclasses.asdict(state)))


def read_state(directory: ClusterDirectory) -> ClusterState | None:
    """The state last told; None when there is none or it isn't readable. Its supervisor may be gone."""
    try:
        plain: dict[str, Any] = json.loads(directory.state_file.read_text())
        plain["supervisor"] = ProcessId(**plain["supervisor"])
        actors = [ActorRecord(**{**actor, "process": ProcessId(**actor["process"])}) for actor in plain["actors"]]
        return ClusterState(**{**plain, "actors": tuple(actors)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def replace_file(path: Path, text: str) -> None:
    """Write a file so that readers see the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
