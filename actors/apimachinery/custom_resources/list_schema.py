"""What a schema may say of its lists: ``x-kubernetes-list-type`` and ``x-kubernetes-list-map-keys``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.validation.field import Errors, duplicate, invalid, not_supported, required

LIST_TYPE: Final = "x-kubernetes-list-type"
MAP_KEYS: Final = "x-kubernetes-list-map-keys"
_SCALARS: Final = ("string", "integer", "number", "boolean")


def check_list(errors: Errors, schema: Mapping[str, Any], path: str) -> None:
    """Add what is wrong with the list extensions of one schema."""
    kind, keys = schema.get(LIST_TYPE), schema.get(MAP_KEYS) or []
    if kind is not None and kind not in ("atomic", "set", "map"):
        errors.append(not_supported(f"{path}.{LIST_TYPE}", kind, ("atomic", "map", "set")))
    if kind is not None and schema.get("type") != "array":
        detail = f"must be array if {LIST_TYPE} is specified"
        given = schema.get("type")
        errors.append(invalid(f"{path}.type", given, detail) if given else required(f"{path}.type", detail))
        return
    if keys and kind != "map":
        detail = f"must be map if {MAP_KEYS} is non-empty"
        where = f"{path}.{LIST_TYPE}"
        errors.append(required(where, detail) if kind is None else invalid(where, kind, detail))
    if kind == "map":
        _check_map(errors, schema, keys, path)


def _check_map(errors: Errors, schema: Mapping[str, Any], keys: list[str], path: str) -> None:
    items = schema.get("items")
    if not keys:
        errors.append(required(f"{path}.{MAP_KEYS}", f"must not be empty if {LIST_TYPE} is map"))
    if not isinstance(items, Mapping):
        errors.append(required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map"))
        return
    if items.get("type") != "object":
        detail = f"must be object if parent array's {LIST_TYPE} is map"
        errors.append(invalid(f"{path}.items.type", items.get("type") or "", detail))
        return
    properties = items.get("properties") or {}
    seen: set[str] = set()
    for index, key in enumerate(keys):
        where = f"{path}.items.properties[{key}]"
        if key in seen:
            errors.append(duplicate(f"{path}.{MAP_KEYS}[{index}]", key))
        seen.add(key)
        if key not in properties:
            errors.append(invalid(f"{path}.{MAP_KEYS}", keys, "entries must all be names of item properties"))
            continue
        field = properties[key]
        if field.get("type") not in _SCALARS and not field.get("x-kubernetes-int-or-string"):
            detail = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            errors.append(invalid(f"{where}.type", field.get("type") or "", detail))
        if "default" not in field and key not in (items.get("required") or ()):
            detail = f"this property is in {MAP_KEYS}, so it must have a default or be a required property"
            errors.append(required(f"{where}.default", detail))
