"""A value without some of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.apimachinery.managed_fields.field_set import SELF, FieldSet
from actors.apimachinery.managed_fields.field_type import ANYTHING, LIST, MAP, FieldType, form_of
from actors.apimachinery.managed_fields.path_element import BadItem, item_element


def without_fields(value: Any, fields: FieldSet, of: FieldType) -> Any:
    """The value without the fields of a set, those below them included; None when nothing is left of it."""
    form = form_of(value, of)
    if not fields or form not in (MAP, LIST):
        return value
    if form == MAP:
        kept = {}
        for name, inner in value.items():
            node = fields.get("f:" + name)
            if node is None:
                kept[name] = inner
            elif node and SELF not in node:
                left = without_fields(inner, node, of.field(name) or ANYTHING)
                if left is not None:
                    kept[name] = left
        return kept or None
    items = []
    for item in value:
        try:
            node = fields.get(item_element(item, of))
        except BadItem:
            node = None
        if node is None:
            items.append(item)
        elif node and SELF not in node:
            items.append(without_fields(item, node, of.element or ANYTHING))
    return items or None


def with_holders(fields: FieldSet, of: FieldType) -> FieldSet:
    """The set with the structs' fields that only hold others made members too: they go when nothing is left in them."""
    result: dict[str, Any] = {}
    for step, node in fields.items():
        if not node:
            result[step] = node
            continue
        child, is_field = _below(step, of)
        inner = dict(with_holders(node, child))
        if is_field:
            inner[SELF] = {}
        result[step] = inner
    return result


def _below(step: str, of: FieldType) -> tuple[FieldType, bool]:
    """The type under a step, and whether it is a struct's field."""
    if step.startswith("f:"):
        types: Mapping[str, FieldType] = of.fields
        name = step[2:]
        return types.get(name, of.element or ANYTHING), name in types
    return of.element or ANYTHING, False
