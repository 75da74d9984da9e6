"""Which objects belong to a controller: adoption of matching orphans, release of what matches no more.

The rules of ``ControllerRefManager``. An object controlled by somebody else is never touched. One of ours whose labels
match no longer is released, and an orphan that matches is adopted, unless either is being deleted. Both are updates
that carry the object's resourceVersion, so that two controllers can't adopt one orphan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from actors.apimachinery.meta import (
    Key,
    controller_of,
    is_being_deleted,
    key_of,
    labels_of,
    new_controller_reference,
    uid_of,
)
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.selector import LabelSelector
from actors.client.controller import View

#: Index of a collection: uid of the managing controller.
BY_CONTROLLER: Final = "controller"
#: Index of a collection: namespace of the objects that have no managing controller.
ORPHANS: Final = "orphans"


def index_by_controller(obj: Object) -> Iterable[str]:
    """Values of the index `BY_CONTROLLER`."""
    reference = controller_of(obj)
    return () if reference is None else (reference["uid"],)


def index_orphans(obj: Object) -> Iterable[str]:
    """Values of the index `ORPHANS`."""
    return (obj["metadata"].get("namespace", ""),) if controller_of(obj) is None else ()


OWNERSHIP_INDEXES: Final = {BY_CONTROLLER: index_by_controller, ORPHANS: index_orphans}


@dataclass(slots=True)
class Claim:
    """What belongs to a controller, and the writes that make it so."""

    owned: list[Object] = field(default_factory=list)
    """Controlled already, and matching."""
    adopted: list[Object] = field(default_factory=list)
    """Orphans that match; they count once the write has succeeded."""
    writes: list[Operation] = field(default_factory=list)


def claim(owner: Object, selector: LabelSelector, resource: str, candidates: Iterable[Object]) -> Claim:
    """Sort out which candidates of a resource belong to `owner`."""
    result = Claim()
    owner_is_going = is_being_deleted(owner)
    for obj in candidates:
        reference = controller_of(obj)
        matches = selector.matches(labels_of(obj))
        if reference is None:
            if matches and not owner_is_going and not is_being_deleted(obj):
                result.adopted.append(obj)
                result.writes.append(_update_owners(resource, obj, [*_owners(obj), new_controller_reference(owner)]))
        elif reference["uid"] == uid_of(owner):
            if matches:
                result.owned.append(obj)
            elif not owner_is_going:
                others = [ref for ref in _owners(obj) if ref["uid"] != uid_of(owner)]
                result.writes.append(_update_owners(resource, obj, others))
    return result


def candidates(view: View, resource: str, owner: Object) -> list[Object]:
    """The objects `claim` has to look at: those the owner controls and the orphans of its namespace."""
    namespace = owner["metadata"].get("namespace", "")
    return view.by_index(resource, BY_CONTROLLER, uid_of(owner)) + view.by_index(resource, ORPHANS, namespace)


def _owners(obj: Object) -> Sequence[Object]:
    return obj["metadata"].get("ownerReferences") or ()


def _update_owners(resource: str, obj: Object, owners: Sequence[Object]) -> Operation:
    """A patch, which controllers may do to all they own; void when the object has changed since."""
    known = obj["metadata"]
    metadata = {name: known[name] for name in ("uid", "resourceVersion") if name in known}
    metadata["ownerReferences"] = list(owners) or None
    key = key_of(obj)
    return Operation("patch", resource, key.namespace, key.name, "", {"metadata": metadata}, {"patchType": "merge"})


def owner_keys(resource: str, kind: str) -> Callable[[Object, View], Iterable[Key]]:
    """For a trigger: the keys of the owners (of that resource and kind) that an object concerns.

    Its managing controller, if it is still the one with that uid; for an orphan, all owners that would adopt it.
    """

    def keys(obj: Object, view: View) -> Iterable[Key]:
        namespace = obj["metadata"].get("namespace", "")
        reference = controller_of(obj)
        if reference is not None:
            if reference["kind"] != kind:
                return ()
            key = Key(namespace, reference["name"])
            owner = view.get(resource, key)
            return (key,) if owner is not None and uid_of(owner) == reference["uid"] else ()
        labels = labels_of(obj)
        if not labels:
            return ()
        return [key_of(owner) for owner in view.list(resource, namespace) if _selects(owner, labels)]

    return keys


def _selects(owner: Object, labels: dict[str, str]) -> bool:
    selector = LabelSelector.from_object(owner["spec"].get("selector"))
    return not selector.is_empty and selector.matches(labels)


def own_key(obj: Object, _view: View) -> Iterable[Key]:
    """For a trigger: the object's own key."""
    return (key_of(obj),)
