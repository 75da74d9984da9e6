"""Custom resources in the form of Kubernetes' published schema, for OpenAPI documents and ``explain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from actors.apimachinery.custom_resources.definition import CustomVersion

if TYPE_CHECKING:
    from actors.apimachinery.resources import Resource

#: A built-in kind, of which custom ones take what every object and every list has.
_MODEL: Final = "io.k8s.api.core.v1.ConfigMap"
_COMMON: Final = ("apiVersion", "kind", "metadata")


def custom_definition_name(resource: Resource) -> str:
    """``com.example.stable.v1.CronTab``."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def custom_definitions(
    resource: Resource, custom: CustomVersion, published: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The definitions of a custom kind and of its lists; `published` are those of the built-in kinds."""
    name = custom_definition_name(resource)
    items = {"type": "array", "items": {"$ref": f"#/$defs/{name}"}}
    return {
        name: {
            **custom.schema,
            "type": "object",
            "properties": {**custom.schema.get("properties", {}), **_common(published[_MODEL])},
            "x-kubernetes-group-version-kind": [_kind(resource, resource.kind)],
        },
        name + "List": {
            "type": "object",
            "description": f"{resource.list_kind} is a list of {resource.kind}",
            "required": ["items"],
            "properties": {**_common(published[_MODEL + "List"]), "items": items},
            "x-kubernetes-group-version-kind": [_kind(resource, resource.list_kind)],
        },
    }


def _common(model: Mapping[str, Any]) -> dict[str, Any]:
    """apiVersion, kind and metadata; without the model's own values of the first two."""
    fields = {name: {**model["properties"][name]} for name in _COMMON}
    for name in ("apiVersion", "kind"):
        fields[name].pop("enum", None)
    return fields


def _kind(resource: Resource, kind: str) -> Mapping[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": kind}
