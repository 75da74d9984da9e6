"""``events``: what happened, oldest first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.stream import DELETED, Stream
from actors.client.informer import Informer
from actors.kubectl.description import event_interval, last_seen_s
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import all_namespaces_option, command, split_lists
from actors.kubectl.output_format import formatter_of
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.tab_writer import align
from actors.kubectl.target import Found, Query, canonical_selectors, list_all, parse_targets

EVENTS: Final = "v1/events"


@command("events", short_help="List events")
@click.option("--for", "for_what", default="", metavar="TYPE/NAME", help="Only events about this object.")
@click.option("--types", multiple=True, metavar="TYPE", help="Only events of these types (Normal, Warning).")
@click.option("-w", "--watch", is_flag=True, help="Watch for events after listing.")
@all_namespaces_option
@click.option("--no-headers", is_flag=True, help="Print without headers.")
@click.option("-o", "--output", default="", metavar="FORMAT", help="json, yaml, name, ...")
@click.option("--chunk-size", type=int, default=500, hidden=True)
@click.pass_context
def events_command(ctx: click.Context, /, for_what: str, types: tuple[str, ...], chunk_size: int, **flags: Any) -> None:  # noqa: ARG001
    """Show events, the newest last."""
    wanted = [name.lower() for name in split_lists(types)]
    for name in wanted:
        if name not in ("normal", "warning"):
            raise CommandFailed(f"valid --types are Normal or Warning: {name}" if name else "--types is empty")
    run_with_client(ctx, lambda kubectl: events(kubectl, for_what, wanted, **flags))


def _selector_for(kubectl: Kubectl, for_what: str) -> str:
    if not for_what:
        return ""
    if "/" not in for_what:
        raise CommandFailed(f"--for must be in resource/name form: {for_what}")
    ((resource, name),) = parse_targets([for_what], kubectl.resources).named[:1]
    return f"involvedObject.kind={resource.kind},involvedObject.name={name}"


async def events(
    kubectl: Kubectl,
    for_what: str,
    types: Sequence[str],
    *,
    watch: bool = False,
    all_namespaces: bool = False,
    no_headers: bool = False,
    output: str = "",
) -> int | None:
    """Carry out ``events``."""
    resource = kubectl.resources.get(EVENTS)
    assert resource is not None
    query = Query(kubectl.namespace, "", _selector_for(kubectl, for_what), all_namespaces)
    items, _ = await list_all(kubectl.client, resource, query)
    items = sorted((item for item in items if _is_wanted(item, types)), key=last_seen_s)
    formatter = formatter_of(output)
    if formatter is not None:
        kubectl.out.write(formatter([Found(resource, item) for item in items], True))
    elif items:
        lines = [] if no_headers else [_header(all_namespaces)]
        lines.extend(_row(item, kubectl.now_s(), all_namespaces) for item in items)
        kubectl.print(align("\n".join(lines), minimum_width=6, padding=3))
    elif not watch:
        where = "No events found." if all_namespaces else f"No events found in {kubectl.namespace} namespace."
        kubectl.warn(where)
    kubectl.flush()
    if watch:
        await _watch(kubectl, query, types, {_version(item) for item in items}, all_namespaces=all_namespaces)
    return None


def _is_wanted(event: Object, types: Sequence[str]) -> bool:
    return not types or str(event.get("type", "")).lower() in types


def _version(event: Object) -> tuple[str, str]:
    metadata = event["metadata"]
    return metadata.get("uid", ""), metadata.get("resourceVersion", "")


def _header(all_namespaces: bool) -> str:
    return ("NAMESPACE\t" if all_namespaces else "") + "LAST SEEN\tTYPE\tREASON\tOBJECT\tMESSAGE"


def _row(event: Object, now_s: float, all_namespaces: bool) -> str:
    about = event.get("involvedObject") or {}
    message = str(event.get("message") or "").strip().replace("\n", " ")
    namespace = f"{event['metadata'].get('namespace', '')}\t" if all_namespaces else ""
    kind = event.get("type", "")
    reason = event.get("reason", "")
    thing = f"{about.get('kind', '')}/{about.get('name', '')}"
    return f"{namespace}{event_interval(event, now_s)}\t{kind}\t{reason}\t{thing}\t{message}"


async def _watch(
    kubectl: Kubectl, query: Query, types: Sequence[str], shown: set[tuple[str, str]], *, all_namespaces: bool
) -> None:
    _, fields = canonical_selectors("", query.field_selector, kubectl.resources.resolve(EVENTS.rpartition("/")[2]))
    namespace = "" if all_namespaces else query.namespace
    informer = Informer(kubectl.client, Stream(EVENTS, namespace, "", fields))

    def on_event(kind: str, event: Object, _old: Object | None) -> None:
        if kind == DELETED or not _is_wanted(event, types) or _version(event) in shown:
            return
        row = _row(event, kubectl.now_s(), all_namespaces)
        kubectl.print(align(row, minimum_width=6, padding=3))
        kubectl.flush()

    informer.on_event(on_event)
    await informer.start()
    await asyncio.Event().wait()
