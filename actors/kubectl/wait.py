"""``wait``: until a condition of objects holds, or they exist, or they are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from actors.apimachinery import jsonpath
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.following import ObjectFollower
from actors.kubectl.grammar import (
    DurationType,
    all_namespaces_option,
    command,
    field_selector_option,
    filename_options,
    selector_option,
)
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import NO_RESOURCE, Query, Targets, label_of, list_all

Condition = Callable[[Object | None], bool]
"""Whether an object, or its absence, is what was waited for."""

TIMEOUT_NEGATIVE_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Awaited:
    """What ``--for`` asks for."""

    condition: Condition
    absent_is_fine: bool = False
    """The object need not exist when the waiting begins."""


def parse_condition(text: str) -> Awaited:
    """Read ``--for``: delete, create, condition=NAME[=VALUE] or jsonpath={...}[=VALUE]. Raises `CommandFailed`."""
    if text.lower() == "delete":
        return Awaited(lambda obj: obj is None, absent_is_fine=True)
    if text.lower() == "create":
        return Awaited(lambda obj: obj is not None, absent_is_fine=True)
    if text.startswith("condition="):
        name, _, value = text.removeprefix("condition=").partition("=")
        return Awaited(_condition(name.strip("'\""), value.strip("'\"") or "true"))
    if text.startswith("jsonpath="):
        return Awaited(_jsonpath(text.removeprefix("jsonpath=")))
    raise CommandFailed(f'unrecognized condition: "{text}"' if text else "unrecognized condition: []")


def _condition(name: str, wanted: str) -> Condition:
    def holds(obj: Object | None) -> bool:
        for condition in ((obj or {}).get("status") or {}).get("conditions") or ():
            if str(condition.get("type", "")).lower() != name.lower():
                continue
            generation = int((obj or {})["metadata"].get("generation") or 0)
            observed = condition.get("observedGeneration")
            if observed is not None and int(observed) < generation:
                return False
            return str(condition.get("status", "")).lower() == wanted.lower()
        return False

    return holds


def _split_jsonpath(text: str) -> tuple[str, str | None]:
    """Split ``{.a[?(@.b=="c")].d}=value`` at the equals sign after the braces."""
    body = text.strip("'\"") if text[:1] in "'\"" else text
    end = body.rfind("}")
    if not body.startswith("{") or end < 0:
        raise CommandFailed(
            "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
            "--for=jsonpath='{.status.readyReplicas}'"
        )
    rest = body[end + 1 :].lstrip("'\"")
    if not rest:
        return body[: end + 1], None
    if not rest.startswith("="):
        raise CommandFailed(
            "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
            "--for=jsonpath='{.status.readyReplicas}'"
        )
    value = rest[1:].strip("'\"")
    if not value:
        raise CommandFailed(
            "jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.readyReplicas}'=3"
        )
    return body[: end + 1], value


def _jsonpath(text: str) -> Condition:
    expression, wanted = _split_jsonpath(text)
    try:
        path = jsonpath.parse_path(expression)
    except jsonpath.JSONPathError as error:
        raise CommandFailed(str(error)) from error

    def holds(obj: Object | None) -> bool:
        if obj is None:
            return False
        try:
            found = jsonpath.find(path, obj, obj)
        except jsonpath.JSONPathError:
            return False
        if len(found) > 1:
            raise CommandFailed("given jsonpath expression matches more than one value")
        if not found:
            return False
        if isinstance(found[0], (dict, list)):
            raise CommandFailed("jsonpath leads to a nested object or list which is not supported")
        return wanted is None or jsonpath.text_of(found[0]) == wanted

    return holds


@command("wait", short_help="Wait for a specific condition on one or many resources")
@click.argument("args", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@click.option("--for", "for_what", default="", metavar="CONDITION", help="delete, create, condition=..., jsonpath=...")
@click.option("--timeout", type=DurationType(), default=30.0, help="Give up after this long; negative: a week.")
@click.option("--all", "all_objects", is_flag=True, help="All objects of the types, in the namespace.")
@selector_option
@field_selector_option
@all_namespaces_option
@filename_options
@click.pass_context
def wait_command(
    ctx: click.Context,
    /,
    args: tuple[str, ...],
    for_what: str,
    timeout: float,
    filenames: tuple[str, ...],
    **flags: Any,
) -> None:
    """Wait until the condition holds for every object named."""
    awaited = parse_condition(for_what)
    if not args and not filenames:
        raise CommandFailed(NO_RESOURCE)

    async def work(kubectl: Kubectl) -> None:
        targets = named_targets(kubectl, args, filenames, recursive=flags["recursive"])
        if targets.collections and not (flags["all_objects"] or flags["selector"] or flags["field_selector"]):
            raise CommandFailed("resource(s) were provided, but no name was specified")
        query = Query(kubectl.namespace, flags["selector"], flags["field_selector"], flags["all_namespaces"])
        await wait(kubectl, targets, query, awaited, timeout if timeout >= 0 else TIMEOUT_NEGATIVE_S)

    run_with_client(ctx, work)


async def wait(kubectl: Kubectl, targets: Targets, query: Query, awaited: Awaited, timeout_s: float) -> None:
    """Wait for each object in turn, all within the timeout."""
    deadline_s = kubectl.client.ctx.monotonic_s() + timeout_s
    objects = await _objects(kubectl, targets, query)
    if not objects:
        raise CommandFailed("no matching resources found")
    errors: list[Exception] = []
    for resource, name, namespace in objects:
        try:
            await _wait_for_one(kubectl, resource, name, namespace, awaited, deadline_s)
        except CommandFailed as error:
            errors.append(error)
            continue
        kubectl.print(f"{label_of(resource, name)} condition met")
        kubectl.flush()
    raise_all(errors)


async def _objects(kubectl: Kubectl, targets: Targets, query: Query) -> list[tuple[Resource, str, str]]:
    found = [(resource, name, query.namespace_of(resource)) for resource, name in targets.named]
    for resource in targets.collections:
        items, _ = await list_all(kubectl.client, resource, query)
        found.extend((resource, item["metadata"]["name"], item["metadata"].get("namespace", "")) for item in items)
    return found


async def _wait_for_one(
    kubectl: Kubectl, resource: Resource, name: str, namespace: str, awaited: Awaited, deadline_s: float
) -> None:
    if not awaited.absent_is_fine:
        await kubectl.client.get(resource.key, name, namespace)  # says so when it isn't there
    follower = ObjectFollower(kubectl, resource, name, namespace)
    await follower.start()
    try:
        while not awaited.condition(follower.object):
            if not await follower.change(deadline_s):
                raise CommandFailed(f"timed out waiting for the condition on {resource.plural}/{name}")
    finally:
        follower.stop()
