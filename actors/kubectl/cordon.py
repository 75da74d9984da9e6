"""``cordon`` and ``uncordon``: whether new pods may be placed on a node."""

from __future__ import annotations

from typing import Any

import click

from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import DRY_RUN_NOTES, command, dry_run_of, dry_run_option, options, selector_option
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Found, Query, Targets, find_all

_node_options = options(
    click.argument("nodes", nargs=-1, metavar="NODE"),
    selector_option,
    dry_run_option,
)


@command("cordon", short_help="Mark node as unschedulable")
@_node_options
@click.pass_context
def cordon_command(ctx: click.Context, /, nodes: tuple[str, ...], selector: str, dry_run: str) -> None:
    """Have no new pods placed on nodes."""
    _run(ctx, "cordon", nodes, selector, dry_run)


@command("uncordon", short_help="Mark node as schedulable")
@_node_options
@click.pass_context
def uncordon_command(ctx: click.Context, /, nodes: tuple[str, ...], selector: str, dry_run: str) -> None:
    """Allow new pods on nodes again."""
    _run(ctx, "uncordon", nodes, selector, dry_run)


def _run(ctx: click.Context, verb: str, nodes: tuple[str, ...], selector: str, dry_run: str) -> None:
    if not nodes and not selector:
        raise CommandFailed(f"USAGE: {verb} NODE [flags]\nSee 'podchain {verb} -h' for help and examples")
    mode = dry_run_of(dry_run)

    async def work(kubectl: Kubectl) -> None:
        found, errors = await find_nodes(kubectl, nodes, selector)
        for each in found:
            kubectl.print(await set_schedulable(kubectl, each, schedulable=verb == "uncordon", mode=mode))
        raise_all(errors)

    run_with_client(ctx, work)


async def find_nodes(kubectl: Kubectl, names: tuple[str, ...], selector: str) -> tuple[list[Found], list[Exception]]:
    """Nodes by name or by selector."""
    nodes = kubectl.resources.resolve("nodes")
    if names and selector:
        raise CommandFailed("error: cannot specify both a node name and a --selector option")
    plain = [name.removeprefix("node/").removeprefix("nodes/") for name in names]
    targets = Targets(tuple((nodes, name) for name in plain)) if names else Targets(collections=(nodes,))
    query = Query("", selector)
    found = await find_all(kubectl, targets, query)
    return found, query.errors


async def set_schedulable(kubectl: Kubectl, node: Found, *, schedulable: bool, mode: str = "none") -> str:
    """Allow or forbid new pods on a node; answers what to say of it."""
    verb = "uncordoned" if schedulable else "cordoned"
    if bool((node.object.get("spec") or {}).get("unschedulable")) is not schedulable:
        return f"node/{node.name} already {verb}"
    settings: dict[str, Any] = {"dryRun": True} if mode == "server" else {}
    if mode != "client":
        patch = {"spec": {"unschedulable": None if schedulable else True}}
        await kubectl.client.patch(node.resource.key, node.name, patch, patch_type="strategic", options=settings)
    note = DRY_RUN_NOTES[mode]
    return f"node/{node.name} {verb}{note}"
