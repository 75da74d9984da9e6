"""``--sort-by``: objects in the order of one of their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery import jsonpath
from actors.apimachinery.quantity import QuantityError, parse_quantity
from actors.kubectl.failure import CommandFailed
from actors.kubectl.target import Found


def sort_by(found: Sequence[Found], expression: str) -> list[Found]:
    """Sort by a field that is text, a number or a quantity; objects without it come first. Raises `CommandFailed`."""
    try:
        path = jsonpath.parse_path(expression)
        values = [jsonpath.find(path, each.object, each.object) for each in found]
    except jsonpath.JSONPathError as error:
        raise CommandFailed(str(error)) from error
    if found and not any(values):
        raise CommandFailed(f'couldn\'t find any field with path "{_braced(expression)}" in the list of objects')
    keys = [_key(value[0] if value else None) for value in values]
    order = sorted(range(len(found)), key=lambda index: keys[index])
    return [found[index] for index in order]


def _braced(expression: str) -> str:
    return expression if expression.startswith("{") else "{" + expression + "}"


def _key(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)):
        return (1, value)
    if isinstance(value, str):
        try:
            return (1, parse_quantity(value)) if value[:1].isdigit() and value[-1:] not in "Z" else (2, value)
        except QuantityError:
            return (2, value)
    raise CommandFailed(f"unsortable type: {type(value).__name__}")
