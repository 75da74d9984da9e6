"""Pruning: a custom object without the fields that its schema doesn't have (``structural/pruning`` of Kubernetes).

    pruned, unknown = prune(obj, schema)

Where the schema says ``x-kubernetes-preserve-unknown-fields``, what it doesn't specify stays, and what it specifies is
pruned. An embedded resource keeps its apiVersion, kind and metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

META_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})

_NOTHING: Final[Mapping[str, Any]] = {}
#: Stands for "no schema at all": everything in it goes.
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"


def prune(obj: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The object without unknown fields, in new containers, and the paths of those it had, in order of their names."""
    unknown: list[str] = []
    pruned = _prune_map(obj, schema, "", unknown, is_resource=True)
    return pruned, sorted(unknown)


def prune_value(value: Any, schema: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """`prune` for what is inside of an object, such as a default."""
    unknown: list[str] = []
    return _prune(value, schema, "", unknown), sorted(unknown)


def _prune(value: Any, schema: Mapping[str, Any], path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return _prune_map(value, schema, path, unknown, is_resource=bool(schema.get(_EMBEDDED)))
    if isinstance(value, list):
        items = schema.get("items")
        inner = items if isinstance(items, dict) else _unspecified(schema)
        if inner is None:
            return value
        return [_prune(item, inner, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    return value


def _unspecified(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of what a schema doesn't specify: None when all of it stays."""
    return None if schema.get(_PRESERVE) else _NOTHING


def _prune_map(
    value: Mapping[str, Any], schema: Mapping[str, Any], path: str, unknown: list[str], *, is_resource: bool
) -> dict[str, Any]:
    properties = schema.get("properties") or _NOTHING
    additional = schema.get("additionalProperties")
    pruned: dict[str, Any] = {}
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        if is_resource and name in META_FIELDS:
            pruned[name] = item
        elif name in properties:
            pruned[name] = _prune(item, properties[name], where, unknown)
        elif additional is not None and additional is not False:
            pruned[name] = _prune(item, additional if isinstance(additional, dict) else _NOTHING, where, unknown)
        elif schema.get(_PRESERVE):
            pruned[name] = item
        else:
            unknown.append(where)
    return pruned


def embedded_resources(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """The embedded resources in an object, each with its path; the object itself is none."""
    if isinstance(value, dict):
        if schema.get(_EMBEDDED):
            yield value, path
        properties = schema.get("properties") or _NOTHING
        additional = schema.get("additionalProperties")
        for name, item in value.items():
            inner = properties.get(name, additional)
            if isinstance(inner, dict) and isinstance(item, (dict, list)):
                yield from embedded_resources(item, inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from embedded_resources(item, schema["items"], f"{path}[{index}]")
