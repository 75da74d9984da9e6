"""``rollout``: watch, inspect and steer the rollout of a new pod template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import click

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.following import ObjectFollower
from actors.kubectl.grammar import (
    DurationType,
    Group,
    dry_run_of,
    dry_run_option,
    filename_options,
    namespace_option,
    options,
    selector_option,
    subcommand,
)
from actors.kubectl.rollout_history import (
    change_cause,
    previous_revision,
    replica_sets_by_revision,
    rollback_patch,
    template_without_hash,
)
from actors.kubectl.rollout_status import rollout_status
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.tab_writer import align
from actors.kubectl.target import Found, Query, find_all

RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
FIELD_MANAGER: Final = "kubectl-rollout"

target_options = options(
    click.argument("args", nargs=-1, metavar="TYPE NAME | TYPE/NAME"), filename_options, selector_option
)
OneByOne = Callable[[Kubectl, Found], Awaitable[None]]


@click.group("rollout", cls=Group, short_help="Manage the rollout of a resource")
@namespace_option
def rollout_group() -> None:
    """Manage the rollout of deployments, daemon sets and stateful sets."""


def _each(ctx: click.Context, args: Sequence[str], flags: dict[str, Any], work: OneByOne) -> None:
    """Do something with every object named; what fails is told at the end."""
    if not args and not flags["filenames"]:
        raise CommandFailed("required resource not specified")

    async def all_of_them(kubectl: Kubectl) -> None:
        targets = named_targets(kubectl, tuple(args), flags["filenames"], recursive=flags["recursive"])
        query = Query(kubectl.namespace, flags["selector"])
        found = await find_all(kubectl, targets, query)
        errors = list(query.errors)
        for each in found:
            try:
                await work(kubectl, each)
            except (ApiError, CommandFailed) as error:
                errors.append(error)
        raise_all(errors)

    run_with_client(ctx, all_of_them)


@subcommand(rollout_group, "status", short_help="Show the status of the rollout")
@target_options
@click.option("-w", "--watch/--no-watch", default=True, help="Watch the status until the rollout is done.")
@click.option("--revision", type=int, default=0, help="Fail when this isn't the running revision.")
@click.option("--timeout", type=DurationType(), default=0.0, help="Give up after this long.")
@click.pass_context
def status_command(
    ctx: click.Context, /, args: tuple[str, ...], watch: bool, revision: int, timeout: float, **flags: Any
) -> None:
    """Watch a rollout until it is done."""

    async def work(kubectl: Kubectl, found: Found) -> None:
        await show_status(kubectl, found, watch=watch, revision=revision, timeout_s=timeout)

    _each(ctx, args, flags, work)


async def show_status(
    kubectl: Kubectl, found: Found, *, watch: bool = True, revision: int = 0, timeout_s: float = 0.0
) -> None:
    """Print a rollout's status, and again whenever it changes until the rollout is done. Raises `CommandFailed`."""
    if not watch:
        kubectl.print(rollout_status(found.object, revision)[0])
        return
    follower = ObjectFollower(kubectl, found.resource, found.name, found.namespace)
    await follower.start()
    deadline_s = kubectl.client.ctx.monotonic_s() + timeout_s if timeout_s else None
    try:
        while True:
            obj = follower.object
            if obj is None:
                raise CommandFailed("object has been deleted")
            said, done = rollout_status(obj, revision)
            kubectl.print(said)
            kubectl.flush()
            if done:
                return
            if not await follower.change(deadline_s):
                raise CommandFailed("timed out waiting for the condition")
    finally:
        follower.stop()


@subcommand(rollout_group, "history", short_help="View rollout history")
@target_options
@click.option("--revision", type=int, default=0, help="Show this revision's pod template.")
@click.option("-o", "--output", default="", help="yaml or json: the revision's object.")
@click.pass_context
def history_command(ctx: click.Context, /, args: tuple[str, ...], revision: int, output: str, **flags: Any) -> None:
    """Show a deployment's revisions, or one of them."""
    if revision < 0:
        raise CommandFailed(f"revision must be a positive integer: {revision}")

    async def work(kubectl: Kubectl, found: Found) -> None:
        _only_deployments(found, "history viewer")
        history = await replica_sets_by_revision(kubectl, found.object)
        if revision and revision not in history:
            raise CommandFailed("unable to find the specified revision")
        if output:
            from actors.kubectl.output_format import formatter_of

            formatter = formatter_of(output)
            newest = history[revision or max(history)]
            if formatter is not None:
                kubectl.out.write(formatter([Found(kubectl.resources.resolve("replicasets"), newest)], False))
        elif revision:
            from actors.kubectl.describe_pod import template_text

            kubectl.print(f"{found.label} with revision #{revision}")
            kubectl.print(template_text(history[revision]["spec"]["template"], change_cause(history[revision])))
        else:
            lines = ["REVISION\tCHANGE-CAUSE", *(f"{number}\t{change_cause(rs)}" for number, rs in history.items())]
            kubectl.print(f"{found.label} ")
            kubectl.print(align("\n".join(lines)) + "\n")

    _each(ctx, args, flags, work)


def _only_deployments(found: Found, what: str) -> None:
    if found.resource.kind != "Deployment":
        raise CommandFailed(f'no {what} has been implemented for "{found.resource.kind}"')


@subcommand(rollout_group, "undo", short_help="Undo a previous rollout")
@target_options
@click.option("--to-revision", type=int, default=0, help="The revision to go back to (default: the one before).")
@dry_run_option
@click.pass_context
def undo_command(ctx: click.Context, /, args: tuple[str, ...], to_revision: int, dry_run: str, **flags: Any) -> None:
    """Go back to an earlier pod template."""
    mode = dry_run_of(dry_run)

    async def work(kubectl: Kubectl, found: Found) -> None:
        _only_deployments(found, "rollbacker")
        kubectl.print(f"{found.label} {await undo(kubectl, found, to_revision, mode)}")

    _each(ctx, args, flags, work)


async def undo(kubectl: Kubectl, found: Found, to_revision: int, mode: str = "none") -> str:
    """Bring a deployment back to a revision; answers what to say of it. Raises `CommandFailed`."""
    deployment = found.object
    if to_revision < 0:
        raise CommandFailed("unable to find specified revision in history")
    history = await replica_sets_by_revision(kubectl, deployment)
    revision = to_revision or previous_revision(history, found.name)
    if revision not in history:
        raise CommandFailed(f"unable to find specified revision {revision} in history")
    replica_set = history[revision]
    if mode == "client":
        from actors.kubectl.describe_pod import template_text

        return template_text(template_without_hash(replica_set), change_cause(replica_set)) + " (dry run)"
    if deployment["spec"].get("paused"):
        raise CommandFailed(
            "cannot rollback a paused deployment; resume it first with 'podchain rollout resume' and try again"
        )
    if template_without_hash(replica_set) == deployment["spec"]["template"]:
        return f"skipped rollback (current template already matches revision {revision})"
    settings = {"dryRun": True} if mode == "server" else {}
    await kubectl.client.patch(
        found.resource.key,
        found.name,
        rollback_patch(deployment, replica_set),
        found.namespace,
        patch_type="json",
        options=settings,
    )
    return "rolled back (server dry run)" if mode == "server" else "rolled back"


async def _patch(kubectl: Kubectl, found: Found, patch: Object) -> None:
    await kubectl.client.patch(
        found.resource.key,
        found.name,
        patch,
        found.namespace,
        patch_type="strategic",
        options={"fieldManager": FIELD_MANAGER},
    )


@subcommand(rollout_group, "restart", short_help="Restart a resource")
@target_options
@click.pass_context
def restart_command(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Replace all pods, by a change of the pod template."""

    async def work(kubectl: Kubectl, found: Found) -> None:
        if found.resource.kind not in ("Deployment", "DaemonSet", "StatefulSet"):
            raise CommandFailed(f"{found.label} restarting is not supported")
        if found.object["spec"].get("paused"):
            raise CommandFailed(
                f'{found.resource.group_resource} "{found.name}" '
                "can't restart paused deployment (run rollout resume first)"
            )
        annotation = {RESTARTED_AT: format_time(kubectl.now_s())}
        await _patch(kubectl, found, {"spec": {"template": {"metadata": {"annotations": annotation}}}})
        kubectl.print(f"{found.label} restarted")

    _each(ctx, args, flags, work)


def _pausing(ctx: click.Context, args: Sequence[str], flags: dict[str, Any], *, pause: bool) -> None:
    async def work(kubectl: Kubectl, found: Found) -> None:
        if found.resource.kind != "Deployment":
            raise CommandFailed(f"{found.label} {'pausing' if pause else 'resuming'} is not supported")
        if bool(found.object["spec"].get("paused")) is pause:
            what = "already" if pause else "not"
            raise CommandFailed(f'{found.resource.group_resource} "{found.name}" is {what} paused')
        await _patch(kubectl, found, {"spec": {"paused": True if pause else None}})
        kubectl.print(f"{found.label} {'paused' if pause else 'resumed'}")

    _each(ctx, args, flags, work)


@subcommand(rollout_group, "pause", short_help="Mark the provided resource as paused")
@target_options
@click.pass_context
def pause_command(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Have changes of the pod template wait."""
    _pausing(ctx, args, flags, pause=True)


@subcommand(rollout_group, "resume", short_help="Resume a paused resource")
@target_options
@click.pass_context
def resume_command(ctx: click.Context, /, args: tuple[str, ...], **flags: Any) -> None:
    """Roll out what was changed while the deployment was paused."""
    _pausing(ctx, args, flags, pause=False)
