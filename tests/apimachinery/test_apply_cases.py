"""What applying does in single cases, as Kubernetes' structured-merge-diff is known to decide them."""

from typing import Any

import pytest

from actors.apimachinery.managed_fields.apply import BEFORE_FIRST_APPLY, apply
from actors.apimachinery.managed_fields.conflict import FieldConflict, conflict_error
from actors.apimachinery.managed_fields.contents import field_set_of
from actors.apimachinery.managed_fields.field_set import paths
from actors.apimachinery.managed_fields.field_type import field_type_of
from actors.apimachinery.managed_fields.managers import APPLY, UPDATE, ManagerId, Managers
from actors.apimachinery.managed_fields.merging import merge
from actors.apimachinery.managed_fields.path_element import shown_path
from actors.apimachinery.managed_fields.update import managers_after_update
from actors.apimachinery.managed_fields.well_formed import check_shape
from actors.apimachinery.resources import resource_of

PODS, SERVICES, MAPS = resource_of("v1/pods"), resource_of("v1/services"), resource_of("v1/configmaps")
NOW = "2026-01-01T00:00:00Z"


class Live:
    """An object and its managers."""

    def __init__(self, resource: Any, obj: Any | None = None) -> None:
        self.resource = resource
        self.object: Any = obj or {"metadata": {}}
        self.managers: Managers = {}

    def apply(self, name: str, config: Any, *, force: bool = False) -> Any:
        config = {"metadata": {"name": "x"}, **config}
        own_id = ManagerId.of(name, APPLY, self.resource.api_version)
        result = apply(self.managers, self.object, config, self.resource, own_id, NOW, force=force)
        if result is not None:
            self.object, self.managers = result
        return self.object

    def update(self, name: str, new: Any, subresource: str = "") -> None:
        own_id = ManagerId.of(name, UPDATE, self.resource.api_version, subresource)
        self.managers = managers_after_update(self.managers, self.object, new, self.resource, own_id, NOW)
        self.object = new

    def owned(self, name: str) -> list[str]:
        return [
            shown_path(path) for own_id, o in self.managers.items() if own_id.name == name for path in paths(o.fields)
        ]


def containers(*items: Any) -> Any:
    return {"spec": {"containers": list(items)}}


def test_a_key_that_is_left_out_has_its_default() -> None:
    live = Live(SERVICES)
    live.apply("one", {"spec": {"ports": [{"port": 80, "name": "a"}]}})
    live.apply("two", {"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}]}})
    assert live.object["spec"]["ports"] == [{"port": 80, "name": "a", "protocol": "TCP", "targetPort": 8080}]
    live.apply("two", {"spec": {"ports": [{"port": 80, "protocol": "UDP"}]}})
    assert [p.get("protocol") for p in live.object["spec"]["ports"]] == [None, "UDP"]
    assert '.spec.ports[port=80,protocol="TCP"].name' in live.owned("one")


def test_an_item_goes_with_its_last_owner() -> None:
    live = Live(PODS)
    live.apply("one", containers({"name": "a", "image": "x"}, {"name": "b", "image": "y"}))
    live.apply("two", containers({"name": "b", "image": "y"}))
    live.apply("one", containers({"name": "a", "image": "x"}))
    assert [c["name"] for c in live.object["spec"]["containers"]] == ["a", "b"]
    live.apply("two", {})
    assert [c["name"] for c in live.object["spec"]["containers"]] == ["a"]


def test_an_item_goes_though_another_changed_a_field_of_it() -> None:
    """Who owns a field of an item without owning the item does not keep it."""
    live = Live(PODS)
    live.apply("one", containers({"name": "a", "image": "x"}, {"name": "b", "image": "y"}))
    live.update("two", containers({"name": "a", "image": "x", "tty": True}, {"name": "b", "image": "y"}))
    live.apply("one", containers({"name": "b", "image": "y"}))
    assert live.object["spec"]["containers"] == [{"name": "b", "image": "y"}]
    assert live.owned("two") == []


def test_a_field_that_nobody_owns_goes_with_what_holds_it() -> None:
    """Defaults inside of an item are nobody's: they go with the item that was applied."""
    live = Live(PODS)
    live.apply("one", containers({"name": "a", "image": "x"}, {"name": "b"}))
    live.object["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    live.apply("one", containers({"name": "b"}))
    assert live.object["spec"]["containers"] == [{"name": "b"}]


def test_a_field_that_nobody_owns_stays_where_its_holder_stays() -> None:
    live = Live(PODS)
    live.apply("one", containers({"name": "a", "image": "x", "tty": True}))
    live.object["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    live.apply("one", containers({"name": "a", "image": "x"}))
    assert live.object["spec"]["containers"] == [{"name": "a", "image": "x", "imagePullPolicy": "Always"}]


def test_atoms_are_owned_whole() -> None:
    live = Live(PODS)
    live.apply("one", containers({"name": "a", "command": ["x", "y"]}) | {"metadata": {"name": "x"}})
    with pytest.raises(FieldConflict):
        live.apply("two", containers({"name": "a", "command": ["x"]}))
    live.apply("one", {"spec": {"nodeSelector": {"a": "b"}}})
    with pytest.raises(FieldConflict) as found:
        live.apply("two", {"spec": {"nodeSelector": {"c": "d"}}})
    assert conflict_error(found.value.conflicts).message == (
        'Apply failed with 1 conflict: conflict with "one": .spec.nodeSelector'
    )
    live.apply("two", {"spec": {"nodeSelector": {"c": "d"}}}, force=True)
    assert live.object["spec"]["nodeSelector"] == {"c": "d"}
    assert live.owned("one") == []


def test_conflicts_are_told_by_manager_and_path() -> None:
    live = Live(PODS)
    live.apply("one", containers({"name": "a", "image": "x", "tty": True}))
    live.update("kubectl-edit", containers({"name": "a", "image": "z", "tty": True}))
    with pytest.raises(FieldConflict) as found:
        live.apply("two", containers({"name": "a", "image": "y", "tty": False}))
    error = conflict_error(found.value.conflicts)
    assert error.message == (
        "Apply failed with 2 conflicts: "
        'conflicts with "kubectl-edit" using v1:\n- .spec.containers[name="a"].image\n'
        'conflicts with "one":\n- .spec.containers[name="a"].tty'
    )
    assert error.status["details"]["causes"][0] == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "kubectl-edit" using v1',
        "field": '.spec.containers[name="a"].image',
    }
    assert (error.code, error.reason) == (409, "Conflict")


def test_equal_values_are_shared_and_stay_while_one_owns_them() -> None:
    live = Live(MAPS)
    live.apply("one", {"data": {"a": "1"}})
    live.apply("two", {"data": {"a": "1"}})
    live.apply("one", {})
    assert live.object["data"] == {"a": "1"}
    live.apply("two", {})
    assert "data" not in live.object


def test_an_update_takes_a_field_from_its_applier_who_takes_it_back_by_force() -> None:
    live = Live(MAPS)
    live.apply("one", {"data": {"a": "1", "b": "1"}})
    live.update("kubectl-edit", {**live.object, "data": {"a": "2", "b": "1"}})
    assert live.owned("one") == [".data.b"]
    assert live.owned("kubectl-edit") == [".data.a"]
    with pytest.raises(FieldConflict):
        live.apply("one", {"data": {"a": "1", "b": "1"}})
    live.apply("one", {"data": {"a": "1", "b": "1"}}, force=True)
    assert live.owned("kubectl-edit") == []
    live.update("kubectl-edit", {**live.object, "data": {"b": "1"}})
    assert live.owned("one") == [".data.b"], "what is gone is nobody's"


def test_what_was_there_before_anything_was_applied_is_not_taken_silently() -> None:
    live = Live(MAPS, {"metadata": {"name": "x", "uid": "u"}, "data": {"a": "1", "b": "2"}})
    with pytest.raises(FieldConflict):
        live.apply("one", {"data": {"a": "2"}})
    live.apply("one", {"data": {"a": "1"}})
    assert live.owned(BEFORE_FIRST_APPLY) == [".data", ".data.a", ".data.b"]


def test_the_status_is_not_owned_through_the_object_nor_the_spec_through_the_status() -> None:
    live = Live(PODS)
    live.apply("one", {**containers({"name": "a"}), "status": {"phase": "Running"}})
    assert not [path for path in live.owned("one") if path.startswith(".status")]
    changed = {**live.object, "status": {"phase": "Failed"}, "spec": {"containers": []}}
    live.update("kubelet", changed, "status")
    assert live.owned("kubelet") in ([".status", ".status.phase"], [".status.phase"])


def test_the_servers_own_fields_are_nobodys() -> None:
    live = Live(MAPS)
    live.apply("one", {"apiVersion": "v1", "metadata": {"name": "x", "uid": "u", "labels": {"a": "b"}}})
    assert live.owned("one") == [".metadata.labels.a"]


@pytest.mark.parametrize(
    ("live", "applied", "merged"),
    [
        ("abc", "ca", "bca"),
        ("abc", "", "abc"),
        ("", "ba", "ba"),
        ("abc", "dbe", "adbce"),
        ("abcd", "db", "acdb"),
        ("ab", "xay", "xaby"),
    ],
)
def test_applied_items_stand_in_their_order_among_the_others(live: str, applied: str, merged: str) -> None:
    def pod(names: str) -> Any:
        return {"metadata": {"finalizers": list(names)}}

    result = merge(pod(live), pod(applied), field_type_of(PODS))
    assert "".join(result["metadata"]["finalizers"]) == merged


def test_duplicates_that_are_there_already_are_replaced_by_the_one_that_is_applied() -> None:
    live = containers({"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]})
    config = containers({"name": "a", "env": [{"name": "X", "value": "3"}]})
    merged = merge(live, config, field_type_of(PODS))
    assert merged["spec"]["containers"][0]["env"] == [{"name": "X", "value": "3"}]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"spec": {"foo": 1}}, ".spec.foo: field not declared in schema"),
        (
            containers({"name": "a"}, {"name": "a"}),
            '.spec.containers: duplicate entries for key [name="a"]',
        ),
        (
            containers({"image": "x"}),
            '.spec.containers: element 0: associative list with keys has an element that omits key field "name" '
            "(and doesn't have default value)",
        ),
        ({"metadata": {"finalizers": ["a", "a"]}}, '.metadata.finalizers: duplicate entries for key [="a"]'),
        ({"spec": {"priority": "high"}}, ".spec.priority: expected numeric (int or float), got string"),
        (
            containers({"name": "a", "env": [{"name": "X", "value": 8080}]}),
            '.spec.containers[name="a"].env[name="X"].value: expected string, got '
            "&value.valueUnstructured{Value:8080}",
        ),
        ({"spec": {"containers": {}}}, ".spec.containers: expected list, got &{map[]}"),
        ({"spec": {"nodeSelector": [1]}}, ".spec.nodeSelector: expected map, got &{[1]}"),
        (
            {"spec": {"a": 1, "b": 2}},
            "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
        ),
        ({"metadata": {"labels": {"any": "thing"}}}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_shape(config: Any, problem: str) -> None:
    assert check_shape(config, field_type_of(PODS)) == problem


def test_maps_and_lists_of_unknown_kinds_are_maps_and_atoms() -> None:
    from actors.apimachinery.resources import new_resource

    of = field_type_of(new_resource("example.com", "v1", "Thing", "things", namespaced=True))
    config = {"metadata": {"labels": {"a": "b"}}, "spec": {"a": {"b": 1}, "items": [{"name": "x"}]}}
    assert sorted(shown_path(path) for path in paths(field_set_of(config, of))) == [
        ".metadata.labels.a",
        ".spec",
        ".spec.a",
        ".spec.a.b",
        ".spec.items",
    ]
