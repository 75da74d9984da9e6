"""Fields that a body states twice: JSON and YAML readers silently take the last one, Kubernetes tells.

duplicate_fields(b'{"a": 1, "a": 2, "b": [{"c": 1, "c": 2}]}')     # ["a", "b[0].c"]
"""

from __future__ import annotations

import json
from typing import Any


class _Twice(dict[str, Any]):
    """An object in which some fields stood more than once."""

    names: tuple[str, ...] = ()


def _read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    twice = _Twice(made)
    twice.names = tuple(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return twice


def duplicate_fields(content: bytes) -> list[str]:
    """The paths of the fields that a JSON document, which is well formed, states more than once."""
    try:
        document = json.loads(content, object_pairs_hook=_read)
    except (ValueError, RecursionError):
        return []
    return list(dict.fromkeys(_paths(document, "")))


def _paths(value: Any, path: str) -> list[str]:
    found: list[str] = []
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        if isinstance(value, _Twice):
            found += [prefix + name for name in value.names]
        for name, inner in value.items():
            if isinstance(inner, (dict, list)):
                found += _paths(inner, prefix + name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, (dict, list)):
                found += _paths(inner, f"{path}[{index}]")
    return found
