"""The resources of the API and how they are found: by key, by kind, and by the names people type.

    resource = resource_of("apps/v1/deployments")            # raises KeyError
    resource = resource_for_kind("apps/v1", "Deployment")    # None when there is no such kind
    resource = resolve("deploy")                             # also deployments, deployment, Deployment, deploy.apps,
                                                             # deployments.v1.apps; raises UnknownResource
    resources = resolve_all("all,cm")                        # kubectl's comma list with categories

    RESOURCES.with_added(custom_resources_of(crd))           # a table that also knows custom resources

Everything of `actors.apimachinery` that depends on the kind takes a `Resource`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from actors.apimachinery.custom_resources.definition import (
    ESTABLISHED,
    CustomVersion,
    accepted_names,
    condition_is_true,
    served_versions,
)
from actors.apimachinery.operation import Object
from actors.apimachinery.resource_table import BUILTIN

ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class UnknownResource(LookupError):
    """Nothing is called that; the message is kubectl's."""

    def __init__(self, name: str) -> None:
        super().__init__(f'the server doesn\'t have a resource type "{name}"')
        self.name = name


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API (``APIResource`` of Kubernetes' discovery, with its group and version)."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    key: str = ""
    """``apps/v1/deployments``, ``v1/pods``: how operations and streams name it."""
    api_version: str = ""
    """``apps/v1``, ``v1``: what its objects have as apiVersion."""
    custom: CustomVersion | None = field(default=None, compare=False, repr=False)
    """What its CustomResourceDefinition says; None for what is built in."""

    @property
    def list_kind(self) -> str:
        """Kind of a list of it: ``DeploymentList``."""
        return self.custom.list_kind if self.custom is not None else self.kind + "List"

    @property
    def group_resource(self) -> str:
        """``deployments.apps``, ``pods``: how messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storable(self) -> bool:
        """Whether objects of it are stored (reviews and bindings are only posted)."""
        return "get" in self.verbs and "create" in self.verbs

    @property
    def selectable_fields(self) -> tuple[str, ...]:
        """Fields that a CRD lets objects be selected by, beyond their name and namespace."""
        return self.custom.selectable_fields if self.custom is not None else ()

    def has_subresource(self, name: str) -> bool:
        return name in self.subresources


def new_resource(
    group: str,
    version: str,
    kind: str,
    plural: str,
    *,
    namespaced: bool,
    singular: str = "",
    short_names: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
    verbs: tuple[str, ...] = ALL_VERBS,
    custom: CustomVersion | None = None,
) -> Resource:
    """A resource, with what follows from the rest filled in (key, apiVersion, singular)."""
    api_version = f"{group}/{version}" if group else version
    return Resource(
        group,
        version,
        kind,
        plural,
        singular or kind.lower(),
        namespaced,
        short_names,
        categories,
        subresources,
        verbs,
        f"{api_version}/{plural}",
        api_version,
        custom,
    )


def custom_resources_of(crd: Object) -> list[Resource]:
    """The resources that a CustomResourceDefinition defines, the preferred version first; none until established."""
    if not condition_is_true(crd, ESTABLISHED):
        return []
    spec, names = crd["spec"], accepted_names(crd)
    return [
        new_resource(
            spec["group"],
            version["name"],
            names["kind"],
            names["plural"],
            namespaced=spec["scope"] == "Namespaced",
            singular=names.get("singular") or names["kind"].lower(),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            subresources=tuple(name for name in ("status", "scale") if name in (version.get("subresources") or {})),
            custom=CustomVersion(crd, version),
        )
        for version in served_versions(crd)
    ]


def _read_line(api_version: str, line: str) -> Resource:
    group, _, version = api_version.rpartition("/")
    kind, plural, *rest = line.split()
    options: dict[str, tuple[str, ...]] = {}
    for option in rest:
        name, _, value = option.partition("=")
        options[name] = tuple(value.split(","))
    return new_resource(
        group,
        version,
        kind,
        plural,
        namespaced="namespaced" in options,
        singular=options.get("singular", ("",))[0],
        short_names=options.get("short", ()),
        categories=options.get("cat", ()),
        subresources=options.get("sub", ()),
        verbs=options.get("verbs", ALL_VERBS),
    )


class ResourceTable:
    """A set of resources with its indexes. Immutable; `with_added` makes a larger one."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = tuple(resources)
        self._by_key = {resource.key: resource for resource in self._resources}
        self._by_kind = {(resource.api_version, resource.kind): resource for resource in self._resources}
        self._by_name: dict[str, list[Resource]] = {}
        for names in (self._full_names, self._short_names):
            for resource in self._resources:
                for name in names(resource):
                    found = self._by_name.setdefault(name, [])
                    if resource not in found:
                        found.append(resource)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)

    @staticmethod
    def _full_names(resource: Resource) -> tuple[str, ...]:
        return (resource.plural, resource.singular, resource.kind.lower())

    @staticmethod
    def _short_names(resource: Resource) -> tuple[str, ...]:
        return resource.short_names

    def with_added(self, added: Iterable[Resource]) -> ResourceTable:
        """This table and more resources after it; one with the same key replaces the older."""
        added = tuple(added)
        keys = {resource.key for resource in added}
        return ResourceTable([r for r in self._resources if r.key not in keys] + list(added))

    def get(self, key: str) -> Resource | None:
        """The resource of a key such as ``apps/v1/deployments``."""
        return self._by_key.get(key)

    def for_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource that stores a kind; the first of them when several do."""
        return self._by_kind.get((api_version, kind))

    def preferred_version(self, resource: Resource) -> Resource:
        """The same resource in its group's preferred version."""
        return next((r for r in self._resources if r.group == resource.group and r.plural == resource.plural), resource)

    def resolve(self, name: str) -> Resource:
        """What a person means by ``deploy``, ``Deployment``, ``deployments.apps`` or ``deployments.v1.apps``.

        Upper and lower case are alike. Raises `UnknownResource`.
        """
        wanted, _, qualifier = name.lower().partition(".")
        candidates = self._by_name.get(wanted, [])
        if not qualifier:
            if candidates:
                return candidates[0]
            raise UnknownResource(name)
        version, _, group = qualifier.partition(".")
        for resource in candidates:
            if resource.version == version and resource.group == group:
                return resource
        for resource in candidates:
            if resource.group == qualifier:
                return resource
        for resource in candidates:  # kubectl takes an unfinished group name too: deployments.app
            if resource.group.startswith(qualifier):
                return resource
        raise UnknownResource(name)

    def resolve_all(self, names: str) -> list[Resource]:
        """What a comma list of names and categories (``all``, ``deploy,svc``) means, each resource once."""
        found: list[Resource] = []
        for name in names.split(","):
            members = self._category(name.lower())
            for resource in members or [self.resolve(name)]:
                if resource not in found:
                    found.append(resource)
        return found

    def _category(self, name: str) -> list[Resource]:
        """Members of a category, one version of each."""
        members: dict[tuple[str, str], Resource] = {}
        for resource in self._resources:
            if name in resource.categories:
                members.setdefault((resource.group, resource.plural), resource)
        return list(members.values())

    def preferred(self) -> list[Resource]:
        """Every resource in its group's preferred version only."""
        first: dict[tuple[str, str], Resource] = {}
        for resource in self._resources:
            first.setdefault((resource.group, resource.plural), resource)
        return list(first.values())


RESOURCES: Final = ResourceTable(
    _read_line(api_version, line)
    for api_version, lines in BUILTIN
    for line in lines.strip().splitlines()
    if line.strip()
)
"""The built-in resources."""


def resource_of(key: str) -> Resource:
    """The built-in resource of a key. Raises `KeyError`."""
    found = RESOURCES.get(key)
    if found is None:
        raise KeyError(key)
    return found


def resource_for_kind(api_version: str, kind: str) -> Resource | None:
    """The built-in resource of a kind."""
    return RESOURCES.for_kind(api_version, kind)


def resolve(name: str) -> Resource:
    """What a person means by a name, among the built-in resources. Raises `UnknownResource`."""
    return RESOURCES.resolve(name)


def resolve_all(names: str) -> list[Resource]:
    """What a person means by a comma list of names and categories. Raises `UnknownResource`."""
    return RESOURCES.resolve_all(names)
