"""Signals to the actors of a running cluster, from outside: each to that very process, never to another of its pid."""

from __future__ import annotations

import contextlib
import os
import signal

from actors.supervisor.state_file import ActorRecord, ClusterState


def send(actor: ActorRecord, number: int) -> bool:
    """Send an actor's process a signal; whether there was one to get it."""
    if not actor.process.is_alive():
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(actor.process.pid, number)
        return True
    return False


def wake_stopped(state: ClusterState) -> list[str]:
    """Let every process that is stopped go on; gives the actors' names."""
    stopped = [actor for actor in state.actors if actor.process.is_alive() and actor.process.status() == "T"]
    return [actor.name for actor in stopped if send(actor, signal.SIGCONT)]
