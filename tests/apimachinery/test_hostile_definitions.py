"""Definitions and objects that would keep the server busy for minutes: refused, or their cost is bounded."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.custom_resources.crd_validation import validate_definition
from actors.apimachinery.custom_resources.pattern import COST_MAX, check_pattern, pattern_cost
from actors.apimachinery.jsonpath import JSONPathError, Work, find, parse_path
from actors.apimachinery.resources import RESOURCES
from actors.apimachinery.status import ERRORS_SHOWN_MAX, invalid
from actors.apimachinery.strategy import validate_create

SECONDS_MAX = 5.0


@pytest.fixture
def in_time():
    started_s = time.process_time()
    yield
    assert time.process_time() - started_s < SECONDS_MAX


def definition(fields):
    schema = {"openAPIV3Schema": {"type": "object", "properties": fields}}
    return {
        "metadata": {"name": "as.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "A", "listKind": "AList", "plural": "as", "singular": "a"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.mark.parametrize(
    "pattern", [r"^(\w{90}){9}%d$", r"\pL{200}%d", r"[\w-]{0,253}%d", r"((a{100}){100})%d", "x" * 700 + "%d"]
)
def test_thousands_of_patterns(in_time, pattern):
    fields = {f"a{i}": {"type": "string", "pattern": pattern % i} for i in range(2000)}
    assert "too large together" in str(validate_definition(definition(fields)))


def test_many_small_patterns_are_fine(in_time):
    fields = {f"a{i}": {"type": "string", "pattern": f"^[a-z0-9]([-a-z0-9]{{0,61}}[a-z0-9])?{i}$"} for i in range(500)}
    assert validate_definition(definition(fields)) == []


@given(st.text(alphabet=r"ab\wpL(){}[]^-|*+?.,0123456789:", max_size=40))
def test_any_text_has_a_cost(pattern):
    assert 0 <= pattern_cost(pattern) <= COST_MAX


@pytest.mark.parametrize(
    ("pattern", "cost"),
    [
        ("abc", 3),
        ("a{100}", 100),
        ("(ab){3}", 6),
        ("((ab){3}){4}", 24),
        ("(a|b){2}c", 7),
        (r"\w", 200),
        ("[abc]{2}", 10),
    ],
)
def test_what_patterns_cost(pattern, cost):
    check_pattern(pattern)
    assert pattern_cost(pattern) == cost


@pytest.mark.parametrize(
    "path", ["{..a..a..a..a}", "{.a[?(@>1)]}", "{.a..b..c..*..*..*}", "{.a[?(@.x..y)]}", "{..*..*..*}"]
)
def test_paths_that_lead_everywhere(in_time, path):
    value = {"a": [{"a": [i, {"a": {"a": i}}]} for i in range(20_000)]}
    with pytest.raises(JSONPathError, match="too many"):
        find(parse_path(path.strip("{}")), value, work=Work(10_000))


def test_paths_of_ordinary_columns():
    conditions = [{"type": f"T{i}", "status": "True"} for i in range(30)]
    path = parse_path('.status.conditions[?(@.type=="T29")].status')
    assert find(path, {"status": {"conditions": conditions}}, work=Work(10_000)) == ["True"]


def test_very_many_faults(in_time):
    labels = {f"k{i}!": "!" for i in range(300_000)}
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b", "labels": labels}}
    errors = validate_create(RESOURCES.get("v1/configmaps"), obj)
    assert ERRORS_SHOWN_MAX < len(errors) < ERRORS_SHOWN_MAX + 10
    refused = invalid("ConfigMap", "", "a", errors * 3)
    assert len(refused.status["details"]["causes"]) == ERRORS_SHOWN_MAX
    assert refused.message.endswith(f"and {3 * len(errors) - ERRORS_SHOWN_MAX} more]")
