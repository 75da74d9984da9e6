"""The fields that a value has."""

from __future__ import annotations

from typing import Any

from actors.apimachinery.managed_fields.field_set import SELF, FieldSet
from actors.apimachinery.managed_fields.field_type import ANYTHING, LIST, MAP, SCALAR, FieldType, form_of
from actors.apimachinery.managed_fields.path_element import item_element, named_items


def field_set_of(value: Any, of: FieldType) -> dict[str, Any]:
    """The fields that an applied object states: its leaves, list items, and map entries. Raises `BadItem`.

    A struct's field that has fields of its own isn't one of them: it comes and goes with those.
    """
    fields: dict[str, Any] = {}
    form = form_of(value, of)
    if form == MAP:
        for name, inner in value.items():
            child = of.field(name) or ANYTHING
            node = field_set_of(inner, child)
            is_entry = name not in of.fields
            if node:
                fields["f:" + name] = {SELF: {}, **node} if is_entry else node
            elif is_entry or _is_leaf(inner, child):
                fields["f:" + name] = node
    elif form == LIST:
        element = of.element or ANYTHING
        for item in value:
            node = field_set_of(item, element)
            fields[item_element(item, of)] = {SELF: {}, **node} if node else node
    return fields


def _is_leaf(value: Any, of: FieldType) -> bool:
    form = form_of(value, of)
    return form == SCALAR or (form == MAP and not value)


def everything_in(value: Any, of: FieldType) -> dict[str, Any]:
    """Everything below a value that was not there before: also what merely holds something."""
    fields: dict[str, Any] = {}
    form = form_of(value, of)
    if form == MAP:
        types, other = of.fields, of.element or ANYTHING
        for name, inner in value.items():
            if type(inner) is dict or type(inner) is list:
                fields["f:" + name] = with_itself(everything_in(inner, types.get(name, other)))
            else:
                fields["f:" + name] = LEAF
    elif form == LIST:
        element = of.element or ANYTHING
        for step, items in (named_items(value, of) or {}).items():
            fields[step] = with_itself(everything_in(items[0], element)) if len(items) == 1 else LEAF
    return fields


def with_itself(node: dict[str, Any]) -> dict[str, Any]:
    """A node that belongs to the set, whatever is below it."""
    if node:
        node[SELF] = LEAF
    return node


LEAF: FieldSet = {}
