"""From client-side to server-side apply: kubectl's annotation of what was applied last.

``kubectl apply --server-side`` of an object that was applied from the client's side would be in conflict with its own
past. So for the manager ``kubectl`` what the annotation says, and is so still, may be taken over; and an object that
has the annotation gets a new one, so that going back works too.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from actors.apimachinery.managed_fields.comparison import compare
from actors.apimachinery.managed_fields.contents import field_set_of
from actors.apimachinery.managed_fields.field_set import NOTHING, FieldSet, difference, union
from actors.apimachinery.managed_fields.field_type import field_type_of
from actors.apimachinery.managed_fields.path_element import BadItem
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource

KUBECTL: Final = "kubectl"
ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"
#: Kubernetes' limit on all of an object's annotations.
ANNOTATIONS_BYTES_MAX: Final = 256 * 1024


def may_be_taken(live: Object, resource: Resource) -> FieldSet:
    """The fields that were applied from the client's side and are as they were applied."""
    last = _last_applied(live)
    if last is None or (last.get("apiVersion"), last.get("kind")) != (resource.api_version, resource.kind):
        return NOTHING
    of = field_type_of(resource)
    try:
        stated: FieldSet = field_set_of(last, of)
    except BadItem:
        return NOTHING
    comparison = compare(last, live, of)
    changed = union(comparison.modified, comparison.removed)
    return union(difference(stated, changed), {"f:metadata": {"f:annotations": {"f:" + ANNOTATION: {}}}})


def _last_applied(live: Object) -> Object | None:
    text = (live["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def with_last_applied(merged: Object, live: Object, config: Object) -> Object:
    """The merged object with the annotation brought up to date, if the object has one."""
    if ANNOTATION not in (live["metadata"].get("annotations") or {}):
        return merged
    metadata = config.get("metadata") or {}
    stated = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != ANNOTATION}
    config = {**config, "metadata": {**metadata, "annotations": stated}}
    text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations = {**(merged["metadata"].get("annotations") or {}), ANNOTATION: text}
    if sum(len(name) + len(value) for name, value in annotations.items()) > ANNOTATIONS_BYTES_MAX:
        del annotations[ANNOTATION]
    return {**merged, "metadata": {**merged["metadata"], "annotations": annotations}}
