"""The resources that are served: those built in, and those that stored CustomResourceDefinitions define.

What is served follows from the watch cache alone, and changes in the same instant as it: whoever has read that a CRD is
established can use its resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from actors.apimachinery.resources import RESOURCES, Resource, custom_resources_of
from actors.apiserver.watch_cache import Change, WatchCache

DEFINITIONS: Final = "apiextensions.k8s.io/customresourcedefinitions"


class ServedResources:
    """The table as it is now."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._of_definition: dict[str, list[Resource]] = {}
        self._custom: dict[str, Resource] = {}

    def __iter__(self) -> Iterator[Resource]:
        yield from RESOURCES
        yield from self._custom.values()

    def get(self, key: str) -> Resource | None:
        """The resource of a key."""
        return RESOURCES.get(key) or self._custom.get(key)

    def of_definition(self, name: str) -> list[Resource]:
        """The resources that a CRD defines, the preferred version first."""
        return self._of_definition.get(name, [])

    def on_changes(self, changes: Iterable[Change]) -> bool:
        """Take in what changed; whether a definition did."""
        names = [change.path for change in changes if change.collection == DEFINITIONS]
        for name in names:
            self._read(name)
        return bool(names)

    def reload(self) -> None:
        """Read every definition anew."""
        known, present = set(self._of_definition), set(self._cache.collection(DEFINITIONS).entries)
        for name in known | present:
            self._read(name)

    def _read(self, name: str) -> None:
        for resource in self._of_definition.pop(name, ()):
            self._custom.pop(resource.key, None)
        entry = self._cache.get(DEFINITIONS, name)
        if entry is None:
            return
        defined = custom_resources_of(entry.object)
        if defined:
            self._of_definition[name] = defined
            self._custom.update((resource.key, resource) for resource in defined)
