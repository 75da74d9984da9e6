"""How somebody outside, such as a command, takes part in a running cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from actors.supervisor.cluster_directory import DEFAULT_NAME, ClusterDirectory, cluster_directory
from actors.supervisor.cluster_lock import is_locked
from broker.context import Context, RequestError

if TYPE_CHECKING:
    from broker.zeromq import Endpoints


class ClusterNotRunning(RequestError):
    """There is no such cluster to talk to."""

    def __init__(self, name: str) -> None:
        option = "" if name == DEFAULT_NAME else f" --name {name}"
        super().__init__(f'cluster "{name}" is not running; start it with: podchain up{option}')


def endpoints_of(directory: ClusterDirectory) -> Endpoints:
    """Where the sockets of a cluster are."""
    from broker.zeromq import Endpoints

    return Endpoints(directory.publish_endpoint, directory.subscribe_endpoint, directory.endpoint)


@contextlib.asynccontextmanager
async def connect(name: str = DEFAULT_NAME, *, meets_faults: bool = False) -> AsyncIterator[Context]:
    """A context in the running cluster of that name; an actor called ``cli-<pid>`` for its duration.

    What it sends meets the faults that are in force, as it reaches an actor; what it is sent only if it `meets_faults`.

    Raises `ClusterNotRunning`; raises what a task of the context raised, if one did.
    """
    directory = cluster_directory(name)
    if not is_locked(directory):
        raise ClusterNotRunning(name)
    from broker.chaos import ChaosFile
    from broker.zeromq import ZeroMQContext

    crashes: list[BaseException] = []
    task = asyncio.current_task()

    def on_crash(error: BaseException) -> None:
        crashes.append(error)
        if task is not None:
            task.cancel()

    chaos_file = ChaosFile(directory.chaos_file) if meets_faults else None
    ctx = ZeroMQContext(f"cli-{os.getpid()}", endpoints_of(directory), on_crash=on_crash, chaos_file=chaos_file)
    try:
        yield ctx
    except asyncio.CancelledError:
        if crashes:
            raise crashes[0] from None
        raise
    finally:
        ctx.close()
