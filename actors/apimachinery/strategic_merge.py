"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

    patched = apply_strategic_merge(obj, patch, resource)      # raises ApiError

The schema says how each list is merged: by a key (``x-kubernetes-patch-merge-key``), as a set, or replaced whole.
Directives inside the patch:

    $patch: replace | delete              this object, or the list item with the same key
    $retainKeys: [a, b]                   fields of this object that are not listed are dropped
    $deleteFromPrimitiveList/finalizers   values to take out of a list of plain values
    $setElementOrder/containers           the order in which the listed items end up

Pure: `obj` and `patch` are left alone, and what the patch doesn't touch is shared with the result, not copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.json_patch import identity
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.schema import Schema, field_schema, item_schema, merge_key, patch_strategies, schema_of
from actors.apimachinery.status import ApiError, bad_request, format_value, status_failure

PATCH: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
DELETE_FROM: Final = "$deleteFromPrimitiveList/"
SET_ORDER: Final = "$setElementOrder/"

_NOT_STRATEGIC: Final = (
    "the body of the request was in an unknown format - accepted media types include: "
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
)


def apply_strategic_merge(obj: Object, patch: Any, resource: Resource) -> Object:
    """The patched object. Raises `ApiError`: 400 for a malformed patch, 415 for custom resources."""
    schema = schema_of(resource)
    if schema is None or resource.custom is not None:
        raise ApiError(status_failure(415, "UnsupportedMediaType", _NOT_STRATEGIC))
    if not isinstance(patch, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    return _merge_map(obj, patch, schema)


def _merge_map(original: Mapping[str, Any], patch: Mapping[str, Any], schema: Schema | None) -> Object:
    if PATCH in patch:
        return _whole_map(patch)
    merged = dict(original)
    changes = dict(patch)
    _retain_keys(merged, changes)
    for directive in [key for key in changes if key.startswith(SET_ORDER)]:
        _merge_ordered(merged, changes, directive, schema)
    for key, value in changes.items():
        if key.startswith(DELETE_FROM):
            name = key.removeprefix(DELETE_FROM)
            if isinstance(merged.get(name), list):
                merged[name] = _without(merged[name], _list(value, key))
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(merged.get(key), value, field_schema(schema, key))
    return merged


def _whole_map(patch: Mapping[str, Any]) -> Object:
    directive = patch[PATCH]
    if directive == "replace":
        return {key: _plain(value) for key, value in patch.items() if key != PATCH}
    if directive == "delete":
        return {}
    raise bad_request(f"unknown patch type found: {format_value(directive)}")


def _retain_keys(merged: Object, changes: Object) -> None:
    kept = changes.pop(RETAIN_KEYS, None)
    if kept is None:
        return
    kept = _list(kept, RETAIN_KEYS)
    for key, value in changes.items():
        if value is not None and not key.startswith("$") and key not in kept:
            raise bad_request(f"{RETAIN_KEYS} directive does not list {format_value(key)}, which the patch sets")
    for key in [key for key in merged if key not in kept]:
        del merged[key]


def _merge_value(original: Any, patch: Any, schema: Schema | None) -> Any:
    strategies = patch_strategies(schema)
    if isinstance(patch, dict):
        if isinstance(original, dict) and "replace" not in strategies:
            return _merge_map(original, patch, schema)
        return _plain(patch)
    if isinstance(patch, list) and isinstance(original, list) and "merge" in strategies:
        return _merge_list(original, patch, schema)
    return _plain(patch)


def _merge_list(original: Sequence[Any], patch: Sequence[Any], schema: Schema | None) -> list[Any]:
    key = merge_key(schema)
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        merged = _unique([*original, *patch])
        return _order(merged, patch, original, "")
    if not key:
        return _plain_list(patch)
    kept, changes, replaces = _take_directives(original, patch, key)
    if replaces:
        return changes
    merged = _merge_items(kept, changes, key, item_schema(schema))
    return _order(merged, changes, original, key)


def _take_directives(original: Sequence[Any], patch: Sequence[Any], key: str) -> tuple[list[Any], list[Any], bool]:
    """Carry out ``$patch`` items: what is kept of the original, the patch's plain items, whether they replace all."""
    deleted: set[Hashable] = set()
    changes: list[Any] = []
    replaces = False
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request("invalid JSON document: a list mixes objects and plain values")
        directive = item.get(PATCH)
        if directive is None:
            changes.append(item)
        elif directive == "delete":
            deleted.add(identity(_key_value(item, key)))
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise bad_request("merging lists cannot yet be specified in the patch")
        else:
            raise bad_request(f"unknown patch type found: {format_value(directive)}")
    kept = [other for other in original if identity(other.get(key)) not in deleted] if deleted else list(original)
    return kept, [_plain(item) for item in changes] if replaces else changes, replaces


def _merge_items(original: Sequence[Any], patch: Sequence[Any], key: str, schema: Schema | None) -> list[Any]:
    merged = list(original)
    places: dict[Hashable, int] = {}
    for position, other in enumerate(merged):
        if isinstance(other, dict) and key in other:
            places.setdefault(identity(other[key]), position)
    for item in patch:
        value = identity(_key_value(item, key))
        if value in places:
            merged[places[value]] = _merge_map(merged[places[value]], item, schema)
        else:
            places[value] = len(merged)
            merged.append(_plain(item))
    return merged


def _key_value(item: Mapping[str, Any], key: str) -> Any:
    if key not in item:
        raise bad_request(f"map: {format_value(dict(item))} does not contain declared merge key: {key}")
    return item[key]


def _merge_ordered(merged: Object, changes: Object, directive: str, schema: Schema | None) -> None:
    """Merge a list whose final order the patch spells out; takes both from the changes."""
    order = _list(changes.pop(directive), directive)
    name = directive.removeprefix(SET_ORDER)
    field = field_schema(schema, name)
    original = merged.get(name)
    deleted = changes.pop(DELETE_FROM + name, None)
    if isinstance(original, list) and deleted is not None:
        original = merged[name] = _without(original, _list(deleted, DELETE_FROM + name))
    if isinstance(changes.get(name), list):
        result = _merge_value(original, changes.pop(name), field)
    elif isinstance(original, list):
        result = original
    else:
        return
    key = merge_key(field) if any(isinstance(item, dict) for item in result) else ""
    if key:
        for item in order:
            if not isinstance(item, dict) or key not in item:
                raise bad_request(f"{directive} must list objects with the merge key {key}")
    merged[name] = _order(result, order, original or [], key)


def _order(merged: Sequence[Any], patch_order: Sequence[Any], server_order: Sequence[Any], key: str) -> list[Any]:
    """Items the patch speaks of stand in its order; the others stay where the server had them relative to those."""
    ours = _positions(patch_order, key)
    server = _positions(server_order, key)
    spoken_of = [item for item in merged if _identity(item, key) in ours]
    others = [item for item in merged if _identity(item, key) not in ours]
    right = deque(sorted(spoken_of, key=lambda item: ours[_identity(item, key)]))
    left = deque(sorted(others, key=lambda item: server.get(_identity(item, key), len(server_order))))
    ordered: list[Any] = []
    while left and right:
        first, second = server.get(_identity(left[0], key)), server.get(_identity(right[0], key))
        both_known = first is not None and second is not None
        ordered.append((left if both_known and first < second else right).popleft())  # type: ignore[operator]
    return [*ordered, *left, *right]


def _identity(item: Any, key: str) -> Hashable:
    return identity(item.get(key) if key and isinstance(item, dict) else item)


def _positions(items: Sequence[Any], key: str) -> dict[Hashable, int]:
    """Where each stands first."""
    found: dict[Hashable, int] = {}
    for position, item in enumerate(items):
        found.setdefault(_identity(item, key), position)
    return found


def _without(items: Sequence[Any], dropped: Sequence[Any]) -> list[Any]:
    known = {identity(item) for item in dropped}
    return [item for item in items if identity(item) not in known]


def _unique(items: Sequence[Any]) -> list[Any]:
    found: dict[Hashable, Any] = {}
    for item in items:
        found.setdefault(identity(item), item)
    return list(found.values())


def _list(value: Any, directive: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(f"invalid value for {directive}: it must be a list")
    return value


def _plain(value: Any) -> Any:
    """A value from the patch as it is stored: without nulls and without directives."""
    if isinstance(value, dict):
        if value.get(PATCH) == "delete":
            return {}
        return {k: _plain(v) for k, v in value.items() if v is not None and not k.startswith("$")}
    return _plain_list(value) if isinstance(value, list) else value


def _plain_list(items: Sequence[Any]) -> list[Any]:
    return [
        _plain(item)
        for item in items
        if not (isinstance(item, dict) and (item.get(PATCH) == "delete" or item.keys() == {PATCH}))
    ]
