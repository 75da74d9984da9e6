"""Custom objects as an expression sees them: typed by their schema, with names that CEL can write."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Schema = Mapping[str, Any]

#: CEL's reserved words: a field of that name is written ``__if__``.
_RESERVED: Final = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_DURATION_UNITS_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def escaped(name: str) -> str:
    """A field's name as expressions write it (``cel.Escape`` of Kubernetes)."""
    if name in _RESERVED:
        return f"__{name}__"
    for plain, escape in _ESCAPES:
        name = name.replace(plain, escape)
    return name


def is_open(schema: Schema) -> bool:
    """Whether anything may be in it, so that nothing is known of its fields."""
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) and not schema.get("properties")


def typed(value: Any, schema: Schema | None) -> Any:
    """A JSON value as the expression's: times, durations and bytes by their format, numbers by their type."""
    if value is None or schema is None:
        return value
    if isinstance(value, dict):
        properties = schema.get("properties")
        additional = schema.get("additionalProperties")
        if properties:
            return {escaped(name): typed(item, properties[name]) for name, item in value.items() if name in properties}
        inner = additional if isinstance(additional, dict) else None
        return {name: typed(item, inner) for name, item in value.items()}
    if isinstance(value, list):
        inner = schema.get("items")
        return [typed(item, inner) for item in value]
    if isinstance(value, str):
        return _typed_text(value, schema.get("format"))
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if schema.get("type") == "integer" and isinstance(value, float):
        return int(value)
    return value


def _typed_text(value: str, wanted: str | None) -> Any:
    try:
        if wanted in ("date-time", "datetime"):
            return datetime.fromisoformat(value.replace("Z", "+00:00"))
        if wanted == "date":
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        if wanted == "duration":
            return parse_duration(value)
        if wanted == "byte":
            return base64.b64decode(value)
    except ValueError:
        return value  # what has the wrong format is refused for that
    return value


def parse_duration(text: str) -> timedelta:
    """A duration as Go writes it: ``1h30m``. Raises `ValueError`."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    seconds, number, position = 0.0, "", 0
    while position < len(rest):
        if rest[position].isdigit() or rest[position] == ".":
            number += rest[position]
            position += 1
            continue
        unit = next((u for u in ("ns", "us", "µs", "ms", "s", "m", "h") if rest.startswith(u, position)), None)
        if unit is None or not number:
            raise ValueError(f"invalid duration {text!r}")
        seconds += float(number) * _DURATION_UNITS_S[unit]
        position += len(unit)
        number = ""
    if number and number != "0":
        raise ValueError(f"missing unit in duration {text!r}")
    return timedelta(seconds=sign * seconds)
