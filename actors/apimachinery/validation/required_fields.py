"""Fields the schema calls required, for kinds that have no rules of their own here."""

from __future__ import annotations

from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.schema import Schema, resolve, schema_of
from actors.apimachinery.validation.field import Errors, required

#: Metadata has rules of its own, and what a status lacks its controller will write.
_NOT_LOOKED_AT = ("metadata", "status")


def validate_required(resource: Resource, obj: Object) -> Errors:
    """Every required field that is missing, at any depth."""
    schema = schema_of(resource)
    errors: Errors = []
    if schema is not None:
        _check(errors, "", obj, schema)
    return errors


def _check(errors: Errors, path: str, value: Any, schema: Schema) -> None:
    target = resolve(schema)
    if isinstance(value, list):
        items = target.get("items")
        if items:
            for index, item in enumerate(value):
                _check(errors, f"{path}[{index}]", item, items)
        return
    if not isinstance(value, dict):
        return
    for name in target.get("required", ()):
        if name not in value:
            errors.append(required(f"{path}.{name}" if path else name))
    for name, field in target.get("properties", {}).items():
        if name in value and not (not path and name in _NOT_LOOKED_AT):
            _check(errors, f"{path}.{name}" if path else name, value[name], field)
    values = target.get("additionalProperties")
    if isinstance(values, dict):
        for name, item in value.items():
            _check(errors, f"{path}[{name}]", item, values)
