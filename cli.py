"""``podchain``, the one command. Each of its commands is loaded when it is used."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from actors.supervisor.commands.cluster_name import checked_name

#: The commands about processes; those about Kubernetes' objects are in `actors.kubectl.COMMANDS`.
CLUSTER_COMMANDS: Mapping[str, str] = {
    "up": "actors.supervisor.commands.up:up",
    "down": "actors.supervisor.commands.down:down",
    "ps": "actors.supervisor.commands.ps:ps",
    "chaos": "actors.chaos.commands:chaos",
    "actor-logs": "actors.supervisor.commands.actor_logs:actor_logs",
    "store": "actors.supervisor.commands.store:store",
}


def _keep_name(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.ensure_object(dict)["name"] = checked_name(value)


def _name_option(envvar: str | None = None) -> click.Option:
    return click.Option(
        ["--name"],
        metavar="CLUSTER",
        envvar=envvar,
        expose_value=False,
        callback=_keep_name,
        help="The cluster's name (default: podchain, or PODCHAIN_NAME).",
    )


def _with_name_option(command: click.Command) -> click.Command:
    """Let the cluster be named after the command, too, and after a subcommand."""
    if not any("--name" in param.opts for param in command.params):
        command.params.append(_name_option())
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            _with_name_option(subcommand)
    return command


def registry() -> dict[str, str]:
    """Every command, as ``module:attribute``."""
    from actors import kubectl

    commands: Mapping[str, str] = getattr(kubectl, "COMMANDS", {})
    return {**CLUSTER_COMMANDS, **commands}


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(registry())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = CLUSTER_COMMANDS.get(cmd_name) or registry().get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: Any = getattr(import_module(module), attribute)
        if cmd_name != "up":
            gc.enable()
        return _with_name_option(command)


podchain = LazyGroup(
    "podchain",
    params=[_name_option("PODCHAIN_NAME")],
    help="A Kubernetes control plane made of actors: every component a process, every hop a message.",
)


def main() -> None:
    """The console script."""
    gc.disable()  # while modules are loaded there is much to look at and nothing to collect
    podchain(prog_name="podchain")


if __name__ == "__main__":
    main()
