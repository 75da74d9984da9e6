"""``scale``: a new number of replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import click

from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import (
    DRY_RUN_NOTES,
    DurationType,
    command,
    dry_run_of,
    dry_run_option,
    filename_options,
    selector_option,
)
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Found, Query, Targets, find_all, parse_targets

WAIT_POLL_S: Final = 0.1
#: Somebody else's change of the object in between is no reason to give up.
CONFLICT_RETRIES: Final = 5


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """The flags of ``scale``."""

    replicas: int
    current_replicas: int = -1
    resource_version: str = ""
    timeout: float = 0.0
    all_objects: bool = False
    selector: str = ""
    dry_run: str = "none"


@command("scale", short_help="Set a new size for a deployment, replica set, or replication controller")
@click.argument("args", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@click.option("--replicas", type=int, required=True, metavar="COUNT", help="The new number of replicas.")
@click.option("--current-replicas", type=int, default=-1, help="Only scale when there are so many now.")
@click.option("--resource-version", default="", help="Only scale the object in this version.")
@click.option("--timeout", type=DurationType(), default=0.0, help="Wait so long for the size to be reached.")
@click.option("--all", "all_objects", is_flag=True, help="All objects of the types, in the namespace.")
@selector_option
@filename_options
@dry_run_option
@click.pass_context
def scale_command(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    **flags: Any,
) -> None:
    """Set a new number of replicas."""
    options = ScaleOptions(dry_run=dry_run_of(dry_run), **flags)
    if options.replicas < 0:
        raise CommandFailed("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    if not args and not filenames:
        raise CommandFailed(NO_RESOURCE)
    run_with_client(ctx, lambda kubectl: scale(kubectl, args, filenames, options, recursive=recursive))


async def scale(
    kubectl: Kubectl,
    args: tuple[str, ...],
    filenames: tuple[str, ...],
    options: ScaleOptions,
    *,
    recursive: bool = False,
) -> int | None:
    """Carry out ``scale``."""
    targets = named_targets(kubectl, args, filenames, recursive=recursive)
    query = Query(kubectl.namespace, options.selector)
    found = await find_all(kubectl, targets, query)
    errors = list(query.errors)
    if not found and not errors:
        raise CommandFailed("no objects passed to scale")
    for each in found:
        try:
            await _scale_one(kubectl, each, options)
        except ApiError as error:
            errors.append(error)
            continue
        note = DRY_RUN_NOTES[options.dry_run]
        kubectl.print(f"{each.label} scaled{note}")
    raise_all(errors)
    return None


def named_targets(
    kubectl: Kubectl, args: tuple[str, ...], filenames: tuple[str, ...], *, recursive: bool = False
) -> Targets:
    """What arguments or files name."""
    if not filenames:
        return parse_targets(args, kubectl.resources)
    from actors.kubectl.manifest import read_manifests

    manifests, errors = read_manifests(kubectl, filenames, recursive=recursive)
    raise_all(errors)
    return Targets(tuple((manifest.resource, manifest.name) for manifest in manifests))


async def _scale_one(kubectl: Kubectl, found: Found, options: ScaleOptions) -> None:
    if not found.resource.has_subresource("scale"):
        raise CommandFailed(f"cannot scale {found.resource.kind}: the resource has no scale subresource")
    for attempt in range(CONFLICT_RETRIES + 1):
        try:
            return await _scale_as_read(kubectl, found, options)
        except ApiError as error:
            if error.code != 409 or options.resource_version or attempt == CONFLICT_RETRIES:
                raise
    return None


async def _scale_as_read(kubectl: Kubectl, found: Found, options: ScaleOptions) -> None:
    """Scale what is there now if it is as expected; refused (409) when it changes in between."""
    resource, place = found.resource.key, (found.namespace, found.name, "scale")
    scale = (await kubectl.client.call(Operation("get", resource, *place))).object
    current = int(scale["spec"].get("replicas") or 0)
    if options.current_replicas >= 0 and current != options.current_replicas:
        raise CommandFailed(f"Expected replicas to be {options.current_replicas}, was {current}")
    version = scale["metadata"].get("resourceVersion", "")
    if options.resource_version and version != options.resource_version:
        raise CommandFailed(f"Expected resource version to be {options.resource_version}, was {version}")
    if options.dry_run == "client":
        return
    patch: dict[str, Any] = {"spec": {"replicas": options.replicas}}
    if options.current_replicas >= 0 or options.resource_version:
        patch["metadata"] = {"resourceVersion": version}
    settings: dict[str, Any] = {"patchType": "merge", "fieldManager": "kubectl-scale"}
    if options.dry_run == "server":
        settings["dryRun"] = True
    operation = Operation("patch", resource, *place, patch, settings)
    await kubectl.client.call(operation)
    if options.timeout:
        await _wait_for_size(kubectl, found, options)


async def _wait_for_size(kubectl: Kubectl, found: Found, options: ScaleOptions) -> None:
    ctx = kubectl.client.ctx
    deadline_s = ctx.monotonic_s() + options.timeout
    while True:
        now = await kubectl.client.get(found.resource.key, found.name, found.namespace)
        status = now.get("status") or {}
        observed = int(status.get("observedGeneration") or 0) >= int(now["metadata"].get("generation") or 0)
        if observed and int(status.get("replicas") or 0) == options.replicas:
            return
        if ctx.monotonic_s() >= deadline_s:
            raise CommandFailed(f"timed out waiting for {found.name!r} to be synced")
        await ctx.sleep(WAIT_POLL_S)
