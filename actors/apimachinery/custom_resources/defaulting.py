"""Defaults of custom objects, from their schema (``structural/defaulting`` of Kubernetes).

``null`` counts as left out where the schema isn't ``nullable``: a field with a default gets it, one without goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Schema = Mapping[str, Any]


def apply_schema_defaults(obj: dict[str, Any], schema: Schema) -> None:
    """Fill in the defaults, in place; `obj` must own its containers. Idempotent."""
    _default(obj, schema)
    drop_nulls(obj, schema)


def _is_left_out(value: Any, schema: Schema) -> bool:
    return value is None and not schema.get("nullable")


def _default(value: Any, schema: Schema) -> None:
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for name, inner in properties.items():
            if "default" in inner and (name not in value or _is_left_out(value[name], inner)):
                value[name] = deepcopy(inner["default"])
        additional = schema.get("additionalProperties")
        for name, item in value.items():
            if name in properties:
                _default(item, properties[name])
            elif isinstance(additional, dict):
                _default_or_enter(value, name, item, additional)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            _default_or_enter(value, index, item, schema["items"])


def _default_or_enter(container: Any, place: Any, item: Any, schema: Schema) -> None:
    if "default" in schema and _is_left_out(item, schema):
        container[place] = item = deepcopy(schema["default"])
    _default(item, schema)


def drop_nulls(value: Any, schema: Schema) -> None:
    """Take the nulls off fields that may not be null and have no default; items and map values stay."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        additional = schema.get("additionalProperties")
        for name in list(value):
            inner = properties.get(name)
            if inner is None:
                if isinstance(additional, dict):
                    drop_nulls(value[name], additional)
            elif "default" not in inner and _is_left_out(value[name], inner):
                del value[name]
            else:
                drop_nulls(value[name], inner)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            drop_nulls(item, schema["items"])
