"""``set image``: new images for containers of a pod template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import (
    DRY_RUN_NOTES,
    Group,
    dry_run_of,
    dry_run_option,
    filename_options,
    namespace_option,
    output_option,
    selector_option,
    subcommand,
)
from actors.kubectl.output_format import formatter_of
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Found, Query, find_all


@click.group("set", cls=Group, short_help="Set specific features on objects")
@namespace_option
def set_group() -> None:
    """Configure application resources."""


def split_assignments(args: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Split the arguments into what names objects and the ``container=image`` pairs. Raises `CommandFailed`."""
    names = [argument for argument in args if "=" not in argument]
    images: dict[str, str] = {}
    for argument in args:
        container, equals, image = argument.partition("=")
        if not equals:
            continue
        if not container or not image:
            raise CommandFailed(f"expected CONTAINER_NAME=IMAGE, got {argument}")
        images[container] = image
    return tuple(names), images


@subcommand(set_group, "image", short_help="Update the image of a pod template")
@click.argument("args", nargs=-1, metavar="TYPE/NAME CONTAINER=IMAGE...")
@click.option("--all", "all_objects", is_flag=True, help="All objects of the types, in the namespace.")
@selector_option
@filename_options
@dry_run_option
@output_option
@click.pass_context
def image_command(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    filenames: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    **flags: Any,
) -> None:
    """Give containers new images; * stands for every container."""
    names, images = split_assignments(args)
    if not names and not filenames:
        raise CommandFailed(NO_RESOURCE)
    if not images:
        raise CommandFailed("at least one image update is required")
    if len(images) > 1 and "*" in images:
        raise CommandFailed(
            "all containers are already specified by *, but saw more than one container_name=image pairs"
        )
    mode = dry_run_of(dry_run)

    async def work(kubectl: Kubectl) -> None:
        targets = named_targets(kubectl, names, filenames, recursive=recursive)
        if targets.collections and not flags["all_objects"] and not flags["selector"]:
            raise CommandFailed("resource(s) were provided, but no name was specified")
        query = Query(kubectl.namespace, flags["selector"])
        found = await find_all(kubectl, targets, query)
        errors = list(query.errors)
        for each in found:
            try:
                await _set_one(kubectl, each, images, mode, flags["output"])
            except (ApiError, CommandFailed) as error:
                errors.append(error)
        raise_all(errors)

    run_with_client(ctx, work)


def pod_spec_path(obj: Object) -> tuple[str, ...]:
    """Where an object keeps its pod's spec. Raises `CommandFailed` for kinds without one."""
    kind = obj.get("kind")
    if kind == "Pod":
        return ("spec",)
    if kind == "CronJob":
        return ("spec", "jobTemplate", "spec", "template", "spec")
    if (obj.get("spec") or {}).get("template"):
        return ("spec", "template", "spec")
    raise CommandFailed(f"the object is not a pod or does not have a pod template: {kind}")


def image_patch(obj: Object, images: dict[str, str]) -> Object:
    """The strategic merge patch that sets images; empty when they are set already. Raises `CommandFailed`."""
    path = pod_spec_path(obj)
    spec: Any = obj
    for name in path:
        spec = spec.get(name) or {}
    changes: Object = {}
    known: dict[str, None] = {}
    for field in ("initContainers", "containers"):
        changed = []
        for container in spec.get(field) or ():
            name = container["name"]
            known[name] = None
            image = images.get(name) or (images.get("*") if field == "containers" or "*" in images else None)
            if image and container.get("image") != image:
                changed.append({"image": image, "name": name})
        if changed:
            order = [{"name": container["name"]} for container in spec[field]]
            changes[f"$setElementOrder/{field}"] = order
            changes[field] = changed
    for name in images:
        if name != "*" and name not in known:
            raise CommandFailed(f'unable to find container named "{name}"')
    patch: Any = changes
    for name in reversed(path):
        patch = {name: patch}
    return patch if changes else {}


async def _set_one(kubectl: Kubectl, found: Found, images: dict[str, str], mode: str, output: str) -> None:
    patch = image_patch(found.object, images)
    formatter = formatter_of(output)
    if patch and mode != "client":
        options: dict[str, Any] = {"fieldManager": "kubectl-set"}
        if mode == "server":
            options["dryRun"] = True
        changed = await kubectl.client.patch(
            found.resource.key, found.name, patch, found.namespace, patch_type="strategic", options=options
        )
        found = Found(found.resource, changed)
    elif not patch and formatter is None:
        return
    if formatter is not None:
        kubectl.out.write(formatter([found], False))
        return
    note = DRY_RUN_NOTES[mode]
    kubectl.print(f"{found.label} image updated{note}")
