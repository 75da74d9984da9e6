"""Patches: the laws they keep, the RFCs' examples, and Kubernetes' own for strategic merges."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.custom_resources.definition import CustomVersion
from actors.apimachinery.json_patch import apply_json_patch
from actors.apimachinery.merge_patch import apply_merge_patch, create_merge_patch, create_three_way_merge_patch
from actors.apimachinery.resources import new_resource, resource_of
from actors.apimachinery.status import ApiError
from actors.apimachinery.strategic_diff import create_three_way_patch, create_two_way_patch
from actors.apimachinery.strategic_merge import apply_strategic_merge

PODS = resource_of("v1/pods")
DEPLOYMENTS = resource_of("apps/v1/deployments")

names = st.sampled_from(["a", "b", "c"])
scalars = st.one_of(st.booleans(), st.integers(0, 3), st.text("xy", max_size=2))
documents = st.recursive(
    st.dictionaries(names, scalars, max_size=3),
    lambda inner: st.dictionaries(names, st.one_of(scalars, inner, st.lists(scalars, max_size=2)), max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(documents, documents)
def test_a_merge_patch_made_of_two_documents_leads_from_one_to_the_other(old, new):
    before = copy.deepcopy(old)
    patch = create_merge_patch(old, new)
    assert apply_merge_patch(old, patch) == new
    assert old == before
    if patch == {}:
        assert old == new


@settings(max_examples=100)
@given(documents, documents)
def test_applying_a_merge_patch_twice_is_applying_it_once(old, patch):
    once = apply_merge_patch(old, patch)
    assert apply_merge_patch(once, patch) == once


@settings(max_examples=100)
@given(documents, documents, documents)
def test_three_way_merge_keeps_what_others_added(original, modified, current):
    result = apply_merge_patch(current, create_three_way_merge_patch(original, modified, current))
    for key, value in modified.items():
        if not isinstance(value, dict):
            assert result[key] == value
    for key in current:
        if key not in original and key not in modified:
            assert result[key] == current[key]
    for key in original:
        if key not in modified:
            assert key not in result


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_examples(target, patch, result):
    assert apply_merge_patch(target, patch) == result


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [  # RFC 6902, appendix A
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
        ({"foo": ["a", "b"]}, [{"op": "add", "path": "/foo/1", "value": "q"}], {"foo": ["a", "q", "b"]}),
        ({"foo": ["a"]}, [{"op": "add", "path": "/foo/-", "value": ["b"]}], {"foo": ["a", ["b"]]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}], {"a": 2}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        ({"foo": ["a", "b", "c"]}, [{"op": "move", "from": "/foo/0", "path": "/foo/2"}], {"foo": ["b", "c", "a"]}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": {"m~n": 1}}, [{"op": "replace", "path": "/a~1b/m~0n", "value": 2}], {"a/b": {"m~n": 2}}),
        ({"a": [1, {"b": 2}]}, [{"op": "test", "path": "/a/1", "value": {"b": 2}}], {"a": [1, {"b": 2}]}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 1}}], {"b": 1}),
    ],
)
def test_json_patch_examples(document, patch, result):
    before = copy.deepcopy(document)
    assert apply_json_patch(document, patch) == result
    assert document == before


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"op": "add"}, 400),
        ([{"op": "grow", "path": "/a"}], 400),
        ([{"op": "add", "path": "/x"}], 400),
        ([{"op": "add", "path": "a", "value": 1}], 400),
        ([{"op": "remove", "path": "/missing"}], 422),
        ([{"op": "replace", "path": "/missing", "value": 1}], 422),
        ([{"op": "add", "path": "/no/way", "value": 1}], 422),
        ([{"op": "add", "path": "/list/9", "value": 1}], 422),
        ([{"op": "add", "path": "/list/-1", "value": 1}], 422),
        ([{"op": "test", "path": "/flag", "value": 1}], 422),
        ([{"op": "move", "from": "/list", "path": "/list/0"}], 422),
    ],
)
def test_json_patch_refusals(patch, code):
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"list": [1], "flag": True}, patch)
    assert caught.value.code == code


def pod(*containers, **spec):
    return {"metadata": {"name": "p"}, "spec": {"containers": list(containers), **spec}}


def test_lists_with_a_merge_key_are_merged_by_it():
    obj = pod({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"})
    patch = {"spec": {"containers": [{"name": "a", "image": "2"}, {"name": "c", "image": "1"}]}}
    result = apply_strategic_merge(obj, patch, PODS)
    assert [(c["name"], c["image"]) for c in result["spec"]["containers"]] == [("a", "2"), ("c", "1"), ("b", "1")]
    assert result["spec"]["containers"][0]["env"] == [{"name": "X", "value": "1"}]


def test_lists_without_one_are_replaced():
    obj = pod({"name": "a", "args": ["1", "2"]}, tolerations=[{"key": "k"}])
    patch = {"spec": {"containers": [{"name": "a", "args": ["3"]}], "tolerations": []}}
    result = apply_strategic_merge(obj, patch, PODS)
    assert result["spec"] == {"containers": [{"name": "a", "args": ["3"]}], "tolerations": []}


@pytest.mark.parametrize(
    ("patch", "names_left"),
    [
        ({"containers": [{"name": "a", "$patch": "delete"}]}, ["b"]),
        ({"containers": [{"$patch": "replace"}, {"name": "z"}]}, ["z"]),
        ({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}, ["b", "a"]),
        (
            {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}],
                "containers": [{"name": "a", "$patch": "delete"}, {"name": "c"}],
            },
            ["c", "b"],
        ),
    ],
)
def test_list_directives(patch, names_left):
    obj = pod({"name": "a"}, {"name": "b"})
    before = copy.deepcopy(obj)
    result = apply_strategic_merge(obj, {"spec": patch}, PODS)
    assert [c["name"] for c in result["spec"]["containers"]] == names_left
    assert obj == before


def test_map_directives():
    obj = pod({"name": "a"}, nodeSelector={"x": "1", "y": "2"})
    replaced = apply_strategic_merge(obj, {"spec": {"nodeSelector": {"$patch": "replace", "z": "3"}}}, PODS)
    assert replaced["spec"]["nodeSelector"] == {"z": "3"}
    deployment = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert apply_strategic_merge(deployment, patch, DEPLOYMENTS)["spec"]["strategy"] == {"type": "Recreate"}


def test_plain_lists_are_merged_as_sets():
    obj = {"metadata": {"finalizers": ["a", "b"]}}
    added = apply_strategic_merge(obj, {"metadata": {"finalizers": ["b", "c"]}}, PODS)
    assert added["metadata"]["finalizers"] == ["a", "b", "c"]
    gone = apply_strategic_merge(obj, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, PODS)
    assert gone["metadata"]["finalizers"] == ["b"]


def test_null_deletes_and_directives_are_never_stored():
    obj = pod({"name": "a", "image": "1"})
    patch = {"metadata": {"labels": None, "annotations": {"x": None, "y": "1"}}, "spec": {"hostNetwork": None}}
    assert apply_strategic_merge(obj, patch, PODS)["metadata"] == {"name": "p", "annotations": {"y": "1"}}


@pytest.mark.parametrize(
    "patch",
    [
        [],
        {"spec": {"containers": [{"image": "no key"}]}},
        {"spec": {"$patch": "explode"}},
        {"spec": {"containers": [{"name": "a", "$patch": "merge"}]}},
    ],
)
def test_bad_strategic_patches_are_bad_requests(patch):
    with pytest.raises(ApiError) as caught:
        apply_strategic_merge(pod({"name": "a"}), patch, PODS)
    assert caught.value.code == 400


def test_custom_resources_have_no_strategic_merge():
    crontabs = new_resource("example.com", "v1", "CronTab", "crontabs", namespaced=True, custom=CustomVersion({}, {}))
    with pytest.raises(ApiError) as caught:
        apply_strategic_merge({}, {}, crontabs)
    assert caught.value.code == 415
    assert create_three_way_patch({"a": 1}, {}, {"a": 1, "b": 2}, crontabs) == {"a": None}


envs = st.lists(
    st.builds(lambda n, v: {"name": n, "value": v}, names, names), max_size=3, unique_by=lambda e: e["name"]
)
containers = st.lists(
    st.fixed_dictionaries({"name": names, "image": names}, optional={"env": envs, "args": st.lists(names, max_size=2)}),
    min_size=1,
    max_size=3,
    unique_by=lambda c: c["name"],
)
pods = st.builds(
    lambda cs, labels, finalizers, sel: {
        "metadata": {"name": "p", "labels": labels, "finalizers": finalizers},
        "spec": {"containers": cs, "nodeSelector": sel},
    },
    containers,
    st.dictionaries(names, names, max_size=2),
    st.lists(names, unique=True, max_size=3),
    st.dictionaries(names, names, max_size=2),
)


@settings(max_examples=200)
@given(pods, pods)
def test_the_two_way_patch_leads_from_one_pod_to_the_other(old, new):
    patch = create_two_way_patch(old, new, PODS)
    assert apply_strategic_merge(old, patch, PODS) == new


@settings(max_examples=150)
@given(pods, pods, pods)
def test_apply_is_settled_after_one_patch(original, modified, current):
    patched = apply_strategic_merge(current, create_three_way_patch(original, modified, current, PODS), PODS)
    assert create_three_way_patch(modified, modified, patched, PODS) == {}
    for container in modified["spec"]["containers"]:
        found = next(c for c in patched["spec"]["containers"] if c["name"] == container["name"])
        assert found["image"] == container["image"]
    kept = {c["name"] for c in current["spec"]["containers"]} - {c["name"] for c in original["spec"]["containers"]}
    assert kept <= {c["name"] for c in patched["spec"]["containers"]}
