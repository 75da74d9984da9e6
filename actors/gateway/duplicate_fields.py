"""Fields that a body states twice: JSON and YAML readers silently take the last one, Kubernetes tells.

duplicate_fields(b'{"a": 1, "a": 2, "b": [{"c": 1, "c": 2}]}')     # ["a", "b[0].c"]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml


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


def duplicate_yaml_keys(content: bytes) -> list[str]:
    """What Kubernetes says of each key that a YAML document, which is well formed, sets more than once in a map."""
    found: list[str] = []
    open_maps: list[_OpenMap | None] = []  # None for a list
    events: Iterator[Any] = yaml.parse(content, Loader=yaml.CSafeLoader)
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            open_maps.pop()
            continue
        if not isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            continue
        inside = open_maps[-1] if open_maps else None
        if inside is not None and inside.takes(event):
            key: Any = event
            found.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
        if isinstance(event, yaml.CollectionStartEvent):
            open_maps.append(_OpenMap() if isinstance(event, yaml.MappingStartEvent) else None)
    return found


class _OpenMap:
    """A map of which keys and values come in turn."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._key_is_next = True

    def takes(self, event: Any) -> bool:
        """Take in a key or a value; whether it is a key that was there before."""
        is_key, self._key_is_next = self._key_is_next, not self._key_is_next
        if not is_key or not isinstance(event, yaml.ScalarEvent):
            return False
        known = event.value in self._keys
        self._keys.add(event.value)
        return known
