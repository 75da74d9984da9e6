"""The strategic merge patch that `kubectl apply` sends: from three documents to one patch.

    patch = create_three_way_patch(original, modified, current, resource)

`original` is what was applied last (the annotation ``kubectl.kubernetes.io/last-applied-configuration``; None the first
time), `modified` what is applied now, `current` what the server has. The patch sets what `modified` says and `current`
doesn't, and deletes what `original` said and `modified` no longer does; what others added to `current` stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.json_patch import equal
from actors.apimachinery.merge_patch import create_three_way_merge_patch
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.schema import Schema, field_schema, item_schema, merge_key, patch_strategies, schema_of
from actors.apimachinery.strategic_merge import DELETE_FROM, PATCH, RETAIN_KEYS, SET_ORDER

_MISSING: Final = object()


def create_three_way_patch(original: Object | None, modified: Object, current: Object, resource: Resource) -> Object:
    """The patch to send; empty when there is nothing to do. For custom resources it is a plain merge patch.

    Raises `ValueError` when an item of a keyed list lacks its key.
    """
    schema = schema_of(resource)
    if schema is None or resource.custom is not None:
        return create_three_way_merge_patch(original or {}, modified, current)
    return _diff_map(original or {}, modified, current, schema)


def create_two_way_patch(original: Object, modified: Object, resource: Resource) -> Object:
    """The patch that makes `original` into `modified`, such as kubectl sends for ``set image`` and ``edit``."""
    return create_three_way_patch(original, modified, original, resource)


def _diff_map(original: Any, modified: Mapping[str, Any], current: Mapping[str, Any], schema: Schema | None) -> Object:
    before = original if isinstance(original, dict) else {}
    patch: Object = {}
    for key, value in modified.items():
        present = current.get(key, _MISSING)
        field = field_schema(schema, key)
        if present is _MISSING:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(present, dict):
            _diff_field_map(patch, key, (before.get(key), value, present), field)
        elif isinstance(value, list) and isinstance(present, list) and "merge" in patch_strategies(field):
            _diff_field_list(patch, key, (before.get(key) or [], value, present), field)
        elif not equal(value, present):
            patch[key] = value
    for key in before:
        if key not in modified and key in current:
            patch[key] = None
    return patch


def _diff_field_map(
    patch: Object, key: str, documents: tuple[Any, Mapping[str, Any], Mapping[str, Any]], field: Schema | None
) -> None:
    original, modified, current = documents
    if "replace" in patch_strategies(field):
        if not equal(modified, current):
            patch[key] = {**modified, PATCH: "replace"}
        return
    inner = _diff_map(original, modified, current, field)
    if not inner:
        return
    if "retainKeys" in patch_strategies(field):
        inner[RETAIN_KEYS] = sorted(modified)
    patch[key] = inner


def _diff_field_list(
    patch: Object, key: str, documents: tuple[Sequence[Any], Sequence[Any], Sequence[Any]], field: Schema | None
) -> None:
    """Lists that are merged: by key when they hold objects, else as sets of plain values."""
    original, modified, current = documents
    if not any(isinstance(item, dict) for item in (*original, *modified, *current)):
        _diff_plain_list(patch, key, documents)
        return
    name = merge_key(field)
    if not name:
        if not equal(list(modified), list(current)):
            patch[key] = list(modified)
        return
    changes = _diff_items(documents, name, item_schema(field))
    wanted = [_key_of(item, name) for item in modified]
    present = [_key_of(item, name) for item in current]
    if changes:
        patch[key] = changes
    if changes or _common(present, wanted) != _common(wanted, present):
        patch[SET_ORDER + key] = [{name: value} for value in wanted]


def _diff_items(
    documents: tuple[Sequence[Any], Sequence[Any], Sequence[Any]], name: str, schema: Schema | None
) -> list[Any]:
    original, modified, current = (_by_key(items, name) for items in documents)
    changes: list[Any] = []
    for value, item in modified.items():
        if value not in current:
            changes.append(item)
            continue
        inner = _diff_map(original.get(value), item, current[value], schema)
        if inner:
            changes.append({**inner, name: value})
    changes.extend({PATCH: "delete", name: value} for value in original if value not in modified and value in current)
    return changes


def _diff_plain_list(patch: Object, key: str, documents: tuple[Sequence[Any], Sequence[Any], Sequence[Any]]) -> None:
    original, modified, current = documents
    added = [value for value in modified if value not in current]
    gone = [value for value in original if value not in modified and value in current]
    if added:
        patch[key] = added
    if gone:
        patch[DELETE_FROM + key] = gone
    if added or gone or _common(current, modified) != _common(modified, current):
        patch[SET_ORDER + key] = list(modified)


def _key_of(item: Any, name: str) -> Any:
    if not isinstance(item, dict) or name not in item:
        raise ValueError(f"map: {item} does not contain declared merge key: {name}")
    return item[name]


def _by_key(items: Sequence[Any], name: str) -> dict[Any, Any]:
    return {_key_of(item, name): item for item in items}


def _common(items: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The items that the other list has too, in this list's order."""
    return [item for item in items if item in others]
