"""What the supervisor needs to know to run an actor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.supervisor.heartbeat import Heartbeat

ActorMain = Callable[[Heartbeat], None]
"""An actor's whole life in its own process. It returns when it is done, and raises when it fails."""


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """One actor."""

    name: str
    load: Callable[[], ActorMain]
    """Imports the actor's modules and gives its main. Called in the supervisor, before forking: what it loads is shared
    between all processes. It must not open sockets nor start threads."""
    stop_stage: int = 0
    """When a cluster is stopped, actors of a lower stage are stopped first."""
    one_shot: bool = False
    """It is meant to end: with exit code 0 it is done, and isn't restarted."""
    owns_processes: bool = False
    """It starts processes of its own, which end when it ends, however it ends."""
