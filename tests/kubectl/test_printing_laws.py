"""Laws of reading and printing: YAML, JSON, JSONPath, columns, durations."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery import jsonpath
from actors.apimachinery.tables.duration import human_duration
from actors.apimachinery.tables.pods import summarize_pod
from actors.kubectl.grammar import parse_duration_s
from actors.kubectl.object_printer import to_json, to_yaml
from actors.kubectl.tab_writer import align
from actors.kubectl.yaml_reader import read_documents

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Co", "Cn"), exclude_characters="\x85\u2028\u2029\ufeff\r"),
    max_size=40,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES.filter(lambda value: value is not None))
@settings(max_examples=150)
def test_yaml_that_is_printed_reads_as_the_same(value):
    assert read_documents(to_yaml({"x": value})) == [{"x": value}]


@given(VALUES)
def test_json_that_is_printed_reads_as_the_same(value):
    assert json.loads(to_json(value)) == value
    assert "<" not in to_json(value)


@given(
    st.sampled_from(
        ["yes", "no", "on", "y", "n", "null", "~", "1e3", "0x1F", "017", "22:22", "2020-01-01", ".5", "=", "<<"]
    )
)
def test_text_that_looks_like_something_else_stays_text(text):
    assert read_documents(to_yaml({"k": [text]})) == [{"k": [text]}]


def test_plain_scalars_mean_what_they_mean_to_kubectl():
    (read,) = read_documents("a: 22:22\nb: 1e3\nc: 2020-01-01\nd: y\ne: 0o17\nf: 1_000\ng: ~\nh: '1'\ni: 017\nj: .5\n")
    assert read == {
        "a": "22:22",
        "b": 1000.0,
        "c": "2020-01-01",
        "d": True,
        "e": 15,
        "f": 1000,
        "g": None,
        "h": "1",
        "i": 15,
        "j": 0.5,
    }


def test_merge_keys():
    assert read_documents("base: &b {x: 1, z: 1}\nmade: {<<: *b, z: 2}")[0]["made"] == {"x": 1, "z": 2}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-0.5, "0s"), (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (11000, "3h3m"), (28800, "8h"), (172799, "47h"), (172800, "2d"),
        (180000, "2d2h"), (691200, "8d"), (63072000, "2y"), (66000000, "2y33d"), (252288000, "8y"),
    ],
)  # fmt: skip
def test_durations(seconds, shown):
    assert human_duration(seconds) == shown


@given(st.integers(0, 10**9))
def test_durations_grow(seconds):
    """A longer time is never shown as a shorter one of the same form."""
    assert human_duration(seconds)
    assert "-" not in human_duration(seconds)


@pytest.mark.parametrize(("text", "seconds"), [("1m30s", 90), ("500ms", 0.5), ("5", 5), ("1.5h", 5400), ("-1s", -1)])
def test_go_durations(text, seconds):
    assert parse_duration_s(text) == seconds


@given(st.lists(st.lists(st.text("abc", max_size=5), min_size=3, max_size=3), min_size=1, max_size=6))
def test_columns_line_up(rows):
    lines = align("\n".join("\t".join(row) for row in rows), padding=2).split("\n")
    widths = [max(len(row[i]) for row in rows) + 2 for i in range(2)]
    for row, line in zip(rows, lines, strict=True):
        assert line == row[0].ljust(widths[0]) + row[1].ljust(widths[1]) + row[2]


OBJECT = {"items": [{"n": "a", "v": 1, "l": {"x.y/z": "q"}}, {"n": "b", "v": 2}], "t": True, "f": 1.5}


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{.items[*].n}", "a b"), ("{.items[0].n}-{.items[-1].n}", "a-b"), ("{.items[0:1].n}", "a"),
        ("{.items[0,1].v}", "1 2"), ("{.items[?(@.v>1)].n}", "b"), ("{.items[?(@.n==\"a\")].v}", "1"),
        ("{.items[?(@.l)].n}", "a"), ("{.t}", "true"), ("{.items[0].l}", '{"x.y/z":"q"}'), ("{.nope}", ""),
        ("{.items[0].l.x\\.y/z}", "q"), ("{.items[0].l['x\\.y/z']}", "q"),
        ("{range .items[*]}{.n}={.v};{end}", "a=1;b=2;"),
        ("{range .items[*]}{range .l}{@}{end},{end}", '{"x.y/z":"q"},,'), ("{..v}", "1 2"), ("a{'b'}c", "abc"),
        ("{.items[0].n}{\"\\t\"}{.f}", "a\t1.5"), ("{$.t}", "true"), ("{.items[*]['n','v']}", "a 1 b 2"),
    ],
)  # fmt: skip
def test_jsonpath(template, shown):
    assert jsonpath.Template(template).render(OBJECT) == shown


@pytest.mark.parametrize(
    "template", ["{.a", "{range .items[*]}", "{end}", "{.a[}", "{.a[?(@.b==)]}", "{'a}", "{.a[b]}"]
)
def test_malformed_jsonpath(template):
    with pytest.raises(jsonpath.JSONPathError):
        jsonpath.Template(template)


@given(st.text("{}[]().@$?*'\"\\, :=<>ab01", max_size=20))
def test_no_template_crashes(template):
    with contextlib.suppress(jsonpath.JSONPathError):
        jsonpath.Template(template).render(OBJECT)


LATER = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def status(**state):
    return {"name": "c", "ready": False, "restartCount": 0, "state": state}


def running(phase, **fields):
    return {"phase": phase, "containerStatuses": [{**status(**fields.pop("state", {})), **fields}]}


def initializing(**state):
    return {"phase": "Pending", "initContainerStatuses": [status(**state)]}


GATED = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}


@pytest.mark.parametrize(
    ("pod_status", "metadata", "shown"),
    [
        ({"phase": "Pending"}, {}, "0/1 Pending"),
        (running("Running", state={"running": {}}, ready=True), {}, "1/1 Running"),
        (running("Running", state={"waiting": {"reason": "CrashLoopBackOff"}}), {}, "0/1 CrashLoopBackOff"),
        (running("Failed", state={"terminated": {"exitCode": 3}}), {}, "0/1 ExitCode:3"),
        (running("Failed", state={"terminated": {"signal": 9, "exitCode": 0}}), {}, "0/1 Signal:9"),
        (running("Succeeded", state={"terminated": {"reason": "Completed"}}), {}, "0/1 Completed"),
        (initializing(running={}), {}, "0/1 Init:0/1"),
        (initializing(terminated={"exitCode": 1, "reason": "Error"}), {}, "0/1 Init:Error"),
        ({"phase": "Running"}, LATER, "0/1 Terminating"),
        ({"phase": "Failed", "reason": "Evicted"}, LATER, "0/1 Evicted"),
        (GATED, {}, "0/1 SchedulingGated"),
    ],
)
def test_pod_status(pod_status, metadata, shown):
    spec = {
        "containers": [{"name": "c"}],
        "initContainers": [{"name": "i"}] if "initContainerStatuses" in pod_status else [],
    }
    summary = summarize_pod({"metadata": metadata, "spec": spec, "status": pod_status})
    assert f"{summary.ready_of_total} {summary.status}" == shown
