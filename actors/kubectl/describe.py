"""``describe``: everything about an object, with what belongs to it and what happened to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.kubectl.describe_kinds import (
    describe_config_map,
    describe_generic,
    describe_ingress,
    describe_namespace,
    describe_priority_class,
    describe_quota,
    describe_secret,
    describe_service,
    describe_service_account,
)
from actors.kubectl.describe_node import describe_node
from actors.kubectl.describe_pod import describe_pod
from actors.kubectl.describe_workload import describe_deployment, describe_job, describe_replica_set
from actors.kubectl.description import Description
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import all_namespaces_option, command, filename_options, selector_option
from actors.kubectl.scale import named_targets
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Found, Query, Targets, find_all, list_all

Describer = Callable[[Kubectl, Object], Awaitable[Description]]


async def _describe_pod(kubectl: Kubectl, pod: Object) -> Description:
    return describe_pod(pod, kubectl.now_s())


DESCRIBERS: Final[dict[str, Describer]] = {
    "v1/pods": _describe_pod,
    "v1/nodes": describe_node,
    "v1/services": describe_service,
    "v1/namespaces": describe_namespace,
    "v1/configmaps": describe_config_map,
    "v1/secrets": describe_secret,
    "v1/replicationcontrollers": describe_replica_set,
    "apps/v1/deployments": describe_deployment,
    "apps/v1/replicasets": describe_replica_set,
    "batch/v1/jobs": describe_job,
    "networking.k8s.io/v1/ingresses": describe_ingress,
    "scheduling.k8s.io/v1/priorityclasses": describe_priority_class,
    "v1/serviceaccounts": describe_service_account,
    "v1/resourcequotas": describe_quota,
}
#: Kinds that nothing is recorded about, or whose description kubectl ends without events.
WITHOUT_EVENTS: Final = frozenset(("v1/namespaces", "v1/secrets", "v1/resourcequotas"))


@command("describe", short_help="Show details of a specific resource or group of resources")
@click.argument("args", nargs=-1, metavar="TYPE [NAME_PREFIX | -l SELECTOR] | TYPE/NAME")
@selector_option
@all_namespaces_option
@filename_options
@click.option("--show-events/--no-show-events", default=True, help="Show what happened to the object.")
@click.pass_context
def describe_command(
    ctx: click.Context, /, args: tuple[str, ...], filenames: tuple[str, ...], recursive: bool, **flags: Any
) -> None:
    """Show details of objects, with what belongs to them and what happened to them."""
    if not args and not filenames:
        raise CommandFailed(
            'You must specify the type of resource to describe. Use "podchain api-resources" '
            "for a complete list of supported resources."
        )

    async def work(kubectl: Kubectl) -> None:
        targets = named_targets(kubectl, args, filenames, recursive=recursive)
        query = Query(kubectl.namespace, flags["selector"], "", flags["all_namespaces"])
        await describe(kubectl, targets, query, show_events=flags["show_events"])

    run_with_client(ctx, work)


async def describe(kubectl: Kubectl, targets: Targets, query: Query, *, show_events: bool = True) -> None:
    """Carry out ``describe``."""
    found = await find_all(kubectl, targets, query)
    errors = list(query.errors)
    if targets.named and not found and all(isinstance(e, ApiError) and e.code == 404 for e in errors):
        found = await _by_prefix(kubectl, targets, query)
        errors = [] if found else errors
    for index, each in enumerate(found):
        if index:
            kubectl.out.write("\n\n")
        kubectl.out.write(await describe_one(kubectl, each, show_events=show_events and len(found) == 1))
        kubectl.flush()
    if not found and not errors:
        where = "" if query.all_namespaces else f" in {kubectl.namespace} namespace."
        kubectl.warn(f"No resources found{where}")
    raise_all(errors)


async def _by_prefix(kubectl: Kubectl, targets: Targets, query: Query) -> list[Found]:
    """Objects whose names begin like the one given."""
    found: list[Found] = []
    for resource, prefix in targets.named:
        items, _ = await list_all(kubectl.client, resource, query)
        found.extend(Found(resource, item) for item in items if item["metadata"]["name"].startswith(prefix))
    return found


async def describe_one(kubectl: Kubectl, found: Found, *, show_events: bool = True) -> str:
    """The description of one object."""
    describer = DESCRIBERS.get(found.resource.key, describe_generic)
    out = await describer(kubectl, found.object)
    if show_events and found.resource.key not in WITHOUT_EVENTS:
        is_pod = found.resource.key == "v1/pods"
        out.events(await events_about(kubectl, found), kubectl.now_s(), with_field=is_pod)
    return out.text()


async def events_about(kubectl: Kubectl, found: Found) -> list[Object]:
    """The events that were recorded about an object."""
    terms = {
        "involvedObject.name": found.name,
        "involvedObject.namespace": found.namespace,
        "involvedObject.kind": found.resource.kind,
    }
    if found.resource.kind != "Node":  # events about nodes carry the node's name as uid
        terms["involvedObject.uid"] = found.object["metadata"].get("uid", "")
    selector = ",".join(f"{field}={value}" for field, value in sorted(terms.items()) if value)
    listed = await kubectl.client.list("v1/events", found.namespace, field_selector=selector)
    return listed.items
