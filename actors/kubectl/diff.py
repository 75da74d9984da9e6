"""``diff``: what ``apply`` would change."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.apply import ApplyOptions, apply_one
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import command, filename_options
from actors.kubectl.manifest import read_manifests
from actors.kubectl.object_printer import to_yaml
from actors.kubectl.output_format import shown_object
from actors.kubectl.session import Kubectl, run_with_client

#: The exit code that says that something differs.
DIFFERS = 1


@command("diff", short_help="Diff the live version against a would-be applied version")
@filename_options
@click.pass_context
def diff_command(ctx: click.Context, /, filenames: tuple[str, ...], recursive: bool) -> None:
    """Show what apply would change. Exits with 1 when something differs."""
    if not filenames:
        raise CommandFailed("must specify one of -f and -k")
    run_with_client(ctx, lambda kubectl: diff(kubectl, filenames, recursive=recursive))


async def diff(kubectl: Kubectl, filenames: Sequence[str], *, recursive: bool = False) -> int | None:
    """Carry out ``diff``."""
    manifests, errors = read_manifests(kubectl, filenames, recursive=recursive)
    raise_all(errors)
    differs = False
    for manifest in manifests:
        live = await _live(kubectl, manifest.resource.key, manifest.name, manifest.namespace)
        found, _ = await apply_one(kubectl, manifest, ApplyOptions(dry_run="server"))
        group = f"{manifest.resource.group}." if manifest.resource.group else ""
        name = f"{group}{manifest.resource.version}.{manifest.resource.kind}.{manifest.namespace}.{manifest.name}"
        lines = list(
            difflib.unified_diff(_lines(live), _lines(found.object), f"LIVE/{name}", f"MERGED/{name}", lineterm="")
        )
        if lines:
            differs = True
            kubectl.print("\n".join([f"diff -u -N LIVE/{name} MERGED/{name}", *lines]))
    return DIFFERS if differs else None


async def _live(kubectl: Kubectl, key: str, name: str, namespace: str) -> Object | None:
    try:
        return await kubectl.client.get(key, name, namespace)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


def _lines(obj: Object | None) -> list[str]:
    return to_yaml(shown_object(obj)).splitlines() if obj else []
