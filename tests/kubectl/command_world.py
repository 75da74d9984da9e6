"""A simulated cluster, and Podchain's commands run against it as a user would."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import click
from click.testing import CliRunner

from actors.kubectl import COMMANDS
from actors.simulation.cluster import SimulatedCluster
from broker.context import Context


class AllCommands(click.Group):
    """Every command of the registry, as the command line has them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str


class CommandWorld:
    """Runs commands in virtual time."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster

    def run(self, *args: str, text: str | None = None, for_s: float = 0.0) -> Ran:
        """Run a command line; with `for_s`, interrupt it after so many virtual seconds (for watches)."""

        def run(work: Coroutine[Any, Any, int | None]) -> int | None:
            return self.cluster.run(_interrupted(work, for_s) if for_s else work)

        world = {"name": "test", "connect": self._connect, "run": run}
        result = CliRunner().invoke(AllCommands("podchain"), list(args), obj=world, input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def ok(self, *args: str, text: str | None = None, for_s: float = 0.0) -> str:
        """Run a command that must succeed; gives what it printed."""
        ran = self.run(*args, text=text, for_s=for_s)
        assert ran.code == 0, f"{args}: {ran.out}{ran.err}"
        return ran.out

    def fails(self, *args: str, text: str | None = None) -> str:
        """Run a command that must exit with 1; gives what it said."""
        ran = self.run(*args, text=text)
        assert ran.code == 1, f"{args}: {ran.code} {ran.out}{ran.err}"
        return ran.err

    @asynccontextmanager
    async def _connect(self, _name: str) -> AsyncIterator[Context]:
        yield self.cluster.client.ctx


async def _interrupted(work: Coroutine[Any, Any, int | None], after_s: float) -> int | None:
    try:
        return await asyncio.wait_for(work, after_s)
    except TimeoutError:
        return None
