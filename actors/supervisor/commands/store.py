"""``podchain store``: looks after the store of a running cluster, as etcdctl does after an etcd.

What etcd calls the way out of NOSPACE: delete what isn't needed, ``store compact``, ``store defrag``, ``store disarm``.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click
import orjson

from actors.supervisor.commands.cluster_name import name_of
from actors.supervisor.session import connect
from broker.context import RequestError
from store import protocol

STORE: Final = "store"
#: Freeing a gigabyte takes seconds; the store answers others in between.
WORK_TIMEOUT_S: Final = 300.0


@click.group("store")
def store() -> None:
    """Look after the cluster's store: sizes, compaction, defragmentation, the NOSPACE alarm."""


@store.command("status")
@click.option("-o", "--output", type=click.Choice(["", "json"]), default="", help="json: all that the store says.")
@click.pass_context
def status(ctx: click.Context, output: str) -> None:
    """Show revision, sizes and alarms."""
    found = _ask(ctx, protocol.STATUS)
    if output == "json":
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    lines = {
        "revision": found["revision"],
        "compacted revision": found["compacted"] or "-",
        "keys": found["keys"],
    }
    if "log_bytes" in found:
        quota = found["quota_bytes"]
        lines["size"] = f"{_size(found['log_bytes'])} ({_size(found['log_bytes_in_use'])} in use)"
        lines["quota"] = _size(quota) if quota >= 0 else "none"
        lines["history in memory"] = _size(found["history_bytes"])
        lines["leases"] = found["leases"]
        lines["alarms"] = " ".join(found["alarms"]) or "none"
    for name, value in lines.items():
        click.echo(f"{name + ':':20}{value}")


@store.command("compact")
@click.option("--revision", type=int, default=0, help="Give up what is older than this revision; without it, than now.")
@click.pass_context
def compact(ctx: click.Context, revision: int) -> None:
    """Give up history. Watches that are further behind begin anew."""
    revision = revision or _ask(ctx, protocol.STATUS)["revision"]
    _ask(ctx, protocol.COMPACT, {"revision": revision, "physical": True})
    click.echo(f"compacted revision {revision}")


@store.command("defrag")
@click.pass_context
def defrag(ctx: click.Context) -> None:
    """Give the file's free pages back to the disk."""
    _ask(ctx, protocol.DEFRAGMENT)
    found = _ask(ctx, protocol.STATUS)
    click.echo(f"defragmented, size {_size(found['log_bytes'])}")


@store.command("disarm")
@click.pass_context
def disarm(ctx: click.Context) -> None:
    """Lift the NOSPACE alarm, so that writes are taken again."""
    changed = _ask(ctx, protocol.ALARM, {"raised": False})["alarms"]
    click.echo(f"{' '.join(changed)} disarmed" if changed else "there is no alarm")
    if _ask(ctx, protocol.STATUS)["alarms"]:
        raise click.ClickException("the disk is still full: the alarm is raised again")


def _ask(ctx: click.Context, method: str, body: Any = None) -> Any:
    """One question to the store. Raises `click.ClickException`."""

    async def ask() -> Any:
        async with connect(name_of(ctx)) as context:
            return (await context.request(STORE, method, body, timeout_s=WORK_TIMEOUT_S)).body

    try:
        return asyncio.run(ask())
    except RequestError as error:
        raise click.ClickException(str(error)) from error


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"
