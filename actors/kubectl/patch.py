"""``patch``: change fields of an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from actors.apimachinery.operation import Operation
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import DRY_RUN_NOTES, command, dry_run_of, dry_run_option, filename_options, output_option
from actors.kubectl.output_format import formatter_of
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Found, Query, find_all
from actors.kubectl.yaml_reader import UnreadableManifest, read_documents

PATCH_TYPES: Final = ("strategic", "merge", "json")


@command("patch", short_help="Update fields of a resource")
@click.argument("args", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@click.option("-p", "--patch", "patch_text", default="", metavar="PATCH", help="The patch, as JSON or YAML.")
@click.option("--patch-file", default="", metavar="FILE", help="A file with the patch.")
@click.option("--type", "patch_type", default="strategic", metavar="TYPE", help="strategic, merge or json.")
@click.option("--subresource", default="", metavar="NAME", help="status or scale.")
@filename_options
@dry_run_option
@output_option
@click.pass_context
def patch_command(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    patch_text: str,
    patch_file: str,
    patch_type: str,
    filenames: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    **flags: Any,
) -> None:
    """Change fields of objects with a patch."""
    if patch_type not in PATCH_TYPES:
        raise CommandFailed(f'--type must be one of [json merge strategic], not "{patch_type}"')
    patch = read_patch(patch_text, patch_file)
    if not args and not filenames:
        raise CommandFailed(NO_RESOURCE)
    mode = dry_run_of(dry_run)

    async def work(kubectl: Kubectl) -> None:
        targets = named_targets(kubectl, args, filenames, recursive=recursive)
        if targets.collections:
            raise CommandFailed("resource(s) were provided, but no name was specified")
        query = Query(kubectl.namespace)
        found = await find_all(kubectl, targets, query)
        errors = list(query.errors)
        for each in found:
            await _patch_one(kubectl, each, patch, patch_type, flags["subresource"], mode, flags["output"])
        raise_all(errors)

    run_with_client(ctx, work)


def read_patch(text: str, file: str) -> Any:
    """The patch as a JSON value. Raises `CommandFailed`."""
    if bool(text) and bool(file):
        raise CommandFailed("cannot specify --patch and --patch-file together")
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise CommandFailed(f"unable to read patch file: {error}") from error
    if not text:
        raise CommandFailed("must specify --patch or --patch-file containing the contents of the patch")
    try:
        documents = read_documents(text)
    except UnreadableManifest as error:
        raise CommandFailed(f"unable to parse {text!r}: {error}") from error
    if len(documents) != 1:
        raise CommandFailed(f"unable to parse {text!r}: one document is expected")
    return documents[0]


async def _patch_one(
    kubectl: Kubectl, found: Found, patch: Any, patch_type: str, subresource: str, mode: str, output: str
) -> None:
    changed = found.object
    if mode == "client":
        changed = _patched(found, patch, patch_type)
    else:
        settings: dict[str, Any] = {"patchType": patch_type, "fieldManager": "kubectl-patch"}
        if mode == "server":
            settings["dryRun"] = True
        operation = Operation("patch", found.resource.key, found.namespace, found.name, subresource, patch, settings)
        changed = (await kubectl.client.call(operation)).object
    formatter = formatter_of(output)
    if formatter is not None:
        kubectl.out.write(formatter([Found(found.resource, changed)], False))
        return
    same = _content(changed) == _content(found.object)
    kubectl.print(f"{found.label} patched{' (no change)' if same else ''}{DRY_RUN_NOTES[mode]}")


def _content(obj: Any) -> Any:
    metadata = {name: value for name, value in (obj.get("metadata") or {}).items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _patched(found: Found, patch: Any, patch_type: str) -> Any:
    if patch_type == "json":
        from actors.apimachinery.json_patch import apply_json_patch

        return apply_json_patch(found.object, patch)
    if patch_type == "merge":
        from actors.apimachinery.merge_patch import apply_merge_patch

        return apply_merge_patch(found.object, patch)
    from actors.apimachinery.strategic_merge import apply_strategic_merge

    return apply_strategic_merge(found.object, patch, found.resource)
