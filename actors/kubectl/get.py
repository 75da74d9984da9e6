"""``get``: objects as tables, YAML, JSON, names or by template, once or as they change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import ADDED, Stream
from actors.client.informer import Informer
from actors.kubectl.failure import CommandFailed, raise_all
from actors.kubectl.grammar import (
    all_namespaces_option,
    command,
    field_selector_option,
    filename_options,
    output_option,
    selector_option,
    split_lists,
)
from actors.kubectl.object_printer import to_json, to_yaml
from actors.kubectl.output_format import Formatter, formatter_of, shown_object
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.table_printer import TableOptions, TablePrinter
from actors.kubectl.target import Found, Query, Targets, canonical_selectors, find_all, parse_targets

NOTHING_NAMED = """You must specify the type of resource to get. \
Use "podchain api-resources" for a complete list of supported resources.

error: Required resource not specified.
Use "podchain explain <resource>" for a detailed description of that resource (e.g. podchain explain pods).
See 'podchain get -h' for help and examples"""


@dataclass(frozen=True, slots=True)
class GetOptions:
    """The flags of ``get``."""

    output: str = ""
    all_namespaces: bool = False
    selector: str = ""
    field_selector: str = ""
    watch: bool = False
    watch_only: bool = False
    output_watch_events: bool = False
    show_labels: bool = False
    show_kind: bool = False
    show_managed_fields: bool = False
    no_headers: bool = False
    sort_by: str = ""
    label_columns: tuple[str, ...] = ()
    ignore_not_found: bool = False
    filenames: tuple[str, ...] = ()
    recursive: bool = False
    chunk_size: int = 500

    def table_options(self) -> TableOptions:
        """What they say about tables."""
        return TableOptions(
            wide=self.output == "wide",
            headers=not self.no_headers,
            show_labels=self.show_labels,
            label_columns=self.label_columns,
            with_namespace=self.all_namespaces,
            with_kind=self.show_kind,
        )


@command("get", short_help="Display one or many resources")
@click.argument("args", nargs=-1, metavar="[TYPE[,TYPE...] [NAME...] | TYPE/NAME...]")
@output_option
@all_namespaces_option
@selector_option
@field_selector_option
@click.option("-w", "--watch", is_flag=True, help="Watch for changes after listing.")
@click.option("--watch-only", is_flag=True, help="Watch for changes without listing first.")
@click.option("--output-watch-events", is_flag=True, help="Print watch events instead of bare objects.")
@click.option("--show-labels", is_flag=True, help="Show all labels as the last column.")
@click.option("--show-kind", is_flag=True, help="Show the kind before each name.")
@click.option("--show-managed-fields", is_flag=True, help="Keep managedFields in YAML and JSON.")
@click.option("--no-headers", is_flag=True, help="Print tables without headers.")
@click.option("--sort-by", default="", metavar="JSONPATH", help="Sort lists by a field.")
@click.option("-L", "--label-columns", multiple=True, metavar="LABEL", help="Labels to show as columns.")
@click.option("--ignore-not-found", is_flag=True, help="Treat missing objects as a success.")
@click.option(
    "--chunk-size", type=int, default=500, help="Lists are always read in chunks; kept for kubectl's grammar."
)
@filename_options
@click.pass_context
def get_command(ctx: click.Context, /, args: tuple[str, ...], **flags: object) -> None:
    """Print a table of the most important information about objects, or the objects themselves."""
    options = GetOptions(**{**flags, "label_columns": tuple(split_lists(flags["label_columns"]))})  # type: ignore[arg-type]
    run_with_client(ctx, lambda kubectl: get(kubectl, args, options))


async def get(kubectl: Kubectl, args: Sequence[str], options: GetOptions) -> int | None:
    """Carry out ``get``."""
    formatter = formatter_of(options.output, headers=not options.no_headers, managed_fields=options.show_managed_fields)
    targets = _targets(kubectl, args, options)
    query = Query(kubectl.namespace, options.selector, options.field_selector, options.all_namespaces)
    if targets.named and (options.selector or options.field_selector):
        raise CommandFailed("name cannot be provided when a selector is specified")
    if options.watch or options.watch_only:
        return await watch(kubectl, targets, query, options)
    found = await find_all(kubectl, targets, query)
    errors = _without_not_found(query.errors) if options.ignore_not_found else query.errors
    if options.sort_by:
        from actors.kubectl.sorting import sort_by

        found = sort_by(found, options.sort_by)
    if formatter is None:
        _print_tables(kubectl, found, targets, options)
        if not found and not errors and not options.ignore_not_found:
            kubectl.warn(_nothing_found(kubectl, targets, options))
    elif found or targets.collections:
        kubectl.out.write(formatter(found, bool(targets.collections)))
    raise_all(errors)
    return None


def _targets(kubectl: Kubectl, args: Sequence[str], options: GetOptions) -> Targets:
    if options.filenames:
        from actors.kubectl.manifest import read_manifests

        manifests, errors = read_manifests(kubectl, options.filenames, recursive=options.recursive)
        raise_all(errors)
        return Targets(tuple((manifest.resource, manifest.name) for manifest in manifests))
    if not args:
        kubectl.warn(NOTHING_NAMED)
        raise click.exceptions.Exit(1)
    return parse_targets(args, kubectl.resources)


def _without_not_found(errors: Sequence[Exception]) -> list[Exception]:
    return [error for error in errors if not (isinstance(error, ApiError) and error.code == 404)]


def _nothing_found(kubectl: Kubectl, targets: Targets, options: GetOptions) -> str:
    namespaced = any(resource.namespaced for resource in targets.resources)
    if options.all_namespaces or not namespaced:
        return "No resources found"
    return f"No resources found in {kubectl.namespace} namespace."


def _print_tables(kubectl: Kubectl, found: Sequence[Found], targets: Targets, options: GetOptions) -> None:
    """One table a resource, with kinds before names when there are several."""
    several = len({r.key for r in targets.collections} | {each.resource.key for each in found}) > 1
    shape = options.table_options()
    if several:
        shape = replace(shape, with_kind=True)
    now_s = kubectl.now_s()
    first = True
    for _, group in groupby(found, key=lambda each: each.resource.key):
        members = list(group)
        if not first and not options.no_headers:
            kubectl.print()
        first = False
        namespaced = replace(shape, with_namespace=shape.with_namespace and members[0].resource.namespaced)
        printer = TablePrinter(kubectl.out, members[0].resource, namespaced)
        printer.print([each.object for each in members], now_s)


async def watch(kubectl: Kubectl, targets: Targets, query: Query, options: GetOptions) -> int | None:
    """Print what is there, then every change, until interrupted."""
    if len(targets.resources) > 1 or len(targets.named) > 1:
        raise CommandFailed("you may only specify a single resource type")
    resource = targets.resources[0]
    fields = query.field_selector
    if targets.named:
        name = targets.named[0][1]
        await kubectl.client.get(resource.key, name, query.namespace_of(resource))  # says so when it isn't there
        fields = f"metadata.name={name}"
    labels, fields = canonical_selectors(query.label_selector, fields, resource)
    informer = Informer(kubectl.client, Stream(resource.key, query.namespace_of(resource), labels, fields))
    show = _Watched(kubectl, resource, options)
    informer.on_event(show.on_event)
    await informer.start()
    show.synced()
    await asyncio.Event().wait()
    return None


class _Watched:
    """Prints a stream's events. What was there at first is printed as one table, so that its columns fit."""

    def __init__(self, kubectl: Kubectl, resource: Resource, options: GetOptions) -> None:
        self._kubectl = kubectl
        self._resource = resource
        self._options = options
        self._formatter: Formatter | None = formatter_of(options.output, headers=not options.no_headers)
        table = options.table_options()
        self._printer = TablePrinter(
            kubectl.out, resource, replace(table, with_namespace=table.with_namespace and resource.namespaced)
        )
        self._initial: list[tuple[str, Object]] | None = []

    def on_event(self, kind: str, obj: Object, _old: Object | None) -> None:
        if self._initial is not None:
            self._initial.append((kind, obj))
        else:
            self._print([(kind, obj)])

    def synced(self) -> None:
        initial, self._initial = self._initial or [], None
        if not self._options.watch_only:
            self._print([event for event in initial if event[0] == ADDED])

    def _print(self, events: Sequence[tuple[str, Object]]) -> None:
        if self._options.output_watch_events and self._formatter is not None:
            for kind, obj in events:
                event = {"object": shown_object(obj), "type": kind}
                yaml = self._options.output == "yaml"
                self._kubectl.out.write("---\n" + to_yaml(event) if yaml else to_json(event) + "\n")
        elif self._formatter is None:
            self._printer.print([obj for _, obj in events], self._kubectl.now_s())
        else:
            for _, obj in events:
                separator = "---\n" if self._options.output == "yaml" else ""
                self._kubectl.out.write(separator + self._formatter([Found(self._resource, obj)], False))
        self._kubectl.flush()
