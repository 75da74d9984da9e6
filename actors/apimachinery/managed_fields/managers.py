"""The entries of ``metadata.managedFields``: who owns which fields, and since when.

A manager is told apart by its name, by whether it applies or updates, by the subresource, and, when it updates, by the
API version. An object is stored with all of them as one JSON text, in the order and form in which clients get to see
them (`text_of`, `managers_of`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from actors.apimachinery.managed_fields.field_set import NOTHING, FieldSet, from_wire, union

APPLY: Final = "Apply"
UPDATE: Final = "Update"
#: So many managers that update are kept apart; beyond that the oldest are taken together.
UPDATERS_MAX: Final = 10
ANCIENT: Final = "ancient-changes"


class ManagerId(NamedTuple):
    """What tells managers apart."""

    name: str
    operation: str
    api_version: str
    """Empty for managers that apply: they are the same whatever version they apply in."""
    subresource: str = ""

    @staticmethod
    def of(name: str, operation: str, api_version: str, subresource: str = "") -> ManagerId:
        return ManagerId(name, operation, "" if operation == APPLY else api_version, subresource)


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns."""

    fields: FieldSet
    api_version: str
    """The version in which the fields are named."""
    time: str = ""
    """When it last changed what it owns (RFC 3339)."""


Managers = Mapping[ManagerId, Owned]
NOBODY: Final[Managers] = {}


@lru_cache(maxsize=2048)
def managers_of(text: str) -> Managers:
    """The managers that a stored text names. Not to be changed: objects made alike have the same text."""
    return _from_entries(orjson.loads(text)) if text else NOBODY


def managers_from_client(entries: Any) -> Managers | None:
    """The managers in a list that a client sent; None unless it is well formed."""
    try:
        return _from_entries(entries)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _from_entries(entries: Any) -> Managers:
    found: dict[ManagerId, Owned] = {}
    for entry in entries:
        operation = entry["operation"]
        if operation not in (APPLY, UPDATE):
            raise ValueError(f"unknown operation {operation}")
        texts = [entry.get(name) or "" for name in ("manager", "apiVersion", "subresource", "time")]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("manager, apiVersion, subresource and time are strings")
        name, api_version, subresource, time = texts
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            raise ValueError("fieldsType must be FieldsV1")
        fields = from_wire(entry["fieldsV1"] if entry.get("fieldsV1") is not None else {})
        own_id = ManagerId.of(name, operation, api_version, subresource)
        before = found.get(own_id)
        if before is not None:
            fields = union(before.fields, fields)
        found[own_id] = Owned(fields, api_version, time)
    return found


def text_of(managers: Managers) -> str:
    """The managers as they are stored; empty when there are none."""
    if not managers:
        return ""
    entries = sorted(managers.items(), key=_place)
    rows = [_entry(own_id, owned) for own_id, owned in entries]
    return orjson.dumps(rows, option=orjson.OPT_SORT_KEYS).decode()


def _place(item: tuple[ManagerId, Owned]) -> tuple[str, str, str, str, str]:
    """Appliers first, then by time (UTC to the second: texts compare), name, version and subresource."""
    own_id, owned = item
    return own_id.operation, owned.time, own_id.name, owned.api_version, own_id.subresource


def _entry(own_id: ManagerId, owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "manager": own_id.name,
        "operation": own_id.operation,
        "apiVersion": owned.api_version,
    }
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owned.fields
    if own_id.subresource:
        entry["subresource"] = own_id.subresource
    return entry


def capped(managers: Managers) -> Managers:
    """With no more managers that update than allowed: the oldest of one version count as one."""
    updaters = [own_id for own_id in managers if own_id.operation == UPDATE]
    if len(updaters) <= UPDATERS_MAX:
        return managers
    result = dict(managers)
    surplus = len(updaters) - UPDATERS_MAX
    ancient: dict[str, ManagerId] = {}
    for own_id in sorted(updaters, key=lambda each: _place((each, managers[each]))):
        if surplus <= 0:
            break
        owned = result.pop(own_id)
        bucket = ManagerId(ANCIENT, UPDATE, owned.api_version)
        known = result.get(bucket)
        if known is None and owned.api_version not in ancient:
            ancient[owned.api_version] = bucket
        else:
            surplus -= 1
        fields = union(known.fields if known is not None else NOTHING, owned.fields)
        result[bucket] = Owned(fields, owned.api_version, max(owned.time, known.time if known is not None else ""))
    return result
