"""What is wrong with the shape of an applied object, in the words of structured-merge-diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery.managed_fields.field_type import ANY, ANYTHING, LIST, MAP, SCALAR, FieldType
from actors.apimachinery.managed_fields.path_element import BadItem, item_element, shown_element


def check_shape(value: Any, of: FieldType) -> str:
    """Everything wrong as one message; empty when it is well formed."""
    errors = list(_errors(value, of, ""))
    if len(errors) > 1:
        return "errors:" + "".join(f"\n  {error}" for error in errors)
    return errors[0] if errors else ""


def _errors(value: Any, of: FieldType, path: str) -> Sequence[str]:
    if value is None or of.kind == ANY:
        return ()
    if of.kind == SCALAR:
        problem = _scalar_problem(value, of.scalar)
        return (f"{path}: {problem}",) if problem else ()
    if of.kind == MAP:
        if not isinstance(value, dict):
            return (f"{path}: expected map, got {_pointed(value)}",)
        errors: list[str] = []
        for name, inner in value.items():
            below = f"{path}.{name}"
            child = of.field(name)
            if child is None:
                errors.append(f"{below}: field not declared in schema")
            else:
                errors.extend(_errors(inner, child, below))
        return errors
    if not isinstance(value, list):
        return (f"{path}: expected list, got {_pointed(value)}",)
    return _errors_in_list(value, of, path)


def _errors_in_list(items: Sequence[Any], of: FieldType, path: str) -> Sequence[str]:
    element = of.element or ANYTHING
    errors: list[str] = []
    if of.kind == LIST and of.atomic:
        for index, item in enumerate(items):
            errors.extend(_errors(item, element, f"{path}[{index}]"))
        return errors
    seen: set[str] = set()
    for index, item in enumerate(items):
        try:
            step = item_element(item, of)
        except BadItem as error:
            errors.append(f"{path}: element {index}: {error}")
            continue
        shown = shown_element(step)
        if step in seen:
            errors.append(f"{path}: duplicate entries for key {shown}")
        seen.add(step)
        errors.extend(_errors(item, element, path + shown))
    return errors


def _scalar_problem(value: Any, wanted: str) -> str:
    if isinstance(value, (dict, list)):
        return f"expected {wanted or 'any scalar'}, got {_pointed(value)}"
    if wanted == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go(value)}}}"
    if wanted == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got {_pointed(value)}"
    if wanted in ("integer", "number") and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return f"expected numeric (int or float), got {'bool' if isinstance(value, bool) else 'string'}"
    return ""


def _pointed(value: Any) -> str:
    return f"&{{{_go(value)}}}"


def _go(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go, value)) + "]"
    return "<nil>" if value is None else str(value)
