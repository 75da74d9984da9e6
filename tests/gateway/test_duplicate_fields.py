"""Fields that a body states twice."""

import json

from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.resources import RESOURCES
from actors.gateway.duplicate_fields import duplicate_fields, duplicate_yaml_keys
from actors.gateway.request_path import parse_path
from actors.gateway.translation import operation_of


def test_each_is_told_by_its_path() -> None:
    text = b'{"a": 1, "a": 2, "b": [{"c": 1, "c": 2, "c": 3}], "d": {"e": {"f": 1, "f": 1}}, "g.h": 1}'
    assert duplicate_fields(text) == ["a", "b[0].c", "d.e.f"]


@given(st.recursive(st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner)))
def test_documents_without_any_have_none(document: object) -> None:
    assert duplicate_fields(json.dumps(document).encode()) == []


def test_no_bytes_break_it() -> None:
    assert duplicate_fields(b"[" * 100_000) == []
    assert duplicate_fields(b"{") == []


def test_keys_of_yaml_are_told_by_their_line() -> None:
    text = b"a: 1\nb:\n- c: 1\n  d: {e: 1, e: 2}\n  c: 2\na: [a, a]\n? [x]\n: a\n"
    assert duplicate_yaml_keys(text) == [
        'line 4: key "e" already set in map',
        'line 5: key "c" already set in map',
        'line 6: key "a" already set in map',
    ]
    path = parse_path("/api/v1/namespaces/a/configmaps", RESOURCES)
    assert path is not None
    made = operation_of("POST", path, {}, b"data: {}\ndata: {}\n", "application/yaml")
    assert made.options["strictErrors"] == ['yaml: unmarshal errors:\n  line 2: key "data" already set in map']


def test_they_travel_with_creates_and_updates_unless_ignored() -> None:
    path = parse_path("/api/v1/namespaces/a/configmaps", RESOURCES)
    body = b'{"data": {"a": "1", "a": "2"}}'
    assert path is not None
    assert operation_of("POST", path, {}, body, "application/json").options["strictErrors"] == [
        'duplicate field "data.a"'
    ]
    ignored = operation_of("POST", path, {"fieldValidation": "Ignore"}, body, "application/json")
    assert "strictErrors" not in ignored.options


def test_the_manager_is_the_first_word_of_the_user_agent() -> None:
    path = parse_path("/api/v1/namespaces/a/configmaps", RESOURCES)
    assert path is not None
    for agent, manager in (("kubectl/v1.37 (linux)", "kubectl"), ("", "unknown"), ("x" * 200, "x" * 128)):
        made = operation_of("POST", path, {}, b"{}", "application/json", agent)
        assert made.options["fieldManager"] == manager
    stated = operation_of("POST", path, {"fieldManager": "kubectl-create"}, b"{}", "application/json", "kubectl/v1")
    assert stated.options["fieldManager"] == "kubectl-create"
