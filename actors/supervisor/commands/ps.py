"""``podchain ps``: the actors and what they use."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import click

from actors.supervisor.cluster_lock import is_locked
from actors.supervisor.commands.cluster_name import directory_of
from actors.supervisor.session import ClusterNotRunning
from actors.supervisor.state_file import ActorRecord, ClusterState, read_state

_COLUMNS = ("NAME", "PID", "STATE", "RESTARTS", "CPU", "MEMORY", "AGE")


@click.command("ps")
@click.option("-o", "--output", type=click.Choice(["json"]), help="json: a list with one object for each actor.")
@click.pass_context
def ps(ctx: click.Context, output: str | None) -> None:
    """List the cluster's actors. CPU is time used so far; memory is the proportional set size."""
    directory = directory_of(ctx)
    state = read_state(directory) if is_locked(directory) else None
    if state is None:
        raise click.ClickException(str(ClusterNotRunning(directory.name)))
    actors = [usage(actor) for actor in (_supervisor(state), *state.actors)]
    if output == "json":
        click.echo(json.dumps(actors, indent=2))
        return
    rows = [_COLUMNS, *(_row(actor) for actor in actors)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _supervisor(state: ClusterState) -> ActorRecord:
    return ActorRecord("supervisor", state.supervisor, "running", 0, state.started_s)


def usage(actor: ActorRecord) -> dict[str, Any]:
    """An actor in plain form. ``memory`` is in bytes; ``cpu_percent`` is of one core, over the process's life."""
    import psutil

    state: str = actor.state
    cpu_s, memory, measure = 0.0, 0, "pss"
    age_s = max(0.0, time.time() - actor.started_s)
    with contextlib.suppress(psutil.Error):
        if actor.process.is_alive():
            process = psutil.Process(actor.process.pid)
            used = process.cpu_times()
            cpu_s = used.user + used.system
            memory, measure = _memory(process)
            state = "stopped" if actor.process.status() == "T" else state
    return {
        "name": actor.name,
        "pid": actor.process.pid,
        "state": state,
        "restarts": actor.restarts,
        "last_exit": actor.last_exit,
        "cpu_seconds": round(cpu_s, 2),
        "cpu_percent": round(100 * cpu_s / age_s, 1) if age_s else 0.0,
        "memory": memory,
        "memory_measure": measure,
        "started": actor.started_s,
        "age_seconds": round(age_s, 1),
    }


def _memory(process: Any) -> tuple[int, str]:
    """Proportional set size, or what is resident where the system doesn't tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024, "pss"
    return int(process.memory_info().rss), "rss"


def _row(actor: dict[str, Any]) -> tuple[str, ...]:
    return (
        actor["name"],
        str(actor["pid"] or "-"),
        actor["state"],
        str(actor["restarts"]),
        f"{actor['cpu_seconds']:.2f}s",
        f"{actor['memory'] / 2**20:.1f}MiB",
        _age(actor["age_seconds"]),
    )


def _age(seconds: float) -> str:
    """As kubectl shows ages, roughly."""
    whole = int(seconds)
    if whole < 120:
        return f"{whole}s"
    if whole < 7200:
        return f"{whole // 60}m{whole % 60}s"
    return f"{whole // 3600}h{whole % 3600 // 60}m"
