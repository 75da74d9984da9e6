"""Server-side apply: an object as one manager wants it, merged into what there is (``Updater.Apply``).

The manager states what it wants. Fields that it states become its own, along with whoever owns them at the same value
already; a field that another manager owns at another value is a conflict, unless forced. What it stated last time and
does not state any more goes away, unless somebody else owns it too.
"""

from __future__ import annotations

from typing import Any

from actors.apimachinery.managed_fields.comparison import Comparison, compare
from actors.apimachinery.managed_fields.contents import field_set_of
from actors.apimachinery.managed_fields.field_set import FieldSet, difference, intersection, union
from actors.apimachinery.managed_fields.field_type import FieldType, field_type_of
from actors.apimachinery.managed_fields.managers import UPDATE, ManagerId, Managers, Owned
from actors.apimachinery.managed_fields.merging import merge
from actors.apimachinery.managed_fields.removal import with_holders, without_fields
from actors.apimachinery.managed_fields.reset_fields import changeable, ownable
from actors.apimachinery.managed_fields.update import managers_after_create, settled
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource

#: The manager of what was there before anything was applied, of an object without managed fields.
BEFORE_FIRST_APPLY = "before-first-apply"


def apply(
    managers: Managers, live: Object, config: Object, resource: Resource, own_id: ManagerId, now: str, *, force: bool
) -> tuple[Object, Managers] | None:
    """The merged object and its managers; None when nothing changes, not even who owns what.

    `config` is well formed (`well_formed.check_shape`). Raises `FieldConflict` unless forced.
    """
    of = field_type_of(resource)
    before = managers or _managers_of_the_unmanaged(live, resource, now)
    last = before.get(own_id)
    all_stated = field_set_of(config, of)
    stated = ownable(all_stated, resource, own_id.subresource)
    wanted: dict[ManagerId, Owned] = {**before, own_id: Owned(stated, resource.api_version, now)}
    merged = merge(live, config, of)
    if last is not None and last.fields:
        # The server's own fields, which nobody owns, hold the metadata in its place.
        owned: FieldSet = all_stated
        for owner in wanted.values():
            owned = union(owned, owner.fields)
        merged = _pruned(merged, owned, last.fields, of)
    difference_at_all = compare(live, merged, of)
    comparison = Comparison(*(changeable(fields, resource, own_id.subresource) for fields in difference_at_all))
    after = settled(wanted, comparison, own_id, force=force)
    if comparison.is_same and _same_owners(managers, after):
        return None
    return merged, after


def _managers_of_the_unmanaged(live: Object, resource: Resource, now: str) -> Managers:
    """All that an object has, when nobody is known to own it, is somebody's: applying must not take it silently."""
    metadata = live.get("metadata") or {}
    if not metadata.get("uid"):
        return {}
    own_id = ManagerId.of(BEFORE_FIRST_APPLY, UPDATE, resource.api_version)
    return managers_after_create(live, resource, own_id, now)


def _same_owners(before: Managers, after: Managers) -> bool:
    return before.keys() == after.keys() and all(
        owned.fields == after[own_id].fields and owned.api_version == after[own_id].api_version
        for own_id, owned in before.items()
    )


def _pruned(merged: Any, owned: FieldSet, last: FieldSet, of: FieldType) -> Any:
    """The merged object without what the manager stated last time and nobody states any more."""
    last_with_holders = with_holders(last, of)
    pruned = without_fields(merged, last_with_holders, of) or {}
    everything = with_holders(field_set_of(merged, of), of)
    # What somebody owns comes back, with what holds it ...
    kept = union(with_holders(field_set_of(pruned, of), of), with_holders(owned, of))
    pruned = without_fields(merged, difference(everything, kept), of) or {}
    # ... and so does what the manager never had: it only lay below something of its own.
    gone = difference(everything, with_holders(field_set_of(pruned, of), of))
    return without_fields(merged, intersection(gone, last_with_holders), of) or {}
