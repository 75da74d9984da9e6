"""Label and field selectors: grammar, meaning, canonical text, and the words of their errors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.selector import FieldSelector, LabelSelector, Requirement, SelectorError

keys = st.sampled_from(["app", "tier", "example.com/role"])
values = st.sampled_from(["", "web", "db", "1", "7", "in", "notin"])
label_maps = st.dictionaries(keys, values)
requirements = st.one_of(
    st.builds(
        lambda key, operator, vals: Requirement(key, operator, tuple(sorted(vals))),
        keys,
        st.sampled_from(["in", "notin"]),
        st.sets(values, min_size=1),
    ),
    st.builds(Requirement, keys, st.sampled_from(["exists", "!"])),
    st.builds(lambda key, op, n: Requirement(key, op, (str(n),)), keys, st.sampled_from([">", "<"]), st.integers(0, 9)),
)


@settings(max_examples=200)
@given(st.lists(requirements, max_size=4), label_maps)
def test_text_form_keeps_the_meaning(wanted, labels):
    selector = LabelSelector(wanted)
    again = LabelSelector.parse(str(selector))
    assert again == selector
    assert str(again) == str(selector)
    assert again.matches(labels) == selector.matches(labels) == all(r.matches(labels) for r in wanted)


@settings(max_examples=100)
@given(st.lists(requirements, max_size=4).flatmap(lambda r: st.tuples(st.just(r), st.permutations(r))))
def test_order_does_not_matter(both):
    first, second = both
    assert str(LabelSelector(first)) == str(LabelSelector(second))


@settings(max_examples=100)
@given(keys, st.lists(values, min_size=2), label_maps)
def test_notin_is_the_opposite_of_in(key, wanted, labels):
    listed = ",".join(wanted)
    assert LabelSelector.parse(f"{key} in ({listed})").matches(labels) != LabelSelector.parse(
        f"{key} notin ({listed})"
    ).matches(labels)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {"a": "b"}, True),
        ("x=a", {"x": "a"}, True),
        ("x==a", {"x": "b"}, False),
        ("x=a,y=b", {"x": "a", "y": "b"}, True),
        ("x!=a,y=b", {"x": "z", "y": "b"}, True),
        ("x!=a", {}, True),
        ("x=", {"x": ""}, True),
        ("x= ,z= ", {"x": "", "z": ""}, True),
        ("x", {"x": "anything"}, True),
        ("!x", {"x": "anything"}, False),
        ("!x", {}, True),
        ("x in (a,b)", {"x": "b"}, True),
        ("x notin (a, b)", {}, True),
        ("x in (,a)", {"x": ""}, True),
        ("x>1", {"x": "2"}, True),
        ("x>1", {"x": "0"}, False),
        ("x<7", {"x": "bad"}, False),
        ("notin in (in)", {"notin": "in"}, True),
        ("environment in (production, qa),tier notin (frontend, backend),partition", {"environment": "qa"}, False),
    ],
)
def test_examples(text, labels, expected):
    assert LabelSelector.parse(text).matches(labels) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x in a", "unable to parse requirement: found 'a', expected: '('"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("x=a,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("x=a y=b", "found 'y', expected: ',' or 'end of string'"),
        ("x foo", "unable to parse requirement: found 'foo', expected: in, notin, =, ==, !=, gt, lt"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        (
            "x in ()",
            "unable to parse requirement: values: Invalid value: []: "
            "for 'in', 'notin' operators, values set can't be empty",
        ),
    ],
)
def test_errors_as_kubernetes_words_them(text, message):
    with pytest.raises(SelectorError) as caught:
        LabelSelector.parse(text)
    assert str(caught.value) == message


def test_bad_values_name_their_place():
    with pytest.raises(SelectorError) as caught:
        LabelSelector.parse("app=-bad-")
    assert str(caught.value) == (
        'unable to parse requirement: values[0][app]: Invalid value: "-bad-": a valid label must be an empty string or '
        "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
        "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
        "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


def test_selector_objects():
    selector = LabelSelector.from_object(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["b", "a"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        }
    )
    assert str(selector) == "app=web,!old,tier in (a,b)"
    assert selector.matches({"app": "web", "tier": "a"})
    assert not selector.matches({"app": "web", "tier": "a", "old": ""})
    assert LabelSelector.from_object({}).matches({})
    assert not LabelSelector.from_object(None).matches({})
    with pytest.raises(SelectorError, match='"Maybe" is not a valid label selector operator'):
        LabelSelector.from_object({"matchExpressions": [{"key": "a", "operator": "Maybe"}]})


POD = {
    "metadata": {"name": "web-1", "namespace": "default"},
    "spec": {"nodeName": "node-1", "restartPolicy": "Always"},
    "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("spec.nodeName=node-1", True),
        ("spec.nodeName==node-1,status.phase!=Failed", True),
        ("spec.nodeName!=node-1", False),
        ("metadata.name=web-1,metadata.namespace=default", True),
        ("status.podIP=", True),
        (r"status.podIPs=10.0.0.1\,fd00::1", True),
        ("spec.hostNetwork=false", True),
    ],
)
def test_field_selectors_of_pods(text, expected):
    selector = FieldSelector.parse(text, "v1/pods")
    assert selector.matches(POD) is expected
    assert FieldSelector.parse(str(selector), "v1/pods") == selector


def test_field_selector_errors():
    with pytest.raises(SelectorError, match=r"^field label not supported: spec\.image$"):
        FieldSelector.parse("spec.image=x", "v1/pods")
    with pytest.raises(SelectorError) as caught:
        FieldSelector.parse("spec.x=y", "v1/configmaps")
    assert str(caught.value) == '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'
    with pytest.raises(SelectorError, match="invalid selector: 'nonsense'; can't understand 'nonsense'"):
        FieldSelector.parse("nonsense", "v1/pods")


def test_field_selectors_of_other_kinds():
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "web"},
        "reportingComponent": "kubelet",
    }
    assert FieldSelector.parse("involvedObject.name=web,source=kubelet", "v1/events").matches(event)
    assert FieldSelector.parse("spec.unschedulable=false", "v1/nodes").matches({"metadata": {"name": "n"}})
    assert FieldSelector.parse("spec.unschedulable=true", "v1/nodes").matches({"spec": {"unschedulable": True}})
    assert FieldSelector.parse("spec.nodeName=n", "v1/pods").exact("spec.nodeName") == "n"
    assert FieldSelector.parse("spec.nodeName!=n", "v1/pods").exact("spec.nodeName") is None
