"""Which resources the API has now: those built in, and those that CustomResourceDefinitions define.

table = await discover(client)                  # once

discovery = Discovery(informers)                # followed by watch
discovery.on_change(handler)                    # told of resources that came or went
await informers.start()
discovery.table
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from actors.apimachinery.custom_resources.definition import CRDS
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import RESOURCES, Resource, ResourceTable, custom_resources_of
from actors.apimachinery.stream import DELETED
from actors.client.client import Client
from actors.client.informer import InformerSet

#: Told of a definition's resources: those before, and those now; the preferred version is the first.
ResourcesHandler = Callable[[list[Resource], list[Resource]], None]

PAGE_SIZE: Final = 100


def table_with(crds: Iterable[Object]) -> ResourceTable:
    """The built-in resources and those that definitions define."""
    added = [resource for crd in crds for resource in custom_resources_of(crd)]
    return RESOURCES.with_added(added) if added else RESOURCES


async def discover(client: Client) -> ResourceTable:
    """The resources as they are now. Raises `ApiError` and `RequestTimeout`."""
    crds: list[Object] = []
    token = ""
    while True:
        page = await client.list(CRDS, limit=PAGE_SIZE, continue_token=token)
        crds.extend(page.items)
        token = page.continue_token
        if not token:
            return table_with(crds)


class Discovery:
    """The resources, kept up to date by an informer of all definitions. Made before the informers are started."""

    def __init__(self, informers: InformerSet, builtin: ResourceTable = RESOURCES) -> None:
        self._builtin = builtin
        self.definitions = informers.of(CRDS)
        self.definitions.on_event(self._on_event)
        self._of_definition: dict[str, list[Resource]] = {}
        self._table: ResourceTable | None = builtin
        self._handlers: list[ResourcesHandler] = []

    @property
    def table(self) -> ResourceTable:
        """Every resource, as far as it is known here."""
        if self._table is None:
            added = [resource for name in sorted(self._of_definition) for resource in self._of_definition[name]]
            self._table = self._builtin.with_added(added) if added else self._builtin
        return self._table

    def on_change(self, handler: ResourcesHandler) -> None:
        """Have it told when what a definition defines changes."""
        self._handlers.append(handler)

    def _on_event(self, kind: str, crd: Object, _old: Object | None) -> None:
        name = crd["metadata"]["name"]
        before = self._of_definition.pop(name, [])
        now = custom_resources_of(crd) if kind != DELETED else []
        if now:
            self._of_definition[name] = now
        self._table = None
        for handler in self._handlers:
            handler(before, now)
