"""The steps of a path: a field or map entry, an item of a list by its keys, by its value, or by its place.

f:replicas    k:{"name":"web"}    v:"kubernetes.io/pvc-protection"    i:0         in fieldsV1
.replicas     [name="web"]        [="kubernetes.io/pvc-protection"]   [0]         in messages
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from actors.apimachinery.managed_fields.field_type import FieldType


class BadItem(ValueError):
    """An item of a list has no name there."""


def value_element(value: Any) -> str:
    """The step to an item of a set."""
    return "v:" + orjson.dumps(value).decode()


def keys_element(keys: Mapping[str, Any]) -> str:
    """The step to an item of a list that is a map by some of its fields."""
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def item_element(item: Any, of: FieldType) -> str:
    """The step to an item of a list that is no atom. Raises `BadItem`.

    A key that an item leaves out has its default; without one it is left out of the step too, as long as another is
    there.
    """
    if not of.keys:
        if isinstance(item, (dict, list)):
            raise BadItem("associative list without keys has an element that's a map type or list type")
        return value_element(item)
    if item is None:
        raise BadItem("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise BadItem("associative list with keys may not have non-map elements")
    if len(of.keys) == 1:
        (key,) = of.keys
        value = item.get(key)
        if type(value) is str and key not in of.key_defaults:
            return of.string_key_prefix + orjson.dumps(value).decode() + "}"
    found: dict[str, Any] = {}
    for key in of.keys:
        value = item.get(key)
        if value is None:
            value = of.key_defaults.get(key)
        if value is not None:
            found[key] = value
    if not found:
        raise BadItem(
            f'associative list with keys has an element that omits key field "{of.keys[0]}" (and doesn\'t have '
            "default value)"
        )
    return keys_element(found)


def canonical_element(step: str) -> str:
    """A step as a client wrote it, in the one form used here. Raises `ValueError`."""
    kind, content = step[:2], step[2:]
    if kind == "f:":
        return step
    if kind == "i:" and content.lstrip("-").isdigit():
        return step
    if kind == "v:":
        return value_element(orjson.loads(content))
    if kind == "k:":
        keys = orjson.loads(content)
        if isinstance(keys, dict):
            return keys_element(keys)
    raise ValueError(f"unknown path element {step}")


def shown_element(step: str) -> str:
    """A step as messages show it."""
    kind, content = step[:2], step[2:]
    if kind == "f:":
        return "." + content
    if kind == "k:":
        keys = orjson.loads(content)
        return "[" + ",".join(f"{key}={orjson.dumps(keys[key]).decode()}" for key in sorted(keys)) + "]"
    return f"[={content}]" if kind == "v:" else f"[{content}]"


def shown_path(path: Iterable[str]) -> str:
    """A path as messages show it: ``.spec.containers[name="web"].image``."""
    return "".join(map(shown_element, path))


def named_items(items: Iterable[Any], of: FieldType) -> dict[str, list[Any]] | None:
    """The items of a list by their steps, several under one where they don't differ; None if one can't be named."""
    found: dict[str, list[Any]] = {}
    try:
        for item in items:
            step = item_element(item, of)
            if step in found:
                found[step].append(item)
            else:
                found[step] = [item]
    except BadItem:
        return None
    return found
