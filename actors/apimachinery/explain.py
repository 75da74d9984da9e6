"""What ``kubectl explain`` prints: a kind or a field, from the published schema.

    text = explain(resource, ["spec", "template"], recursive=False)     # raises UnknownField

For the command line: it reads the schema with its descriptions, which servers leave out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Final

from actors.apimachinery.resources import Resource
from actors.apimachinery.schema import definition_name, definitions_with_descriptions, reference_name

_WIDTH: Final = 80
_NUMBERS: Final = {"int32": "integer", "int64": "integer"}


class UnknownField(LookupError):
    """The kind has no such field; the message is kubectl's."""

    def __init__(self, field: str) -> None:
        super().__init__(f'field "{field}" does not exist')
        self.field = field


def explain(resource: Resource, path: Sequence[str] = (), *, recursive: bool = False) -> str:
    """The text for a kind, or for the field at `path`.

    Raises `UnknownField`, and `LookupError` for kinds without a published schema.
    """
    name = definition_name(resource.api_version, resource.kind)
    if name is None:
        raise LookupError(f'Couldn\'t find resource for "{resource.group}/{resource.version}, Kind={resource.kind}"')
    schema: dict[str, Any] = {"$ref": f"#/$defs/{name}"}
    for field in path:
        properties = _fields(schema)
        if field not in properties:
            raise UnknownField(field)
        schema = properties[field]
    lines = _header(resource)
    if path:
        lines.append(f"FIELD: {path[-1]} <{type_name(schema)}>")
        lines.append("")
    own, target = schema.get("description", ""), _resolve(schema).get("description", "")
    lines.append("DESCRIPTION:")
    for text in [text for text in (own, target if target != own else "") if text]:
        lines += _wrapped(text, "    ")
    if not own and not target:
        lines.append("    <empty>")
    lines.append("    ")
    fields = _fields(schema)
    if fields:
        lines.append("FIELDS:")
        lines += _field_tree(schema, 1, ()) if recursive else _field_list(schema)
    return "\n".join(lines) + "\n"


def _header(resource: Resource) -> list[str]:
    group = [f"GROUP:      {resource.group}"] if resource.group else []
    return [*group, f"KIND:       {resource.kind}", f"VERSION:    {resource.version}", ""]


def _resolve(schema: dict[str, Any]) -> dict[str, Any]:
    name = reference_name(schema)
    return definitions_with_descriptions()[name] if name else schema


def _fields(schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object, of a list's items, or of a map's values."""
    target = _resolve(schema)
    for inner in ("items", "additionalProperties"):
        if isinstance(target.get(inner), dict):
            return _fields(target[inner])
    properties: dict[str, Any] = target.get("properties", {})
    return properties


def type_name(schema: dict[str, Any]) -> str:
    """The type as ``explain`` shows it: ``string``, ``[]Container``, ``map[string]string``."""
    name = reference_name(schema)
    target = _resolve(schema)
    if "oneOf" in target or (name and target.get("properties")):
        return name.rpartition(".")[2]
    kinds = target.get("type", "Object")
    kind = next((k for k in kinds if k != "null"), "Object") if isinstance(kinds, list) else kinds
    if kind == "array":
        return f"[]{type_name(target.get('items') or {})}"
    if kind == "object":
        values = target.get("additionalProperties")
        if isinstance(values, dict):
            return f"map[string]{type_name(values)}"
        return name.rpartition(".")[2] or "Object"
    if name and kind == "string":
        return name.rpartition(".")[2]
    return _NUMBERS.get(kind, kind)


def _required_names(schema: dict[str, Any]) -> frozenset[str]:
    target = _resolve(schema)
    for inner in ("items", "additionalProperties"):
        if isinstance(target.get(inner), dict):
            return _required_names(target[inner])
    return frozenset(target.get("required", ()))


def _field_list(schema: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    needed = _required_names(schema)
    for name, field in sorted(_fields(schema).items()):
        mark = " -required-" if name in needed else ""
        lines.append(f"  {name}\t<{type_name(field)}>{mark}")
        text = field.get("description", "") or _resolve(field).get("description", "")
        lines += _wrapped(text or "<no description>", "    ")
        lines.append("")
    return lines


def _field_tree(schema: dict[str, Any], depth: int, seen: tuple[str, ...]) -> list[str]:
    """Every field below, indented; a definition that contains itself is entered once."""
    lines: list[str] = []
    needed = _required_names(schema)
    for name, field in sorted(_fields(schema).items()):
        mark = " -required-" if name in needed else ""
        lines.append(f"{'  ' * depth}{name}\t<{type_name(field)}>{mark}")
        inner = _innermost(field)
        if inner not in seen:
            lines += _field_tree(field, depth + 1, (*seen, inner) if inner else seen)
    return lines


def _innermost(schema: dict[str, Any]) -> str:
    target = _resolve(schema)
    for inner in ("items", "additionalProperties"):
        if isinstance(target.get(inner), dict):
            return _innermost(target[inner])
    return reference_name(schema)


def _wrapped(text: str, indent: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if not paragraph.strip():
            lines.append(indent.rstrip())
            continue
        lines += [
            indent + line
            for line in textwrap.wrap(paragraph, _WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
        ]
    return lines
