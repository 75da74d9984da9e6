"""``delete``: objects by name, file or selector, and waiting until they are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from actors.apimachinery.meta import uid_of
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import (
    DRY_RUN_NOTES,
    DurationType,
    all_namespaces_option,
    command,
    dry_run_of,
    dry_run_option,
    field_selector_option,
    filename_options,
    selector_option,
)
from actors.kubectl.manifest import read_manifests
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Found, Query, find_all, label_of, parse_targets

PROPAGATION: Final = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
FORCE_WARNING: Final = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely."
)
POLL_S: Final = 0.05
POLL_MAX_S: Final = 0.5
#: Without a timeout of its own, waiting ends after this long (kubectl: a week).
WAIT_MAX_S: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The flags of ``delete``."""

    grace_period: int = -1
    force: bool = False
    now: bool = False
    cascade: str = "background"
    wait: bool = True
    timeout: float = 0.0
    ignore_not_found: bool = False
    delete_all: bool = False
    selector: str = ""
    field_selector: str = ""
    all_namespaces: bool = False
    dry_run: str = "none"
    output: str = ""

    def grace_period_s(self) -> int | None:
        """What to ask of the server; None for the objects' own. Raises `CommandFailed`."""
        if self.now and self.grace_period >= 0:
            raise CommandFailed("--now and --grace-period cannot be specified together")
        if self.grace_period == 0 and not self.force:
            return 1  # kubectl: only --force deletes without any wait for the containers
        if self.force:
            if self.grace_period > 0:
                raise CommandFailed("--force and --grace-period greater than 0 cannot be specified together")
            return 0
        if self.now:
            return 1
        return self.grace_period if self.grace_period >= 0 else None

    def delete_options(self) -> dict[str, Any]:
        """Options of the API server's delete. Raises `CommandFailed`."""
        if self.cascade not in PROPAGATION:
            raise CommandFailed(
                f'invalid cascade value ({self.cascade}). Must be "background", "foreground", or "orphan"'
            )
        options: dict[str, Any] = {"propagationPolicy": PROPAGATION[self.cascade]}
        grace_s = self.grace_period_s()
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if self.dry_run == "server":
            options["dryRun"] = True
        return options


@command("delete", short_help="Delete resources by file names, stdin, resources and names, or by selector")
@click.argument("args", nargs=-1, metavar="[TYPE NAME... | TYPE/NAME...]")
@filename_options
@selector_option
@field_selector_option
@all_namespaces_option
@click.option("--all", "delete_all", is_flag=True, help="All objects of the types named, in the namespace.")
@click.option("--grace-period", type=int, default=-1, metavar="SECONDS", help="Time given to terminate.")
@click.option("--force", is_flag=True, help="Delete at once, without waiting for containers to end.")
@click.option("--now", is_flag=True, help="As --grace-period=1.")
@click.option("--cascade", default="background", is_flag=False, flag_value="background", metavar="STRATEGY")
@click.option("--wait/--no-wait", "wait_flag", default=None, help="Wait for the objects to be gone.")
@click.option("--timeout", type=DurationType(), default=0.0, help="Give up waiting after this long.")
@click.option("--ignore-not-found", is_flag=True, help="Treat missing objects as deleted.")
@dry_run_option
@click.option("-o", "--output", default="", help="name: print names only.")
@click.pass_context
def delete_command(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    wait_flag: bool | None,
    **flags: Any,
) -> None:
    """Delete objects, and by default wait until they are gone."""
    options = DeleteOptions(dry_run=dry_run_of(dry_run), wait=wait_flag is not False, **flags)
    if not args and not filenames:
        raise CommandFailed(NO_RESOURCE)
    run_with_client(ctx, lambda kubectl: delete(kubectl, args, filenames, options, recursive=recursive))


async def delete(
    kubectl: Kubectl, args: Sequence[str], filenames: Sequence[str], options: DeleteOptions, *, recursive: bool = False
) -> int | None:
    """Carry out ``delete``."""
    settings = options.delete_options()
    if options.force:
        kubectl.warn(FORCE_WARNING)
    if options.output not in ("", "name"):
        raise CommandFailed(f"unexpected -o output mode: {options.output}. We only support '-o name'")
    errors: list[Exception] = []
    found = await _from_files(kubectl, filenames, errors, recursive=recursive) if filenames else []
    found += await _from_arguments(kubectl, args, options, errors) if args else []
    deleted: list[Found] = []
    for each in found:
        try:
            if options.dry_run != "client":
                gone = await kubectl.client.delete(each.resource.key, each.name, each.namespace, options=settings)
                deleted.append(Found(each.resource, gone))
        except ApiError as error:
            if error.code != 404 or not options.ignore_not_found:
                errors.append(error)
            continue
        kubectl.print(_told(each, options))
    kubectl.flush()
    if not found and not errors and not options.ignore_not_found:
        kubectl.print("No resources found")
    if options.wait and options.dry_run == "none":
        await wait_until_gone(kubectl, deleted, options.timeout or WAIT_MAX_S)
    raise_all(errors)
    return None


def _told(found: Found, options: DeleteOptions) -> str:
    if options.output == "name":
        return label_of(found.resource, found.name)
    kind = found.label.partition("/")[0]
    verb = "force deleted" if options.force else "deleted"
    where = f" from {found.namespace} namespace" if found.resource.namespaced and found.namespace else ""
    note = DRY_RUN_NOTES[options.dry_run]
    return f'{kind} "{found.name}" {verb}{where}{note}'


async def _from_files(
    kubectl: Kubectl, filenames: Sequence[str], errors: list[Exception], *, recursive: bool
) -> list[Found]:
    """What manifests name. Their objects may be gone already, which the delete itself will say."""
    manifests, unread = read_manifests(kubectl, filenames, recursive=recursive)
    errors.extend(unread)
    return [Found(manifest.resource, manifest.object) for manifest in manifests]


async def _from_arguments(
    kubectl: Kubectl, args: Sequence[str], options: DeleteOptions, errors: list[Exception]
) -> list[Found]:
    targets = parse_targets(args, kubectl.resources)
    selective = options.selector or options.field_selector
    if targets.collections and not selective and not options.delete_all:
        raise CommandFailed("resource(s) were provided, but no name was specified")
    if targets.named and selective:
        raise CommandFailed("name cannot be provided when a selector is specified")
    if targets.named and options.delete_all:
        raise CommandFailed("name cannot be provided when --all is specified")
    if options.delete_all and options.selector:
        raise CommandFailed("setting 'all' parameter but found a non empty selector. ")
    query = Query(kubectl.namespace, options.selector, options.field_selector, options.all_namespaces)
    if targets.collections:
        found = await find_all(kubectl, targets, query)
        errors.extend(query.errors)
        return found
    return [
        Found(resource, {"metadata": {"name": name, "namespace": query.namespace_of(resource)}})
        for resource, name in targets.named
    ]


async def wait_until_gone(kubectl: Kubectl, objects: Sequence[Found], timeout_s: float) -> None:
    """Until none of the objects is there any more, nor one of the same name that was made in its place.

    Raises `CommandFailed` when it takes longer.
    """
    ctx = kubectl.client.ctx
    deadline_s = ctx.monotonic_s() + timeout_s
    for each in objects:
        pause_s = POLL_S
        while await _still_there(kubectl, each):
            if ctx.monotonic_s() >= deadline_s:
                raise CommandFailed(f"timed out waiting for the condition on {each.resource.plural}/{each.name}")
            await ctx.sleep(pause_s)
            pause_s = min(pause_s * 1.5, POLL_MAX_S)


async def _still_there(kubectl: Kubectl, found: Found) -> bool:
    try:
        now = await kubectl.client.get(found.resource.key, found.name, found.namespace)
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    uid = uid_of(found.object)
    return not uid or uid_of(now) == uid
