"""Laws of field ownership: sets of fields, and what applying does to an object and to its managers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.managed_fields import field_set
from actors.apimachinery.managed_fields.apply import apply
from actors.apimachinery.managed_fields.comparison import compare
from actors.apimachinery.managed_fields.conflict import FieldConflict
from actors.apimachinery.managed_fields.contents import field_set_of
from actors.apimachinery.managed_fields.field_type import field_type_of
from actors.apimachinery.managed_fields.managers import (
    ANCIENT,
    APPLY,
    UPDATE,
    UPDATERS_MAX,
    ManagerId,
    Managers,
    managers_from_client,
    managers_of,
    text_of,
)
from actors.apimachinery.managed_fields.reset_fields import ownable
from actors.apimachinery.managed_fields.update import managers_after_create, managers_after_update
from actors.apimachinery.resources import resource_of

DEPLOYMENTS = resource_of("apps/v1/deployments")
TYPE = field_type_of(DEPLOYMENTS)
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"

STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"x"'])
SETS = st.lists(st.lists(STEPS, min_size=1, max_size=3).map(tuple), max_size=6).map(lambda rows: set(rows))


def trie(paths: set[tuple[str, ...]]) -> field_set.FieldSet:
    return field_set.set_of(*paths)


def flat(fields: field_set.FieldSet) -> set[tuple[str, ...]]:
    found = list(field_set.paths(fields))
    assert len(found) == len(set(found))
    assert all(field_set.has(fields, path) for path in found)
    return set(found)


@given(SETS, SETS)
def test_sets_of_fields_are_sets_of_paths(left: set[Any], right: set[Any]) -> None:
    a, b = trie(left), trie(right)
    assert flat(a) == left
    assert flat(field_set.union(a, b)) == left | right
    assert flat(field_set.intersection(a, b)) == left & right
    assert flat(field_set.difference(a, b)) == left - right
    below = {path for path in left if any(path[: len(other)] == other for other in right)}
    assert flat(field_set.without_subtrees(a, b)) == left - below
    assert flat(field_set.from_wire(a)) == left


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["1", "2"])
ENV = st.dictionaries(NAMES, VALUES, max_size=3).map(lambda d: [{"name": k, "value": v} for k, v in d.items()])
PORTS = st.lists(
    st.sampled_from([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 81}]),
    unique_by=str,
    max_size=3,
)
CONTAINER = st.fixed_dictionaries(
    {}, optional={"image": VALUES, "env": ENV, "ports": PORTS, "command": st.lists(VALUES, min_size=1, max_size=2)}
)
CONTAINERS = st.dictionaries(NAMES, CONTAINER, max_size=3).map(lambda d: [{"name": k, **v} for k, v in d.items()])


def config_of(labels: dict[str, str], finalizers: list[str], replicas: int | None, containers: list[Any]) -> Any:
    metadata: dict[str, Any] = {"name": "web", "labels": labels, "finalizers": finalizers}
    spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}, "replicas": replicas}
    return _stated({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


def _stated(value: Any) -> Any:
    """Without what is empty: a configuration is silent about it."""
    if isinstance(value, list):
        return [_stated(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {k: _stated(v) for k, v in value.items()}
    return {k: v for k, v in inner.items() if v not in (None, {}, [])}


CONFIGS = st.builds(
    config_of,
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.lists(NAMES, unique=True, max_size=3),
    st.none() | st.integers(1, 2),
    CONTAINERS,
)


def applier(name: str) -> ManagerId:
    return ManagerId.of(name, APPLY, "apps/v1")


def applied(state: tuple[Any, Managers], config: Any, name: str, *, force: bool = False) -> tuple[Any, Managers]:
    result = apply(state[1], state[0], config, DEPLOYMENTS, applier(name), NOW, force=force)
    return state if result is None else result


EMPTY: tuple[Any, Managers] = ({"metadata": {}}, {})


def settled(value: Any) -> Any:
    """A value whatever the order of its lists' items, save those that are atoms."""
    if isinstance(value, dict):
        return {k: settled(v) if k != "command" else v for k, v in value.items()}
    return sorted((settled(item) for item in value), key=repr) if isinstance(value, list) else value


@given(CONFIGS, CONFIGS)
def test_applying_again_changes_nothing(first: Any, second: Any) -> None:
    state = applied(applied(EMPTY, first, "me"), second, "me")
    assert apply(state[1], state[0], second, DEPLOYMENTS, applier("me"), LATER, force=False) is None


@given(CONFIGS)
def test_the_applier_owns_what_it_states_and_nothing_else(config: Any) -> None:
    _, managers = applied(EMPTY, config, "me")
    stated = ownable(field_set_of(config, TYPE), DEPLOYMENTS, "")
    assert flat(managers[applier("me")].fields if managers else {}) == flat(stated)


@given(CONFIGS, CONFIGS)
def test_what_its_only_owner_does_not_state_any_more_goes(first: Any, second: Any) -> None:
    live, _ = applied(applied(EMPTY, first, "me"), second, "me")
    assert settled(_stated(live)) == settled(_stated(second))


@given(CONFIGS, CONFIGS, CONFIGS)
def test_what_another_owns_stays(mine: Any, theirs: Any, mine_later: Any) -> None:
    state = applied(applied(EMPTY, mine, "me"), theirs, "they", force=True)
    live, managers = applied(state, mine_later, "me", force=True)
    kept = managers[applier("they")].fields if applier("they") in managers else {}
    there = field_set.union(field_set_of(live, TYPE), compare({}, live, TYPE).added)
    assert flat(kept) <= flat(there)


@given(CONFIGS, CONFIGS)
def test_force_takes_what_differs_and_shares_what_is_equal(mine: Any, theirs: Any) -> None:
    first = applied(EMPTY, mine, "me")
    live, managers = applied(first, theirs, "they", force=True)
    differs = flat(compare(first[0], live, TYPE).modified)
    before = flat(first[1][applier("me")].fields) if first[1] else set()
    after = flat(managers[applier("me")].fields) if applier("me") in managers else set()
    assert after == before - differs
    if managers:
        assert flat(managers.get(applier("they"), managers[next(iter(managers))]).fields)
    assert not flat(compare(theirs, live, TYPE).modified), "what was forced is so"


@given(CONFIGS, CONFIGS)
def test_conflicts_are_what_others_own_at_other_values(mine: Any, theirs: Any) -> None:
    state = applied(EMPTY, mine, "me")
    differing = flat(compare(mine, theirs, TYPE).modified)
    if not differing:
        applied(state, theirs, "they")
        return
    with pytest.raises(FieldConflict) as found:
        applied(state, theirs, "they")
    assert flat(found.value.conflicts[applier("me")]) == differing


@given(CONFIGS, CONFIGS)
def test_without_conflict_the_order_of_appliers_does_not_matter(mine: Any, theirs: Any) -> None:
    try:
        one = applied(applied(EMPTY, mine, "me"), theirs, "they")
        other = applied(applied(EMPTY, theirs, "they"), mine, "me")
    except FieldConflict:
        return
    assert settled(one[0]) == settled(other[0])
    assert one[1] == other[1]


@given(CONFIGS, CONFIGS, CONFIGS)
def test_managers_read_as_they_were_written(first: Any, second: Any, third: Any) -> None:
    state = applied(applied(EMPTY, first, "me"), second, "they", force=True)
    updater = ManagerId.of("it", UPDATE, "apps/v1", "")
    managers = managers_after_update(state[1], state[0], third, DEPLOYMENTS, updater, LATER)
    text = text_of(managers)
    assert managers_of(text) == managers
    assert text_of(managers_of(text)) == text


@given(CONFIGS, CONFIGS)
def test_each_field_of_an_updated_object_that_changed_has_one_owner(first: Any, second: Any) -> None:
    one, two = ManagerId.of("one", UPDATE, "apps/v1"), ManagerId.of("two", UPDATE, "apps/v1")
    managers = managers_after_create(first, DEPLOYMENTS, one, NOW)
    after = managers_after_update(managers, first, second, DEPLOYMENTS, two, LATER)
    theirs = flat(after[two].fields) if two in after else set()
    ours = flat(after[one].fields) if one in after else set()
    change = compare(first, second, TYPE)
    assert theirs == flat(ownable(change.set_fields, DEPLOYMENTS, ""))
    assert not ours & theirs
    assert not ours & flat(change.removed)
    if first == second:
        assert after is managers


def test_updaters_beyond_the_limit_are_taken_together() -> None:
    managers: Managers = {}
    old: Any = {"metadata": {"labels": {}}}
    for number in range(UPDATERS_MAX + 5):
        new = {"metadata": {"labels": {**old["metadata"]["labels"], f"k{number:02}": "v"}}}
        own_id = ManagerId.of(f"m{number:02}", UPDATE, "apps/v1")
        managers = managers_after_update(managers, old, new, DEPLOYMENTS, own_id, f"2026-01-01T00:00:{number:02}Z")
        old = new
    assert len(managers) == UPDATERS_MAX
    ancient = managers[ManagerId.of(ANCIENT, UPDATE, "apps/v1")]
    assert {path[-1] for path in field_set.paths(ancient.fields)} >= {f"f:k{number:02}" for number in range(6)}
    every: field_set.FieldSet = {}
    for owned in managers.values():
        every = field_set.union(every, owned.fields)
    assert sum(path[-1].startswith("f:k") for path in field_set.paths(every)) == UPDATERS_MAX + 5


@pytest.mark.parametrize(
    "entries",
    [
        "x",
        [1],
        [{"manager": "a"}],
        [{"manager": "a", "operation": "Delete"}],
        [{"manager": "a", "operation": "Apply", "fieldsV1": {"x:y": {}}}],
        [{"manager": "a", "operation": "Apply", "fieldsV1": {"k:no json": {}}}],
        [{"manager": "a", "operation": "Apply", "fieldsV1": []}],
        [{"manager": 1, "operation": "Apply", "fieldsV1": {}}],
    ],
)
def test_malformed_managers_are_none(entries: Any) -> None:
    assert managers_from_client(entries) is None
