"""JSON merge patch (RFC 7386).

    patched = apply_merge_patch(obj, {"spec": {"replicas": 3, "paused": None}})    # raises ApiError
    patch = create_merge_patch(old, new)           # the smallest patch that makes old into new
    patch = create_three_way_merge_patch(original, modified, current)    # kubectl apply for custom resources

Pure: arguments are left alone, and what the patch doesn't touch is shared with the result, not copied.
"""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.json_patch import equal
from actors.apimachinery.operation import Object
from actors.apimachinery.status import bad_request

_MISSING: Final = object()


def apply_merge_patch(obj: Object, patch: Any) -> Object:
    """The patched object: objects are merged field by field, null deletes, all else replaces. Raises `ApiError`."""
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch is an object")
    return _merge(obj, patch)


def _merge(target: Any, patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge(merged.get(key), value)
        else:
            merged[key] = value
    return merged


def create_merge_patch(old: Object, new: Object) -> Object:
    """The patch that makes `old` into `new`; empty when they are equal. Neither may contain null."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key, _MISSING)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := create_merge_patch(before, value):
                patch[key] = inner
        elif not equal(before, value):
            patch[key] = value
    return patch


def create_three_way_merge_patch(original: Object, modified: Object, current: Object) -> Object:
    """What brings `current` to `modified`, deleting only what stood in `original` (last applied) and is gone since."""
    changes = _without_deletions(create_merge_patch(current, modified))
    deletions = _deletions_only(create_merge_patch(original, modified))
    return _union(changes, deletions)


def _without_deletions(patch: Object) -> Object:
    kept: Object = {}
    for key, value in patch.items():
        if isinstance(value, dict):
            inner = _without_deletions(value)
            if inner or not value:
                kept[key] = inner
        elif value is not None:
            kept[key] = value
    return kept


def _deletions_only(patch: Object) -> Object:
    kept: Object = {}
    for key, value in patch.items():
        if value is None:
            kept[key] = None
        elif isinstance(value, dict) and (inner := _deletions_only(value)):
            kept[key] = inner
    return kept


def _union(first: Object, second: Object) -> Object:
    """Both patches as one; nulls are kept."""
    union = dict(first)
    for key, value in second.items():
        before = union.get(key)
        union[key] = _union(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return union
