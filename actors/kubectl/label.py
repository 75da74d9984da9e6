"""``label`` and ``annotate``: change an object's labels or annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from actors.apimachinery.label_syntax import check_label_value, check_qualified_name
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import (
    DRY_RUN_NOTES,
    all_namespaces_option,
    command,
    dry_run_of,
    dry_run_option,
    field_selector_option,
    filename_options,
    options,
    output_option,
    selector_option,
)
from actors.kubectl.object_printer import to_json
from actors.kubectl.output_format import formatter_of
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Found, Query, find_all

Changes = dict[str, str | None]
"""New values by key; None takes a key away."""

_change_options = options(
    click.argument("args", nargs=-1, metavar="TYPE NAME KEY=VALUE... KEY-..."),
    filename_options,
    selector_option,
    field_selector_option,
    all_namespaces_option,
    output_option,
    dry_run_option,
    click.option("--overwrite", is_flag=True, help="Allow to change what is there."),
    click.option("--all", "all_objects", is_flag=True, help="All objects of the types, in the namespace."),
    click.option("--list", "list_only", is_flag=True, help="Show them."),
    click.option("--resource-version", default="", help="Only change the object in this version."),
)


@command("label", short_help="Update the labels on a resource")
@_change_options
@click.pass_context
def label_command(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Set labels (KEY=VALUE) and take labels away (KEY-)."""
    _run(ctx, "labels", args, flags)


@command("annotate", short_help="Update the annotations on a resource")
@_change_options
@click.pass_context
def annotate_command(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Set annotations (KEY=VALUE) and take annotations away (KEY-)."""
    _run(ctx, "annotations", args, flags)


def split_changes(args: Sequence[str], what: str) -> tuple[tuple[str, ...], Changes]:
    """Split arguments into what names objects and the changes. Raises `CommandFailed`."""
    names: list[str] = []
    changes: Changes = {}
    for argument in args:
        key, equals, value = argument.partition("=")
        if equals and key:
            if changes.get(key, value) is None:
                raise CommandFailed(f"can not both modify and remove a {what} in the same command")
            changes[key] = value
        elif argument.endswith("-") and len(argument) > 1:
            if changes.get(argument[:-1]) is not None:
                raise CommandFailed(f"can not both modify and remove a {what} in the same command")
            changes[argument[:-1]] = None
        elif changes:
            raise CommandFailed("all resources must be specified before " + what + f" changes: {argument}")
        else:
            names.append(argument)
    return tuple(names), changes


def _check(changes: Changes, what: str) -> None:
    for key, value in changes.items():
        faults = list(check_qualified_name(key))
        if what == "label" and value is not None and not faults:
            faults = list(check_label_value(value))
            if faults:
                raise CommandFailed(f'invalid label value: "{key}={value}": {"; ".join(faults)}')
        if faults:
            shown = f"{key}={value}" if value is not None else key
            raise CommandFailed(f'invalid {what} key: "{shown}": {"; ".join(faults)}')


def _run(ctx: click.Context, field: str, args: tuple[str, ...], flags: dict[str, Any]) -> None:
    what = field.removesuffix("s")
    names, changes = split_changes(args, what)
    flags["dry_run"] = dry_run_of(flags["dry_run"])
    if not names and not flags["filenames"]:
        raise CommandFailed(
            NO_RESOURCE
            if not changes
            else "one or more resources must be specified as <resource> <name> or <resource>/<name>"
        )
    if not changes and not flags["list_only"]:
        raise CommandFailed(f"at least one {what} update is required")
    _check(changes, what)
    run_with_client(ctx, lambda kubectl: change(kubectl, field, names, changes, flags))


async def change(
    kubectl: Kubectl, field: str, names: tuple[str, ...], changes: Changes, flags: dict[str, Any]
) -> int | None:
    """Carry out ``label`` or ``annotate``."""
    targets = named_targets(kubectl, names, flags["filenames"], recursive=flags["recursive"])
    if targets.collections and not (flags["all_objects"] or flags["selector"] or flags["field_selector"]):
        raise CommandFailed("resource(s) were provided, but no name was specified")
    query = Query(kubectl.namespace, flags["selector"], flags["field_selector"], flags["all_namespaces"])
    found = await find_all(kubectl, targets, query)
    errors = list(query.errors)
    for each in found:
        try:
            await _change_one(kubectl, field, each, changes, flags)
        except (ApiError, CommandFailed) as error:
            errors.append(error)
    raise_all(errors)
    return None


async def _change_one(kubectl: Kubectl, field: str, found: Found, changes: Changes, flags: dict[str, Any]) -> None:
    before: dict[str, str] = found.object["metadata"].get(field) or {}
    if not flags["overwrite"]:
        _refuse_overwriting(field, before, changes)
    for key, value in changes.items():
        if value is None and key not in before and field == "labels":
            kubectl.print(f'label "{key}" not found.')
    after = {key: value for key, value in {**before, **changes}.items() if value is not None}
    effective = {key: value for key, value in changes.items() if before.get(key) != value}
    verdict = _verdict(field, before, after, overwrite=flags["overwrite"])
    obj: Object = found.object
    if effective and flags["dry_run"] != "client":
        patch: Object = {"metadata": {field: effective}}
        if flags["resource_version"]:
            patch["metadata"]["resourceVersion"] = flags["resource_version"]
        settings: dict[str, Any] = {"fieldManager": f"kubectl-{'label' if field == 'labels' else 'annotate'}"}
        if flags["dry_run"] == "server":
            settings["dryRun"] = True
        obj = await kubectl.client.patch(
            found.resource.key, found.name, patch, found.namespace, patch_type="merge", options=settings
        )
    elif effective:
        obj = {**obj, "metadata": {**obj["metadata"], field: after}}
    _print(kubectl, Found(found.resource, obj), after, verdict, flags)


def _print(kubectl: Kubectl, found: Found, after: dict[str, str], verdict: str, flags: dict[str, Any]) -> None:
    formatter = formatter_of(flags["output"])
    if flags["list_only"]:
        for key in sorted(after):
            kubectl.print(f"{key}={after[key]}")
    elif formatter is not None:
        kubectl.out.write(formatter([found], False))
    else:
        note = DRY_RUN_NOTES[flags["dry_run"]]
        kubectl.print(f"{found.label} {verdict}{note}")


def _refuse_overwriting(field: str, before: dict[str, str], changes: Changes) -> None:
    taken = [
        f"'{key}' already has a value ({before[key]})"
        for key, value in changes.items()
        if value is not None and key in before and before[key] != value
    ]
    if not taken:
        return
    if field == "labels":
        raise CommandFailed(f"{taken[0]}, and --overwrite is false")
    raise CommandFailed("--overwrite is false but found the following declared annotation(s): " + "; ".join(taken))


def _verdict(field: str, before: dict[str, str], after: dict[str, str], *, overwrite: bool) -> str:
    if field == "annotations":
        return "annotated"
    if before == after:
        return "not labeled"
    shorter = len(to_json(after, indent=None)) < len(to_json(before, indent=None))
    return "unlabeled" if shorter and not overwrite else "labeled"
