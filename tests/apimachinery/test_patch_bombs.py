"""Small patches that would make large work: each costs what its size says."""

import time

import pytest

from actors.apimachinery.json_patch import COPIED_BYTES_MAX, apply_json_patch
from actors.apimachinery.resources import RESOURCES
from actors.apimachinery.status import ApiError
from actors.apimachinery.strategic_merge import apply_strategic_merge

PODS = RESOURCES.get("v1/pods")
#: Quadratic ways take minutes.
SECONDS_MAX = 5.0


@pytest.fixture(autouse=True)
def in_time():
    started_s = time.process_time()
    yield
    assert time.process_time() - started_s < SECONDS_MAX


def large():
    return {
        "metadata": {
            "name": "a",
            "annotations": {str(i): "x" for i in range(50_000)},
            "finalizers": [f"a/{i}" for i in range(50_000)],
        },
        "spec": {"containers": [{"name": str(i), "image": "x"} for i in range(20_000)]},
    }


def test_copies_that_double():
    steps = [{"op": "copy", "from": "/metadata", "path": f"/metadata/x{i}"} for i in range(60)]
    with pytest.raises(ApiError) as refused:
        apply_json_patch({"metadata": {"name": "a" * 100}}, steps)
    assert refused.value.code == 422
    assert f"exceeding the limit {COPIED_BYTES_MAX}" in str(refused.value.status)


def test_copies_are_copies():
    steps = [
        {"op": "add", "path": "/b", "value": {}},
        {"op": "add", "path": "/b/x", "value": 1},
        {"op": "copy", "from": "/b", "path": "/c"},
        {"op": "add", "path": "/c/x", "value": 2},
        {"op": "move", "from": "/c", "path": "/d"},
        {"op": "add", "path": "/d/y", "value": 3},
    ]
    before = {"a": {"k": [1]}}
    after = apply_json_patch(before, [*steps, {"op": "add", "path": "/a/k/-", "value": 2}])
    assert after == {"a": {"k": [1, 2]}, "b": {"x": 1}, "d": {"x": 2, "y": 3}}
    assert before == {"a": {"k": [1]}}
    assert steps[0]["value"] == {}


def test_steps_that_dig_ever_deeper():
    with pytest.raises(ApiError) as refused:
        apply_json_patch({}, [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 600)])
    assert refused.value.code == 400
    assert "nested deeper" in refused.value.message


def test_thousands_of_steps_on_a_large_object():
    steps = [{"op": "add", "path": f"/metadata/annotations/n{i}", "value": "x"} for i in range(10_000)]
    assert len(apply_json_patch(large(), steps)["metadata"]["annotations"]) == 60_000


def test_long_lists_in_strategic_merges():
    merged = apply_strategic_merge(large(), {"metadata": {"finalizers": [f"b/{i}" for i in range(50_000)]}}, PODS)
    assert len(merged["metadata"]["finalizers"]) == 100_000
    added = [{"name": f"n{i}"} for i in range(20_000)]
    merged = apply_strategic_merge(large(), {"spec": {"containers": added}}, PODS)
    assert len(merged["spec"]["containers"]) == 40_000
    gone = [{"name": str(i), "$patch": "delete"} for i in range(20_000)]
    assert apply_strategic_merge(large(), {"spec": {"containers": gone}}, PODS)["spec"]["containers"] == []
    order = [{"name": str(i)} for i in reversed(range(20_000))]
    merged = apply_strategic_merge(large(), {"spec": {"$setElementOrder/containers": order}}, PODS)
    assert merged["spec"]["containers"][0]["name"] == "19999"
    dropped = {"$deleteFromPrimitiveList/finalizers": [f"a/{i}" for i in range(50_000)]}
    assert apply_strategic_merge(large(), {"metadata": dropped}, PODS)["metadata"]["finalizers"] == []
