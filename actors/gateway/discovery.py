"""Discovery: which groups, versions and resources there are, in the aggregated form and in the older one."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.custom_resources.version_order import version_order
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource, ResourceTable
from actors.apimachinery.schema import KUBERNETES_VERSION

AGGREGATED_TYPE: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

#: Subresources with a kind of their own, as (group, version, kind), and the verbs of each subresource.
_SUBRESOURCE_KINDS: Final = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "binding": ("", "v1", "Binding"),
}
_CONNECT: Final = ("create", "get")
_SUBRESOURCE_VERBS: Final = {
    "eviction": ("create",),
    "binding": ("create",),
    "log": ("get",),
    "finalize": ("update",),
    "exec": _CONNECT,
    "attach": _CONNECT,
    "portforward": _CONNECT,
}
#: Those that are served; others of the table are for later.
_SERVED: Final = (
    *("status", "scale", "eviction", "binding", "log", "finalize", "resize", "approval", "ephemeralcontainers"),
    *("exec", "attach", "portforward"),
)


def version_info() -> Object:
    """``/version``."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{KUBERNETES_VERSION}+podchain",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "cpython",
        "platform": "linux/amd64",
    }


def api_versions() -> Object:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _versions(resources: ResourceTable) -> dict[str, list[str]]:
    """Versions of each group, the preferred one first."""
    found: dict[str, list[str]] = {}
    custom: set[str] = set()
    for resource in resources:
        versions = found.setdefault(resource.group, [])
        if resource.version not in versions:
            versions.append(resource.version)
        if resource.custom is not None:
            custom.add(resource.group)
    for group in custom:  # several definitions, each with versions of its own
        found[group].sort(key=version_order)
    return found


def group_versions(resources: ResourceTable) -> list[str]:
    """Every ``group/version`` (core: ``v1``), in order."""
    return [f"{group}/{v}" if group else v for group, versions in _versions(resources).items() for v in versions]


def api_group(group: str, resources: ResourceTable) -> Object | None:
    """``/apis/GROUP``."""
    versions = _versions(resources).get(group)
    if not versions or not group:
        return None
    described = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": described,
        "preferredVersion": described[0],
    }


def api_group_list(resources: ResourceTable) -> Object:
    """``/apis``."""
    groups = [api_group(group, resources) for group in _versions(resources) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_resource_list(group_version: str, resources: ResourceTable) -> Object | None:
    """``/api/v1``, ``/apis/GROUP/VERSION``."""
    rows: list[Object] = []
    for resource in resources:
        if resource.api_version != group_version:
            continue
        row: Object = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            row["shortNames"] = list(resource.short_names)
        if resource.categories:
            row["categories"] = list(resource.categories)
        rows.append(row)
        rows.extend(_subresource_rows(resource))
    if not rows:
        return None
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}


def _subresource_rows(resource: Resource) -> list[Object]:
    rows: list[Object] = []
    for name in resource.subresources:
        if name not in _SERVED:
            continue
        row: Object = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(_SUBRESOURCE_VERBS.get(name, ("get", "patch", "update"))),
        }
        if name in _SUBRESOURCE_KINDS:
            row["group"], row["version"], row["kind"] = _SUBRESOURCE_KINDS[name]
        rows.append(row)
    return rows


def aggregated(core: bool, resources: ResourceTable) -> Object:
    """All groups with their resources in one document (``apidiscovery.k8s.io/v2``): of ``/api`` or of ``/apis``."""
    items: list[Object] = []
    for group, versions in _versions(resources).items():
        if bool(group) is core:
            continue
        described = [
            {
                "version": version,
                "freshness": "Current",
                "resources": [_aggregated_resource(r) for r in resources if r.group == group and r.version == version],
            }
            for version in versions
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": described})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _kind_object(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def _aggregated_resource(resource: Resource) -> Object:
    row: Object = {
        "resource": resource.plural,
        "responseKind": _kind_object(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        row["shortNames"] = list(resource.short_names)
    if resource.categories:
        row["categories"] = list(resource.categories)
    own = (resource.group, resource.version, resource.kind)
    subresources = [
        {
            "subresource": name,
            "responseKind": _kind_object(*_SUBRESOURCE_KINDS.get(name, own)),
            "verbs": list(_SUBRESOURCE_VERBS.get(name, ("get", "patch", "update"))),
        }
        for name in resource.subresources
        if name in _SERVED
    ]
    if subresources:
        row["subresources"] = subresources
    return row
