"""Kubernetes' published schema, as data: what every kind is made of, and how its lists are merged.

    schema = schema_of(resource)                 # the definition of the resource's kind, a custom one's too
    child = field_schema(schema, "spec")         # the schema of a field, with its own annotations kept
    resolve(child)                               # what it refers to
    merge_key(child), patch_strategies(child), list_map_keys(child)

The schema comes with the ``kubernetes_validate`` package (for Kubernetes 1.37) and is read once, on first use. Texts
for people are dropped unless asked for (`definitions_with_descriptions`): they are most of it, and only ``explain``
shows them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from actors.apimachinery.resources import Resource

KUBERNETES_VERSION: Final = "v1.37.0"

Schema = Mapping[str, Any]

_PATH: Final = f"kubernetes-json-schema/{KUBERNETES_VERSION}-local/_definitions.json"
_PREFIX: Final = "#/$defs/"

QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def _read() -> dict[str, dict[str, Any]]:
    # The package is found and not imported: what it imports would cost every process time and memory.
    package = importlib.util.find_spec("kubernetes_validate")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package kubernetes-validate, which carries Kubernetes' schema, is not installed")
    document = Path(package.submodule_search_locations[0]) / _PATH
    found: dict[str, dict[str, Any]] = orjson.loads(document.read_bytes())["$defs"]
    return found


@cache
def definitions() -> Mapping[str, dict[str, Any]]:
    """Every definition by its full name (``io.k8s.api.core.v1.Pod``), without descriptions."""
    found = _read()
    for definition in found.values():
        definition.pop("description", None)
        for field in definition.get("properties", {}).values():
            field.pop("description", None)
    return found


@cache
def definitions_with_descriptions() -> Mapping[str, dict[str, Any]]:
    """Every definition with the texts that ``explain`` shows (a few megabytes: not for servers)."""
    return _read()


@cache
def _names_by_kind() -> dict[tuple[str, str], str]:
    names: dict[tuple[str, str], str] = {}
    for name, definition in definitions().items():
        for kind in definition.get("x-kubernetes-group-version-kind", ()):
            api_version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
            names[(api_version, kind["kind"])] = name
    return names


def definition_name(api_version: str, kind: str) -> str | None:
    """Full name of a kind's definition; None for kinds that aren't built in."""
    return _names_by_kind().get((api_version, kind))


def schema_of(resource: Resource) -> Schema | None:
    """The definition of the resource's kind: for a custom resource what its CRD has, with the metadata of all."""
    if resource.custom is not None:
        return resource.custom.complete_schema
    name = definition_name(resource.api_version, resource.kind)
    return definitions()[name] if name else None


def reference_name(schema: Schema) -> str:
    """Full name of the definition that a schema refers to; empty when it is spelled out in place."""
    reference: str = schema.get("$ref", "")
    return reference.removeprefix(_PREFIX)


def resolve(schema: Schema) -> Schema:
    """The schema that a reference leads to; any other schema as it is."""
    name = reference_name(schema)
    return definitions()[name] if name else schema


def field_schema(schema: Schema | None, name: str) -> Schema | None:
    """The schema of a field of an object, or of a map's values; None when nothing is known of it."""
    if schema is None:
        return None
    target = resolve(schema)
    found: Schema | None = target.get("properties", {}).get(name)
    if found is not None:
        return found
    values = target.get("additionalProperties")
    return values if isinstance(values, dict) else None


def item_schema(schema: Schema | None) -> Schema | None:
    """The schema of a list's items; None when nothing is known of them."""
    return resolve(schema).get("items") if schema is not None else None


def type_of(schema: Schema) -> str:
    """``object``, ``array``, ``string``, ``integer``, ``number``, ``boolean``; empty when anything goes."""
    found = resolve(schema).get("type", "")
    if isinstance(found, list):
        return next((name for name in found if name != "null"), "")
    return str(found)


def merge_key(schema: Schema | None) -> str:
    """The field that tells a list's items apart in a strategic merge; empty when it has none."""
    return schema.get("x-kubernetes-patch-merge-key", "") if schema is not None else ""


def patch_strategies(schema: Schema | None) -> tuple[str, ...]:
    """``merge``, ``replace``, ``retainKeys``: how a strategic merge treats a field."""
    text: str = schema.get("x-kubernetes-patch-strategy", "") if schema is not None else ""
    return tuple(text.split(",")) if text else ()


def list_map_keys(schema: Schema | None) -> tuple[str, ...]:
    """The fields that identify a list's items (server-side apply); empty unless it is of type ``map``."""
    return tuple(schema.get("x-kubernetes-list-map-keys", ())) if schema is not None else ()
