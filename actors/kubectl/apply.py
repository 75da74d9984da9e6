"""``apply``: bring objects to what their manifests say, by a three-way merge with what was applied last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, raise_all, with_source
from actors.kubectl.grammar import (
    DRY_RUN_NOTES,
    command,
    dry_run_of,
    dry_run_option,
    filename_options,
    output_option,
    selector_option,
)
from actors.kubectl.last_applied import ANNOTATION, last_applied, with_last_applied
from actors.kubectl.manifest import Manifest, read_manifests
from actors.kubectl.object_printer import to_json
from actors.kubectl.output_format import Formatter, formatter_of
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Found

#: A patch that collides with somebody else's write is made anew so many times.
CONFLICT_RETRIES: Final = 5
FIELD_MANAGER: Final = "kubectl-client-side-apply"
SERVER_SIDE_MANAGER: Final = "kubectl"

MISSING_ANNOTATION: Final = (
    "Warning: resource {name} is missing the {annotation} annotation which is required by podchain apply. "
    "podchain apply should only be used on resources created declaratively by either podchain create --save-config "
    "or podchain apply. The missing annotation will be patched automatically."
)
VALIDATION: Final = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The flags of ``apply``."""

    dry_run: str = "none"
    output: str = ""
    validate: str = "strict"
    server_side: bool = False
    force_conflicts: bool = False
    field_manager: str = ""
    selector: str = ""

    def write_options(self, manager: str) -> dict[str, Any]:
        """Options of the API server's writes."""
        options: dict[str, Any] = {"fieldManager": self.field_manager or manager}
        if self.dry_run == "server":
            options["dryRun"] = True
        if self.validate not in VALIDATION:
            raise CommandFailed(f'invalid - validate option "{self.validate}", must be one of: strict, warn, ignore')
        options["fieldValidation"] = VALIDATION[self.validate]
        return options


@command("apply", short_help="Apply a configuration to a resource by file name or stdin")
@filename_options
@dry_run_option
@output_option
@selector_option
@click.option("--validate", default="strict", is_flag=False, flag_value="strict", metavar="strict|warn|ignore")
@click.option("--server-side", is_flag=True, help="Have the server merge.")
@click.option("--force-conflicts", is_flag=True, help="With --server-side: take fields over from other managers.")
@click.option("--field-manager", default="", metavar="NAME", help="Name of the manager of the fields.")
@click.pass_context
def apply_command(
    ctx: click.Context, /, filenames: tuple[str, ...], recursive: bool, dry_run: str, **flags: Any
) -> None:
    """Create or change objects so that they are what the manifests say. What somebody else set stays."""
    if not filenames:
        raise CommandFailed("must specify one of -f and -k")
    options = ApplyOptions(dry_run=dry_run_of(dry_run), **flags)
    run_with_client(ctx, lambda kubectl: apply(kubectl, filenames, options, recursive=recursive))


async def apply(
    kubectl: Kubectl, filenames: Sequence[str], options: ApplyOptions, *, recursive: bool = False
) -> int | None:
    """Carry out ``apply``: every document is tried; what went wrong is told at the end."""
    formatter = formatter_of(options.output)
    manifests, errors = read_manifests(kubectl, filenames, recursive=recursive)
    if options.selector:
        from actors.apimachinery.selector import LabelSelector

        selector = LabelSelector.parse(options.selector)
        manifests = [each for each in manifests if selector.matches((each.object["metadata"]).get("labels"))]
    for manifest in manifests:
        try:
            found, verdict = await apply_one(kubectl, manifest, options)
        except (ApiError, CommandFailed, ValueError) as error:
            errors.append(error)
            continue
        _print(kubectl, formatter, found, verdict + DRY_RUN_NOTES[options.dry_run])
    raise_all(errors)
    return None


def _print(kubectl: Kubectl, formatter: Formatter | None, found: Found, verdict: str) -> None:
    if formatter is None:
        kubectl.print(f"{found.label} {verdict}")
    else:
        kubectl.out.write(formatter([found], False))
    kubectl.flush()


async def apply_one(kubectl: Kubectl, manifest: Manifest, options: ApplyOptions) -> tuple[Found, str]:
    """Apply one object; answers it and what became of it: created, configured or unchanged."""
    if options.server_side:
        return await _apply_server_side(kubectl, manifest, options)
    modified = with_last_applied(manifest.object)
    try:
        if not manifest.name:
            raise CommandFailed("resource name may not be empty")
        current = await kubectl.client.get(manifest.resource.key, manifest.name, manifest.namespace)
    except ApiError as error:
        if error.code != 404:
            raise _while_retrieving(manifest, error) from error
        return await _create(kubectl, manifest, modified, options), "created"
    except CommandFailed as error:
        raise CommandFailed(
            f"error when retrieving current configuration of:\n{manifest.describe()}\n"
            f'from server for: "{manifest.source}": {error}'
        ) from error
    if last_applied(current) is None and ANNOTATION not in (current["metadata"].get("annotations") or {}):
        name = f"{manifest.resource.plural}/{manifest.name}"
        kubectl.warn(MISSING_ANNOTATION.format(name=name, annotation=ANNOTATION))
    return await _patch(kubectl, manifest, modified, current, options)


def _while_retrieving(manifest: Manifest, error: ApiError) -> ApiError:
    doing = f"retrieving current configuration of:\n{manifest.describe()}\nfrom server for:"
    return with_source(doing, manifest.source, error)


async def _create(kubectl: Kubectl, manifest: Manifest, modified: Object, options: ApplyOptions) -> Found:
    if options.dry_run == "client":
        return Found(manifest.resource, modified)
    try:
        created = await kubectl.client.create(
            manifest.resource.key, modified, manifest.namespace, options=options.write_options(FIELD_MANAGER)
        )
    except ApiError as error:
        raise with_source("creating", manifest.source, error) from error
    return Found(manifest.resource, created)


async def _patch(
    kubectl: Kubectl, manifest: Manifest, modified: Object, current: Object, options: ApplyOptions
) -> tuple[Found, str]:
    from actors.apimachinery.strategic_diff import create_three_way_patch

    resource = manifest.resource
    patch_type = "strategic" if resource.custom is None else "merge"
    for attempt in range(CONFLICT_RETRIES + 1):
        patch = create_three_way_patch(last_applied(current), modified, current, resource)
        if not patch:
            return Found(resource, current), "unchanged"
        if options.dry_run == "client":
            return Found(resource, _merged(manifest, current, patch, patch_type)), "configured"
        try:
            changed = await kubectl.client.patch(
                resource.key,
                manifest.name,
                patch,
                manifest.namespace,
                patch_type=patch_type,
                options=options.write_options(FIELD_MANAGER),
            )
        except ApiError as error:
            if error.code == 409 and attempt < CONFLICT_RETRIES:
                current = await kubectl.client.get(resource.key, manifest.name, manifest.namespace)
                continue
            raise _while_patching(manifest, patch, error) from error
        same = changed["metadata"].get("resourceVersion") == current["metadata"].get("resourceVersion")
        return Found(resource, changed), "unchanged" if same else "configured"
    raise AssertionError("the last attempt either returns or raises")


def _while_patching(manifest: Manifest, patch: Object, error: ApiError) -> ApiError:
    if error.code == 422:
        return error
    doing = f"applying patch:\n{to_json(patch, indent=None)}\nto:\n{manifest.describe()}\nfor:"
    return with_source(doing, manifest.source, with_source("patching", manifest.source, error))


def _merged(manifest: Manifest, current: Object, patch: Object, patch_type: str) -> Object:
    from actors.apimachinery.merge_patch import apply_merge_patch
    from actors.apimachinery.strategic_merge import apply_strategic_merge

    if patch_type == "merge":
        return apply_merge_patch(current, patch)
    return apply_strategic_merge(current, patch, manifest.resource)


async def _apply_server_side(kubectl: Kubectl, manifest: Manifest, options: ApplyOptions) -> tuple[Found, str]:
    if options.dry_run == "client":
        raise CommandFailed("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")
    write_options = options.write_options(SERVER_SIDE_MANAGER)
    if options.force_conflicts:
        write_options["force"] = True
    try:
        applied = await kubectl.client.patch(
            manifest.resource.key,
            manifest.name,
            manifest.object,
            manifest.namespace,
            patch_type="apply",
            options=write_options,
        )
    except ApiError as error:
        raise with_source("patching", manifest.source, error) from error
    return Found(manifest.resource, applied), "serverside-applied"
