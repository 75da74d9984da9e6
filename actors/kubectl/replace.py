"""``replace``: put a manifest in an object's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from actors.apimachinery.status import ApiError
from actors.kubectl.apply import VALIDATION
from actors.kubectl.delete import WAIT_MAX_S, wait_until_gone
from actors.kubectl.failure import CommandFailed, raise_all, with_source
from actors.kubectl.grammar import DRY_RUN_NOTES, command, dry_run_of, dry_run_option, filename_options, output_option
from actors.kubectl.last_applied import ANNOTATION, with_last_applied
from actors.kubectl.manifest import Manifest, read_manifests
from actors.kubectl.output_format import formatter_of
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Found


@command("replace", short_help="Replace a resource by file name or stdin")
@filename_options
@click.option("--force", is_flag=True, help="Delete the object and create it anew.")
@click.option("--save-config", is_flag=True, help="Remember the configuration for a later apply.")
@click.option("--validate", default="strict", is_flag=False, flag_value="strict", metavar="strict|warn|ignore")
@dry_run_option
@output_option
@click.pass_context
def replace_command(
    ctx: click.Context, /, filenames: tuple[str, ...], recursive: bool, dry_run: str, **flags: Any
) -> None:
    """Replace objects by what manifests say; the objects must be there."""
    if not filenames:
        raise CommandFailed("must specify --filename to replace")
    if flags["validate"] not in VALIDATION:
        raise CommandFailed(f'invalid - validate option "{flags["validate"]}", must be one of: strict, warn, ignore')
    flags["dry_run"] = dry_run_of(dry_run)
    run_with_client(ctx, lambda kubectl: replace(kubectl, filenames, flags, recursive=recursive))


async def replace(
    kubectl: Kubectl, filenames: Sequence[str], flags: dict[str, Any], *, recursive: bool = False
) -> int | None:
    """Carry out ``replace``; every document is tried."""
    manifests, errors = read_manifests(kubectl, filenames, recursive=recursive)
    formatter = formatter_of(flags["output"])
    for manifest in manifests:
        try:
            found = await _replace_one(kubectl, manifest, flags)
        except ApiError as error:
            errors.append(error if error.code == 422 else with_source("replacing", manifest.source, error))
            continue
        if formatter is not None:
            kubectl.out.write(formatter([found], False))
        else:
            kubectl.print(f"{found.label} replaced{DRY_RUN_NOTES[flags['dry_run']]}")
    raise_all(errors)
    return None


async def _replace_one(kubectl: Kubectl, manifest: Manifest, flags: dict[str, Any]) -> Found:
    current = await kubectl.client.get(manifest.resource.key, manifest.name, manifest.namespace)
    obj = manifest.object
    if flags["save_config"] or ANNOTATION in (current["metadata"].get("annotations") or {}):
        obj = with_last_applied(obj)
    if flags["dry_run"] == "client":
        return Found(manifest.resource, obj)
    settings: dict[str, Any] = {"fieldManager": "kubectl-replace", "fieldValidation": VALIDATION[flags["validate"]]}
    if flags["dry_run"] == "server":
        settings["dryRun"] = True
    if not flags["force"]:
        return Found(manifest.resource, await kubectl.client.update(manifest.resource.key, obj, options=settings))
    gone = await kubectl.client.delete(
        manifest.resource.key, manifest.name, manifest.namespace, options={"gracePeriodSeconds": 0}
    )
    await wait_until_gone(kubectl, [Found(manifest.resource, gone)], WAIT_MAX_S)
    return Found(manifest.resource, await kubectl.client.create(manifest.resource.key, obj, options=settings))
