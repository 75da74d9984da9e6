"""Who owns which field after a write (``metadata.managedFields``), by `apimachinery.managed_fields`.

Every write is tracked as it is made, native actors' included. It costs some 20 microseconds: what a write did not touch
is compared by identity or in C, and an object carries its managers as one text that only writes and HTTP answers open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from actors.apimachinery.managed_fields.managers import (
    NOBODY,
    UPDATE,
    ManagerId,
    Managers,
    managers_from_client,
    managers_of,
    text_of,
)
from actors.apimachinery.managed_fields.update import managers_after_create, managers_after_update
from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.apiserver.call import Call

MANAGED_FIELDS: Final = "managedFields"
#: Actors that there are many of, each named after something; and what their names begin with.
_FAMILIES: Final = (("kubelet-", "kubelet"), ("cli-", "podchain"), ("gateway-", "gateway"))
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


def record_create(call: Call, obj: Object) -> str:
    """The managers of a new object, before admission adds to it."""
    return text_of(managers_after_create(obj, call.resource, manager_id(call, UPDATE), format_time(call.now_s)))


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
    after = managers_after_update(base, old, new, call.resource, manager_id(call, UPDATE), format_time(call.now_s))
    return text if after is managers else text_of(after)


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
