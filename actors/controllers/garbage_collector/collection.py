"""What to do about one object and its owners: pure.

The rules are those of Kubernetes' garbage collector (``attemptToDeleteItem``):

    all owners gone                         delete it; how, its own finalizers say (background unless they do)
    some owners gone, some there            take the references to those that are gone off it
    an owner waits for its dependents       delete it in the foreground too, if it has dependents of its own
    (foreground deletion)
    it waits for its dependents itself      delete those that block; when none is left, take the finalizer off
    it is deleted, leaving orphans          take its reference off all dependents, then the finalizer off it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from actors.apimachinery.meta import is_being_deleted, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.resources import Resource, ResourceTable

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"

Reference = Mapping[str, Any]
OwnerKey = tuple[str, str, str]
"""Resource, namespace and name of an owner."""


class OwnerState(Enum):
    """How an owner reference stands."""

    SOLID = "solid"
    GONE = "gone"
    WAITING = "waiting for its dependents"


@dataclass(frozen=True, slots=True)
class Item:
    """An object, and the resource it is one of."""

    resource: str
    object: Object

    @property
    def references(self) -> Sequence[Reference]:
        """Its owner references."""
        references: Sequence[Reference] = self.object["metadata"].get("ownerReferences") or ()
        return references

    @property
    def finalizers(self) -> Sequence[str]:
        finalizers: Sequence[str] = self.object["metadata"].get("finalizers") or ()
        return finalizers

    @property
    def deletes_dependents(self) -> bool:
        """Whether it is being deleted and waits until its dependents are gone."""
        return is_being_deleted(self.object) and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        """Whether it is being deleted and its dependents are to stay."""
        return is_being_deleted(self.object) and ORPHAN in self.finalizers

    def operation(self, verb: Any, body: Any = None, **options: Any) -> Operation:
        """Something to do to it."""
        metadata = self.object["metadata"]
        return Operation(verb, self.resource, metadata.get("namespace", ""), metadata["name"], "", body, options)


def owner_uids(obj: Object) -> list[str]:
    """The uids an object refers to as its owners."""
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences") or ()]


def state_of(reference: Reference, owner: Item | None) -> OwnerState:
    """How a reference stands, given the object of its name, if there is one."""
    if owner is None or uid_of(owner.object) != reference["uid"]:
        return OwnerState.GONE
    if owner.deletes_dependents and reference.get("blockOwnerDeletion"):
        return OwnerState.WAITING
    return OwnerState.SOLID


def owner_key(table: ResourceTable, item: Item, reference: Reference) -> OwnerKey | None:
    """Resource, namespace and name of an owner; None for a kind that doesn't exist (its owner can't be judged)."""
    resource = table.for_kind(reference["apiVersion"], reference["kind"])
    if resource is None:
        return None
    if resource.custom is not None:
        resource = table.preferred_version(resource)  # custom resources are watched in that one
    return _key_in(resource, item, reference)


def ended_owner_key(ended: Mapping[tuple[str, str], Resource], item: Item, reference: Reference) -> OwnerKey | None:
    """The same for an owner of a kind whose definition was deleted: there is nothing under that key any more."""
    resource = ended.get((reference["apiVersion"], reference["kind"]))
    return _key_in(resource, item, reference) if resource is not None else None


def _key_in(resource: Resource, item: Item, reference: Reference) -> OwnerKey:
    namespace = item.object["metadata"].get("namespace", "") if resource.namespaced else ""
    return resource.key, namespace, reference["name"]


def collect(item: Item, states: Sequence[OwnerState], dependents: Sequence[Item]) -> list[Operation]:
    """What to do about an object, given how its references stand (in order) and what refers to it."""
    if item.orphans_dependents:
        return _orphan(item, dependents)
    if item.deletes_dependents:
        return _foreground(item, dependents)
    if is_being_deleted(item.object) or not states:
        return []
    bad = [ref for ref, state in zip(item.references, states, strict=True) if state is not OwnerState.SOLID]
    if not bad:
        return []
    if len(bad) < len(states):
        return [_without_references(item, lambda reference: reference in bad)]
    if OwnerState.WAITING in states and dependents:
        return [_deletion(item, "Foreground")]
    if ORPHAN in item.finalizers:
        return [_deletion(item, "Orphan")]
    return [_deletion(item, "Foreground" if FOREGROUND in item.finalizers else "Background")]


def _deletion(item: Item, policy: str) -> Operation:
    return item.operation("delete", propagationPolicy=policy, preconditions={"uid": uid_of(item.object)})


def _orphan(item: Item, dependents: Sequence[Item]) -> list[Operation]:
    """First let go of the dependents; the finalizer goes when none refers to it any more."""
    uid = uid_of(item.object)
    if dependents:
        return [_without_references(each, lambda reference: reference["uid"] == uid) for each in dependents]
    return [_without_finalizer(item, ORPHAN)]


def _foreground(item: Item, dependents: Sequence[Item]) -> list[Operation]:
    """Delete the dependents; the finalizer goes when none that blocks is left."""
    uid = uid_of(item.object)
    blocking = [each for each in dependents if _blocks(each, uid)]
    if not blocking:
        return [_without_finalizer(item, FOREGROUND)]
    return [
        _deletion(each, "Foreground" if FOREGROUND in each.finalizers else "Background")
        for each in blocking
        if not is_being_deleted(each.object) and len(each.references) == 1
    ]


def _blocks(dependent: Item, owner_uid: str) -> bool:
    return any(ref["uid"] == owner_uid and ref.get("blockOwnerDeletion") for ref in dependent.references)


def _without_references(item: Item, unwanted: Callable[[Reference], bool]) -> Operation:
    kept = [dict(reference) for reference in item.references if not unwanted(reference)]
    return _metadata_patch(item, {"ownerReferences": kept or None})


def _without_finalizer(item: Item, finalizer: str) -> Operation:
    kept = [each for each in item.finalizers if each != finalizer]
    return _metadata_patch(item, {"finalizers": kept or None})


def _metadata_patch(item: Item, metadata: dict[str, Any]) -> Operation:
    """A merge patch that is refused when the object was replaced or changed meanwhile."""
    guarded = {
        "uid": uid_of(item.object),
        "resourceVersion": item.object["metadata"]["resourceVersion"],
        **metadata,
    }
    return item.operation("patch", {"metadata": guarded}, patchType="merge")
