"""``taint``: keep pods off nodes unless they tolerate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from actors.apimachinery.label_syntax import check_label_value, check_qualified_name
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.cordon import find_nodes
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import DRY_RUN_NOTES, command, dry_run_of, dry_run_option, selector_option
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Found

EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def parse_taints(specs: Sequence[str]) -> tuple[list[Object], list[Object]]:
    """The taints to set and to take away, from ``key=value:Effect``, ``key:Effect-``, ``key-``.

    Raises `CommandFailed`.
    """
    added: list[Object] = []
    removed: list[Object] = []
    for spec in specs:
        body = spec.removesuffix("-")
        head, _, effect = body.partition(":")
        key, _, value = head.partition("=")
        if effect and effect not in EFFECTS:
            raise CommandFailed(f"invalid taint effect: {effect}, unsupported taint effect")
        faults = [*check_qualified_name(key), *check_label_value(value)]
        if faults:
            raise CommandFailed(f"invalid taint spec: {spec}, {'; '.join(faults)}")
        if spec.endswith("-"):
            removed.append({"key": key, "effect": effect})
        elif not effect:
            raise CommandFailed(f"invalid taint spec: {spec}")
        else:
            taint = {"key": key, "effect": effect}
            added.append({**taint, "value": value} if value else taint)
    pairs = [(taint["key"], taint["effect"]) for taint in added]
    if len(set(pairs)) != len(pairs):
        raise CommandFailed(f"duplicated taints with the same key and effect: {pairs[0][0]}")
    return added, removed


def changed_taints(
    node: str, taints: Sequence[Object], added: Sequence[Object], removed: Sequence[Object], *, overwrite: bool
) -> tuple[list[Object], str]:
    """The node's taints afterwards, and what to call the change. Raises `CommandFailed`."""
    left = list(taints)
    for taint in removed:
        kept = [each for each in left if not _is_removed(each, taint)]
        if len(kept) == len(left):
            effect = f":{taint['effect']}" if taint["effect"] else ""
            raise CommandFailed(f'taint "{taint["key"]}{effect}" not found')
        left = kept
    existing = {(each["key"], each["effect"]) for each in left}
    for taint in added:
        if (taint["key"], taint["effect"]) in existing and not overwrite:
            raise CommandFailed(
                f"node {node} already has {taint['key']} taint(s) with same effect(s) and --overwrite is false"
            )
    new = {(taint["key"], taint["effect"]) for taint in added}
    left = [each for each in left if (each["key"], each["effect"]) not in new]
    verb = "modified" if added and removed else "untainted" if removed else "tainted"
    return [*added, *left], verb


def _is_removed(taint: Object, removed: Object) -> bool:
    return bool(taint["key"] == removed["key"] and removed["effect"] in ("", taint["effect"]))


@command("taint", short_help="Update the taints on one or more nodes")
@click.argument("args", nargs=-1, metavar="NODE NAME KEY=VALUE:EFFECT...")
@click.option("--all", "all_nodes", is_flag=True, help="All nodes.")
@click.option("--overwrite", is_flag=True, help="Allow to change taints that are there.")
@selector_option
@dry_run_option
@click.pass_context
def taint_command(
    ctx: click.Context, /, args: tuple[str, ...], all_nodes: bool, overwrite: bool, selector: str, dry_run: str
) -> None:
    """Set taints (key=value:Effect) and take taints away (key- or key:Effect-)."""
    mode = dry_run_of(dry_run)
    specs = [arg for arg in args if ":" in arg or arg.endswith("-") or "=" in arg]
    names = [arg for arg in args if arg not in specs]
    if not names and not any(arg.startswith(("node/", "nodes/")) for arg in args):
        raise CommandFailed("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if names and "/" not in names[0]:
        if names[0].lower() not in ("node", "nodes", "no"):
            raise CommandFailed(f"invalid resource type {names[0]}, only node(s) is supported")
        names = names[1:]
    if not specs:
        raise CommandFailed("at least one taint update is required")
    if not names and not selector and not all_nodes:
        raise CommandFailed("resource(s) were provided, but no name was specified")
    added, removed = parse_taints(specs)

    async def work(kubectl: Kubectl) -> None:
        found, errors = await find_nodes(kubectl, tuple(names), selector)
        for node in found:
            try:
                await _taint(kubectl, node, added, removed, overwrite, mode)
            except (ApiError, CommandFailed) as error:
                errors.append(error)
        raise_all(errors)

    run_with_client(ctx, work)


async def _taint(
    kubectl: Kubectl, node: Found, added: Sequence[Object], removed: Sequence[Object], overwrite: bool, mode: str
) -> None:
    before = (node.object.get("spec") or {}).get("taints") or []
    after, verb = changed_taints(node.name, before, added, removed, overwrite=overwrite)
    settings: dict[str, Any] = {"dryRun": True} if mode == "server" else {}
    if mode != "client":
        version = node.object["metadata"].get("resourceVersion")
        patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": after or None}}
        await kubectl.client.patch(node.resource.key, node.name, patch, patch_type="merge", options=settings)
    note = DRY_RUN_NOTES[mode]
    kubectl.print(f"node/{node.name} {verb}{note}")
