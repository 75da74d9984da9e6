"""``podchain actor-logs``: what an actor of the control plane wrote."""

from __future__ import annotations

import click

from actors.supervisor.actor_log import last_lines, log_file
from actors.supervisor.commands.cluster_name import directory_of


@click.command("actor-logs")
@click.argument("actor")
@click.option("--tail", type=click.IntRange(min=1), default=100, show_default=True, help="How many lines.")
@click.pass_context
def actor_logs(ctx: click.Context, actor: str, tail: int) -> None:
    """Print the last lines an actor wrote (a container's are shown by logs)."""
    directory = directory_of(ctx)
    path = log_file(directory, actor)
    if path.parent != directory.logs or not path.exists():
        known = ", ".join(sorted(found.stem for found in directory.logs.glob("*.log")))
        raise click.ClickException(f"no log of {actor!r}; there are: {known or 'none'}")
    for line in last_lines(path, tail):
        click.echo(line)
