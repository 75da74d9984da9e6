"""What the garbage collector does about an object, for each way its references can stand."""

from __future__ import annotations

from typing import Any

import pytest

from actors.apimachinery.resources import RESOURCES
from actors.controllers.garbage_collector.collection import Item, OwnerState, collect, owner_key, state_of

SOLID, GONE, WAITING = OwnerState.SOLID, OwnerState.GONE, OwnerState.WAITING


def item(name: str, owners: tuple[str, ...] = (), *, deleted: bool = False, finalizers: tuple[str, ...] = ()) -> Item:
    metadata: dict[str, Any] = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7"}
    if owners:
        metadata["ownerReferences"] = [reference(owner) for owner in owners]
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    return Item("v1/pods", {"metadata": metadata})


def reference(owner: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": owner,
        "uid": f"uid-{owner}",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def summary(operations: list[Any]) -> list[tuple[str, str, Any]]:
    return [(op.verb, op.name, op.options.get("propagationPolicy") or op.body["metadata"]) for op in operations]


def test_with_all_owners_there_nothing_happens() -> None:
    assert collect(item("a", ("x", "y")), [SOLID, SOLID], []) == []
    assert collect(item("a"), [], []) == []


def test_with_all_owners_gone_it_is_deleted_if_it_is_still_the_same() -> None:
    (operation,) = collect(item("a", ("x",)), [GONE], [])
    assert (operation.verb, operation.name) == ("delete", "a")
    assert operation.options == {"propagationPolicy": "Background", "preconditions": {"uid": "uid-a"}}


@pytest.mark.parametrize(("finalizer", "policy"), [("orphan", "Orphan"), ("foregroundDeletion", "Foreground")])
def test_its_own_finalizer_says_how_it_is_deleted(finalizer: str, policy: str) -> None:
    assert summary(collect(item("a", ("x",), finalizers=(finalizer,)), [GONE], [])) == [("delete", "a", policy)]


def test_with_some_owners_gone_only_their_references_go() -> None:
    ((verb, name, metadata),) = summary(collect(item("a", ("x", "y")), [GONE, SOLID], []))
    assert (verb, name) == ("patch", "a")
    assert [ref["name"] for ref in metadata["ownerReferences"]] == ["y"]
    assert (metadata["uid"], metadata["resourceVersion"]) == ("uid-a", "7")


def test_an_owner_that_waits_takes_dependents_with_dependents_in_the_foreground() -> None:
    child = item("child", ("a",))
    assert summary(collect(item("a", ("x",)), [WAITING], [child])) == [("delete", "a", "Foreground")]
    assert summary(collect(item("a", ("x",)), [WAITING], [])) == [("delete", "a", "Background")]


def test_foreground_deletion_waits_for_what_blocks() -> None:
    owner = item("x", deleted=True, finalizers=("foregroundDeletion",))
    children = [item("a", ("x",)), item("b", ("x",), deleted=True)]
    assert summary(collect(owner, [], children)) == [("delete", "a", "Background")]
    ((_, _, metadata),) = summary(collect(owner, [], []))
    assert metadata["finalizers"] is None


def test_orphaning_lets_go_of_dependents_first_and_keeps_other_finalizers() -> None:
    owner = item("x", deleted=True, finalizers=("orphan", "mine"))
    ((verb, name, metadata),) = summary(collect(owner, [], [item("a", ("x",))]))
    assert (verb, name, metadata["ownerReferences"]) == ("patch", "a", None)
    ((verb, name, metadata),) = summary(collect(owner, [], []))
    assert (verb, name, metadata["finalizers"]) == ("patch", "x", ["mine"])


def test_an_owner_of_the_same_name_but_another_uid_is_gone() -> None:
    other = Item("apps/v1/replicasets", {"metadata": {"name": "x", "uid": "another"}})
    same = Item("apps/v1/replicasets", {"metadata": {"name": "x", "uid": "uid-x"}})
    assert state_of(reference("x"), None) is GONE
    assert state_of(reference("x"), other) is GONE
    assert state_of(reference("x"), same) is SOLID


def test_owners_are_looked_for_where_their_kind_lives() -> None:
    child = item("a", ("x",))
    assert owner_key(RESOURCES, child, reference("x")) == ("apps/v1/replicasets", "default", "x")
    assert owner_key(RESOURCES, child, {**reference("n"), "apiVersion": "v1", "kind": "Node"}) == ("v1/nodes", "", "n")
    assert owner_key(RESOURCES, child, {**reference("w"), "apiVersion": "example.org/v1", "kind": "Widget"}) is None
