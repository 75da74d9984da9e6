"""How Kubernetes words a value of the wrong type: as Go's JSON decoder does, naming the Go type it was meant for.

``json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32``
"""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import ErrorDetails

from actors.apimachinery.schema import Schema, definitions, reference_name, type_of

_GO_SCALARS: Final = {"string": "string", "boolean": "bool", "number": "float64"}


def type_error_message(definition: str, problem: ErrorDetails) -> str:
    """The message for one problem that the validator of a definition found."""
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "string_pattern_mismatch":
        shown = f'"{problem["input"]}"'
        layout = '"2006-01-02T15:04:05Z07:00"'
        return f'parsing time {shown} as {layout}: cannot parse {shown} as "2006"'
    struct, fields, schema = _walk(definition, problem["loc"])
    wrong = _json_kind(problem["input"])
    if problem["type"] in ("greater_than_equal", "less_than", "int_from_float"):
        wrong = f"number {problem['input']}"
    return f"json: cannot unmarshal {wrong} into Go struct field {struct}.{'.'.join(fields)} of type {go_type(schema)}"


def _walk(definition: str, location: tuple[int | str, ...]) -> tuple[str, list[str], Schema]:
    """The innermost struct on the way to a location, the fields on that way, and the schema at its end."""
    schema: Schema = {"$ref": f"#/$defs/{definition}"}
    struct = ""
    fields: list[str] = []
    for part in location:
        name = reference_name(schema)
        target = definitions()[name] if name else schema
        if isinstance(part, int):
            schema = target.get("items") or {}
            continue
        properties = target.get("properties")
        if properties and part in properties:
            struct = name.rpartition(".")[2]
            fields.append(part)
            schema = properties[part]
        else:
            schema = target.get("additionalProperties") or {}
    return struct, fields, schema


def go_type(schema: Schema) -> str:
    """The Go type a schema was made from, as far as that can be told."""
    name = reference_name(schema)
    if name:
        package, _, short = name.rpartition(".")
        return f"{package.rpartition('.')[2]}.{short}"
    kind = type_of(schema)
    if kind == "integer":
        return str(schema.get("format", "int64"))
    if kind == "array":
        return f"[]{go_type(schema.get('items') or {})}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"map[string]{go_type(values)}" if isinstance(values, dict) else "map[string]interface {}"
    if kind == "string" and schema.get("format") == "byte":
        return "[]uint8"
    return _GO_SCALARS.get(kind, "interface {}")


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
