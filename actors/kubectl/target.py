"""What a command line names: ``pods web``, ``deploy/web svc/web``, ``all``, ``-f file``, with kubectl's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource, ResourceTable
from actors.apimachinery.selector import FieldSelector, LabelSelector, SelectorError
from actors.apimachinery.status import ApiError, bad_request
from actors.client.client import Client
from actors.kubectl.failure import CommandFailed
from actors.kubectl.session import Kubectl

NO_RESOURCE = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""

LIST_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Found:
    """An object and the resource it is one of."""

    resource: Resource
    object: Object

    @property
    def name(self) -> str:
        name: str = self.object["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        namespace: str = self.object["metadata"].get("namespace", "")
        return namespace

    @property
    def label(self) -> str:
        """``deployment.apps/web``, ``pod/web``: how kubectl names it in what it prints."""
        return label_of(self.resource, self.name)


def label_of(resource: Resource, name: str) -> str:
    """``deployment.apps/web``, ``pod/web``."""
    return f"{resource.kind.lower()}.{resource.group}/{name}" if resource.group else f"{resource.kind.lower()}/{name}"


@dataclass(frozen=True, slots=True)
class Targets:
    """Named objects, or whole collections."""

    named: tuple[tuple[Resource, str], ...] = ()
    collections: tuple[Resource, ...] = ()

    @property
    def resources(self) -> list[Resource]:
        """The resources that are meant, each once, in the order given."""
        return list(dict.fromkeys([*self.collections, *(resource for resource, _ in self.named)]))


def parse_targets(args: Sequence[str], table: ResourceTable) -> Targets:
    """Read the arguments of a command. Raises `CommandFailed` or `UnknownResource`."""
    if not args:
        raise CommandFailed(NO_RESOURCE)
    if any("/" in argument for argument in args):
        return Targets(tuple(pair for argument in args for pair in _pairs(argument, table)))
    resources = table.resolve_all(args[0])
    if len(args) == 1:
        return Targets(collections=tuple(resources))
    names = list(dict.fromkeys(args[1:]))
    return Targets(tuple((resource, name) for resource in resources for name in names))


def _pairs(argument: str, table: ResourceTable) -> list[tuple[Resource, str]]:
    kinds, slash, name = argument.partition("/")
    if not slash:
        raise CommandFailed(
            "there is no need to specify a resource type as a separate argument when passing arguments in "
            "resource/name form (e.g. 'podchain get resource/<resource_name>' instead of "
            "'podchain get resource resource/<resource_name>'"
        )
    if "/" in name:
        raise CommandFailed("arguments in resource/name form may not have more than one slash")
    if not kinds or not name:
        raise CommandFailed("arguments in resource/name form must have a single resource and name")
    return [(resource, name) for resource in table.resolve_all(kinds)]


@dataclass(slots=True)
class Query:
    """Which objects of the targets, and where."""

    namespace: str
    label_selector: str = ""
    field_selector: str = ""
    all_namespaces: bool = False
    errors: list[Exception] = field(default_factory=list)
    """What could not be read; the rest is found all the same."""

    def namespace_of(self, resource: Resource) -> str:
        """Where to look for objects of a resource."""
        return "" if self.all_namespaces or not resource.namespaced else self.namespace


def canonical_selectors(labels: str, fields: str, resource: Resource) -> tuple[str, str]:
    """Selectors in the text form that streams and lists use. Raises `SelectorError`."""
    return (
        str(LabelSelector.parse(labels)) if labels else "",
        str(FieldSelector.parse(fields, resource.key, resource.selectable_fields)) if fields else "",
    )


async def list_all(client: Client, resource: Resource, query: Query) -> tuple[list[Object], int]:
    """A whole collection, page by page, and the revision of its state."""
    try:
        labels, fields = canonical_selectors(query.label_selector, query.field_selector, resource)
    except SelectorError as error:
        raise bad_request(
            f'Unable to find "{resource.group}/{resource.version}, Resource={resource.plural}" that match '
            f'label selector "{query.label_selector}", field selector "{query.field_selector}": {error}'
        ) from error
    items: list[Object] = []
    token = ""
    while True:
        page = await client.list(
            resource.key,
            query.namespace_of(resource),
            label_selector=labels,
            field_selector=fields,
            limit=LIST_PAGE_SIZE,
            continue_token=token,
        )
        items.extend(page.items)
        token = page.continue_token
        if not token:
            return items, page.revision


async def find(kubectl: Kubectl, targets: Targets, query: Query) -> AsyncIterator[Found]:
    """The objects, in order. What can't be read is noted in the query's errors."""
    for resource in targets.collections:
        try:
            items, _ = await list_all(kubectl.client, resource, query)
        except ApiError as error:
            query.errors.append(error)
            continue
        for item in items:
            yield Found(resource, item)
    for resource, name in targets.named:
        if query.all_namespaces and resource.namespaced:
            raise CommandFailed("a resource cannot be retrieved by name across all namespaces")
        try:
            obj = await kubectl.client.get(resource.key, name, query.namespace_of(resource))
        except ApiError as error:
            query.errors.append(error)
            continue
        yield Found(resource, obj)


async def find_all(kubectl: Kubectl, targets: Targets, query: Query) -> list[Found]:
    """The objects as a list."""
    return [found async for found in find(kubectl, targets, query)]
