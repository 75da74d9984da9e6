"""Who owns which field after a write (``metadata.managedFields``), by `apimachinery.managed_fields`.

Every write is tracked as it is made, native actors' included. It costs a few tens of microseconds: what a write did
not touch is compared by identity or in C, objects made alike share their managers, and an object carries them as one
text that only writes and HTTP answers open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from actors.apimachinery.managed_fields.managers import (
    NOBODY,
    UPDATE,
    ManagerId,
    Managers,
    Owned,
    managers_from_client,
    managers_of,
    text_of,
)
from actors.apimachinery.managed_fields.update import change_of, managers_after_change, managers_after_create
from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apiserver.call import Call

MANAGED_FIELDS: Final = "managedFields"
#: Actors that there are many of, each named after something; and what their names begin with.
_FAMILIES: Final = (("kubelet-", "kubelet"), ("cli-", "podchain"), ("gateway-", "gateway"))
_OWN_NAMES: Final = frozenset({"name", "generateName", "uid", "resourceVersion", MANAGED_FIELDS})
#: What clients send who want all managers forgotten; an empty list changes nothing, so that nobody does by mistake.
_RESET: Final[list[Any]] = [{}]

#: The text for a changed object, from what the client sent as managedFields, the old state and the new one.
Record = Callable[[Call, Any, Object, Object], str]


def manager_name(call: Call) -> str:
    """Who writes: as the client says, else the actor that asks."""
    stated = call.operation.options.get("fieldManager")
    if stated:
        return str(stated)
    sender = call.request.sender if call.request is not None else "apiserver"
    return next((family for prefix, family in _FAMILIES if sender.startswith(prefix)), sender)


def manager_id(call: Call, operation: str) -> ManagerId:
    """The manager that a write counts for."""
    return ManagerId.of(manager_name(call), operation, call.resource.api_version, call.operation.subresource)


def record_create(call: Call, body: Object, obj: Object) -> str:
    """The managers of a new object, before admission adds to it; `body` is what it was decoded from.

    Which fields there are depends on an object's shape alone if it has no lists (events); and a controller's objects
    are alike: one that differs from its last one in nothing but its name has the same managers.
    """
    own_id, now = manager_id(call, UPDATE), format_time(call.now_s)
    shape = _shape_of(obj)
    if shape is not None:
        key: Any = (call.resource.key, own_id, shape)
        known = _created.get(key)
    else:
        key = (call.resource.key, own_id)
        shape = _apart(body)
        known = _created.get(key)
        if known is not None and known.shape != shape:
            known = None
    # A custom resource is another one when its definition has changed.
    if known is None or known.resource is not call.resource:
        managers = managers_after_create(obj, call.resource, own_id, now)
        known = _Created(shape, call.resource, managers, now, text_of(managers))
    elif known.time != now:
        managers = {each: Owned(owned.fields, owned.api_version, now) for each, owned in known.managers.items()}
        known = _Created(shape, call.resource, managers, now, text_of(managers))
    else:
        return known.text
    if len(_created) >= _CREATED_MAX:
        _created.clear()
    _created[key] = known
    return known.text


class _Created(NamedTuple):
    """What was found out of a creation."""

    shape: Any
    resource: Resource
    managers: Managers
    time: str
    text: str


_CREATED_MAX: Final = 512
_created: Final[dict[Any, _Created]] = {}


def _shape_of(value: Object) -> tuple[Any, ...] | None:
    """The fields of an object without lists, and whether they hold anything; None for others."""
    shape: list[Any] = []
    for name, inner in value.items():
        kind = type(inner)
        if kind is list:
            return None
        if kind is dict:
            below = _shape_of(inner)
            if below is None:
                return None
            shape.append((name, below))
        else:
            shape.append((name, not inner or inner == "0"))
    return tuple(shape)


def _apart(body: Object) -> tuple[Object, Object]:
    """An object as sent, without what tells it from its likes."""
    rest = {name: value for name, value in body.items() if name != "metadata"}
    sent = body.get("metadata") or {}
    metadata = {name: value for name, value in sent.items() if name not in _OWN_NAMES}
    if sent.get("generateName"):
        metadata["generateName"] = True
    return rest, metadata


def record_update(call: Call, sent: Any, old: Object, new: Object) -> str:
    """The managers of a changed object. What the client sent as managedFields counts, if it is well formed."""
    text: str = old["metadata"].get(MANAGED_FIELDS, "")
    managers = managers_of(text)
    base: Managers | None = managers
    if isinstance(sent, list) and sent and not call.operation.subresource:
        base = NOBODY if sent == _RESET else managers_from_client(sent)
        if base is None or (not base and sent != _RESET):
            base = managers
    if not base:
        return ""  # nobody is known to own anything: an update does not begin to track
    own_id, now = manager_id(call, UPDATE), format_time(call.now_s)
    change = change_of(old, new, call.resource, own_id.subresource)
    if base is not managers:
        after = base if change.is_same else managers_after_change(base, change, call.resource, own_id, now)
        return text_of(after)
    if change.is_same:
        return text
    # Objects made alike change alike: the pods of a ReplicaSet, say, become ready in the same second.
    key = (text, call.resource.key, own_id, now, orjson.dumps(list(change)))
    known = _updated.get(key)
    if known is None:
        if len(_updated) >= _UPDATED_MAX:
            _updated.clear()
        known = _updated[key] = text_of(managers_after_change(base, change, call.resource, own_id, now))
    return known


_UPDATED_MAX: Final = 512
_updated: Final[dict[Any, str]] = {}


def with_text(obj: Object, text: str) -> None:
    """Set the managers of an object, in place."""
    if text:
        obj["metadata"][MANAGED_FIELDS] = text
    else:
        obj["metadata"].pop(MANAGED_FIELDS, None)


def without_managers(obj: Object) -> Object:
    """The object as it is decoded: whatever stands in managedFields, it isn't the client's to say there."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or MANAGED_FIELDS not in metadata:
        return obj
    return {**obj, "metadata": {name: value for name, value in metadata.items() if name != MANAGED_FIELDS}}


def shown_to_clients(obj: Object) -> Object:
    """The object with its managers as clients know them, to be patched; the object itself is left alone."""
    text = obj["metadata"].get(MANAGED_FIELDS)
    if not text:
        return obj
    return {**obj, "metadata": {**obj["metadata"], MANAGED_FIELDS: orjson.loads(text)}}


def speaks_of_managers(patch: Any) -> bool:
    """Whether a patch looks at or changes managedFields, which only then need to be spelled out for it."""
    if isinstance(patch, list):
        pointers = [row.get(name) for row in patch if isinstance(row, dict) for name in ("path", "from")]
        return any(
            isinstance(each, str) and (each in ("", "/metadata") or each.startswith("/metadata/managedFields"))
            for each in pointers
        )
    metadata = patch.get("metadata") if isinstance(patch, dict) else None
    return isinstance(metadata, dict) and any(MANAGED_FIELDS in key for key in metadata)
