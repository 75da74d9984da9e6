"""Between the command line and the cluster: what every command is given, and how it is run.

A command is a coroutine that takes a `Kubectl`. `run_with_client` connects, runs it, prints what went wrong and exits
with its code. Tests put their own world into click's context object: ``connect`` (name -> async context manager of a
`Context`) and ``run`` (runs a coroutine).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TextIO

import click

from actors.apimachinery.resources import RESOURCES, ResourceTable
from actors.apimachinery.status import ApiError
from actors.client.client import Client
from actors.client.discovery import discover
from actors.kubectl.failure import EXPECTED, CommandFailed, message_of
from broker.context import Context

DEFAULT_CLUSTER: Final = "podchain"
DEFAULT_NAMESPACE: Final = "default"
#: Where click keeps the value of ``--namespace`` for `run_with_client`.
NAMESPACE_KEY: Final = "podchain.namespace"
EXIT_INTERRUPTED: Final = 130

Connect = Callable[[str], AbstractAsyncContextManager[Context]]


@dataclass(slots=True)
class Kubectl:
    """What a command works with."""

    client: Client
    out: TextIO
    err: TextIO
    namespace: str = DEFAULT_NAMESPACE
    namespace_given: bool = False
    """Whether the user named the namespace; an object of another namespace is then refused."""
    resources: ResourceTable = RESOURCES

    def print(self, text: str = "") -> None:
        """One line for whoever reads the output."""
        self.out.write(text + "\n")

    def warn(self, text: str) -> None:
        """One line for the user."""
        self.err.write(text + "\n")
        self.err.flush()

    def flush(self) -> None:
        """Show what was printed, when more will take a while."""
        self.out.flush()

    def now_s(self) -> float:
        """The time, for ages."""
        return self.client.ctx.wall_s()


Work = Callable[[Kubectl], Awaitable[int | None]]


def _connect(name: str) -> AbstractAsyncContextManager[Context]:
    found: AbstractAsyncContextManager[Context] = import_module("actors.supervisor.session").connect(name)
    return found


async def _resources(client: Client) -> ResourceTable:
    """Every resource; the built-in ones for users who may not see definitions."""
    try:
        return await discover(client)
    except ApiError as error:
        if error.code != 403:
            raise
        return RESOURCES


def fail(error: Exception) -> None:
    """Print an error and leave with its exit code."""
    sys.stderr.write(message_of(error).rstrip("\n") + "\n")
    raise click.exceptions.Exit(error.exit_code if isinstance(error, CommandFailed) else 1)


def run_with_client(click_ctx: click.Context, work: Work) -> None:
    """Run a command's work against the cluster that the global options name. Exits on failure."""
    world = click_ctx.find_object(dict) or {}
    name = world.get("name") or DEFAULT_CLUSTER
    connect: Connect = world.get("connect") or _connect
    run: Callable[[Coroutine[Any, Any, int | None]], int | None] = world.get("run") or asyncio.run
    namespace = click_ctx.meta.get(NAMESPACE_KEY) or ""

    async def session() -> int | None:
        async with connect(name) as context:
            client = Client(context)
            kubectl = Kubectl(
                client,
                sys.stdout,
                sys.stderr,
                namespace or DEFAULT_NAMESPACE,
                namespace_given=bool(namespace),
                resources=await _resources(client),
            )
            return await work(kubectl)

    try:
        code = run(session())
        sys.stdout.flush()
    except EXPECTED as error:
        sys.stdout.flush()
        fail(error)
    except BrokenPipeError:
        # The reader left (as ``| head`` does): say nothing, and keep Python from complaining at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(1) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    if code:
        raise click.exceptions.Exit(code)
