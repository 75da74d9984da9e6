"""What an update does to an object's managers: whoever changes a field owns it, alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.managed_fields.comparison import Comparison, compare
from actors.apimachinery.managed_fields.conflict import FieldConflict
from actors.apimachinery.managed_fields.field_set import FieldSet, difference, intersection, union
from actors.apimachinery.managed_fields.field_type import field_type_of
from actors.apimachinery.managed_fields.managers import ManagerId, Managers, Owned, capped
from actors.apimachinery.managed_fields.reset_fields import SERVERS_METADATA, is_reset_at_top, ownable
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource

#: What every new object is compared with.
_NOT_YET: Final[Mapping[str, Any]] = {}


def settled(managers: Managers, comparison: Comparison, own_id: ManagerId, *, force: bool) -> dict[ManagerId, Owned]:
    """The managers after a change by one of them: the others lose what was changed or is gone.

    Raises `FieldConflict` unless forced.
    """
    changed = comparison.set_fields
    conflicts: dict[ManagerId, FieldSet] = {}
    result: dict[ManagerId, Owned] = {}
    for each, owned in managers.items():
        if each != own_id and (lost := intersection(owned.fields, changed)):
            conflicts[each] = lost
            owned = Owned(difference(owned.fields, lost), owned.api_version, owned.time)
        if each != own_id and comparison.removed:
            owned = Owned(difference(owned.fields, comparison.removed), owned.api_version, owned.time)
        if owned.fields:
            result[each] = owned
    if conflicts and not force:
        raise FieldConflict(conflicts)
    return result


def managers_after_update(
    managers: Managers, old: Object, new: Object, resource: Resource, own_id: ManagerId, now: str
) -> Managers:
    """The managers after an update by one of them; the very same when nothing changed that can be owned.

    `own_id` says who, in which version, and of which subresource.
    """
    comparison = change_of(old, new, resource, own_id.subresource)
    return managers if comparison.is_same else managers_after_change(managers, comparison, resource, own_id, now)


def change_of(old: Object, new: Object, resource: Resource, subresource: str) -> Comparison:
    """How a write to an object, or to one of its subresources, changes what can be owned."""
    part_of_old, part_of_new = _ownable_parts(old, new, resource, subresource)
    return compare(part_of_old, part_of_new, field_type_of(resource))


def managers_after_change(
    managers: Managers, comparison: Comparison, resource: Resource, own_id: ManagerId, now: str
) -> Managers:
    """The managers after an update that made a difference."""
    result = settled(managers, comparison, own_id, force=True)
    gained = ownable(comparison.set_fields, resource, own_id.subresource)
    before = result.get(own_id)
    if gained:
        fields = union(before.fields, gained) if before is not None else gained
        result[own_id] = Owned(fields, own_id.api_version, now)
    return capped(result)


def managers_after_create(obj: Object, resource: Resource, own_id: ManagerId, now: str) -> Managers:
    """The managers of a new object."""
    return managers_after_update({}, _NOT_YET, obj, resource, own_id, now)  # type: ignore[arg-type]


def _ownable_parts(old: Object, new: Object, resource: Resource, subresource: str) -> tuple[Object, Object]:
    """The two objects without what nobody can own: not looking there is what makes tracking cheap."""
    parts: list[Object] = []
    for obj in (old, new):
        part = {name: value for name, value in obj.items() if not is_reset_at_top(name, resource, subresource)}
        metadata = obj.get("metadata")
        if metadata:
            part["metadata"] = {name: value for name, value in metadata.items() if name not in SERVERS_METADATA}
        parts.append(part)
    return parts[0], parts[1]
