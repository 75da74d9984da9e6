"""The Job controller's pure parts against tables of what Kubernetes does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.controllers.job.indexes import format_indexes, parse_indexes
from actors.controllers.job.pod_backoff import backoff_left_s, finished_s, pod_backoff_left_s
from actors.controllers.job.pod_failure_policy import Verdict, judge
from actors.controllers.job.success_policy import matched_rule

T0 = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("", set()),
        ("0", {0}),
        ("0,1", {0, 1}),
        ("0-2", {0, 1, 2}),
        ("1,3-5,7", {1, 3, 4, 5, 7}),
        ("0,1,3,4,6-8", {0, 1, 3, 4, 6, 7, 8}),
    ],
)
def test_indexes_are_written_as_kubernetes_writes_them(text, indexes) -> None:
    assert format_indexes(indexes) == text
    assert parse_indexes(text, 100) == indexes


def test_indexes_that_cannot_be_read_or_are_too_high_are_passed_over() -> None:
    assert parse_indexes("0,x,2-y,4-6,9", 6) == {0, 4, 5}
    assert parse_indexes(None, 6) == set()


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_indexes_survive_being_written(indexes, completions) -> None:
    assert parse_indexes(format_indexes(indexes), completions) == {i for i in indexes if i < completions}


def ended(code: int = 1, name: str = "main", kind: str = "containerStatuses", **status: Any) -> Object:
    state = {"terminated": {"exitCode": code}}
    return {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {},
        "status": {kind: [{"name": name, "state": state}], **status},
    }


def codes(operator: str, *values: int, action: str = "FailJob", container: str | None = None) -> Object:
    requirement = {"operator": operator, "values": list(values), "containerName": container}
    return {"action": action, "onExitCodes": {k: v for k, v in requirement.items() if v is not None}}


def conditions(condition: str, action: str = "Ignore", status: str = "True") -> Object:
    return {"action": action, "onPodConditions": [{"type": condition, "status": status}]}


EXIT_42 = "Container main for pod default/p failed with exit code 42 matching FailJob rule at index"
DISRUPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("rules", "pod", "verdict"),
    [
        ([codes("In", 42)], ended(42), Verdict(True, "FailJob", f"{EXIT_42} 0")),
        ([codes("In", 1, action="Count"), codes("In", 42)], ended(42), Verdict(True, "FailJob", f"{EXIT_42} 1")),
        ([codes("In", 42, action="Count"), codes("In", 42)], ended(42), Verdict(True, "Count")),
        ([codes("In", 42)], ended(1), Verdict()),
        ([codes("NotIn", 1)], ended(42), Verdict(True, "FailJob", f"{EXIT_42} 0")),
        ([codes("NotIn", 1)], ended(1), Verdict()),
        ([codes("NotIn", 1)], ended(0), Verdict()),
        ([codes("In", 42, container="other")], ended(42), Verdict()),
        ([codes("In", 42, container="main")], ended(42), Verdict(True, "FailJob", f"{EXIT_42} 0")),
        ([codes("In", 42)], ended(42, kind="initContainerStatuses"), Verdict(True, "FailJob", f"{EXIT_42} 0")),
        ([codes("In", 42, action="FailIndex")], ended(42), Verdict(True, "FailIndex")),
        ([codes("In", 42, action="Ignore")], ended(42), Verdict(False, "Ignore")),
        ([conditions("DisruptionTarget")], ended(1, **DISRUPTED), Verdict(False, "Ignore")),
        ([conditions("DisruptionTarget", status="False")], ended(1, **DISRUPTED), Verdict()),
        (
            [conditions("DisruptionTarget", "FailJob")],
            ended(1, **DISRUPTED),
            Verdict(True, "FailJob", "Pod default/p has condition DisruptionTarget matching FailJob rule at index 0"),
        ),
    ],
)
def test_pod_failure_policy(rules, pod, verdict) -> None:
    assert judge({"spec": {"podFailurePolicy": {"rules": rules}}}, pod) == verdict


def test_without_a_policy_failures_count() -> None:
    assert judge({"spec": {}}, ended(42)) == Verdict()


@pytest.mark.parametrize(
    ("rules", "succeeded", "rule"),
    [
        ([{"succeededCount": 2}], {0}, None),
        ([{"succeededCount": 2}], {0, 5}, 0),
        ([{"succeededIndexes": "0,2-3"}], {0, 2}, None),
        ([{"succeededIndexes": "0,2-3"}], {0, 1, 2, 3}, 0),
        ([{"succeededIndexes": "0-4", "succeededCount": 2}], {1, 3, 7}, 0),
        ([{"succeededIndexes": "0-4", "succeededCount": 2}], {1, 7, 8}, None),
        ([{"succeededIndexes": "9"}, {"succeededCount": 1}], {3}, 1),
        ([{"succeededCount": 0}], set(), None),
        ([{"succeededIndexes": "20-30"}], {0}, None),
    ],
)
def test_success_policy(rules, succeeded, rule) -> None:
    assert matched_rule({"spec": {"completions": 10, "successPolicy": {"rules": rules}}}, succeeded) == rule


@pytest.mark.parametrize(
    ("failures", "elapsed_s", "left_s"),
    [(0, 0, 0), (1, 0, 10), (1, 4, 6), (1, 10, 0), (2, 0, 20), (3, 0, 40), (6, 0, 320), (7, 0, 600), (900, 0, 600)],
)
def test_backoff_doubles_from_10_s_to_10_min(failures, elapsed_s, left_s) -> None:
    assert backoff_left_s(failures, T0, T0 + elapsed_s) == left_s


def test_a_clock_that_was_set_back_makes_no_wait_longer() -> None:
    assert backoff_left_s(1, T0, T0 - 3600) == 10


def over(phase: str, at_s: float) -> Object:
    state = {"terminated": {"exitCode": 0, "finishedAt": format_time(T0 + at_s)}}
    status = {"phase": phase, "containerStatuses": [{"name": "main", "state": state}]}
    return {"metadata": {"name": "p"}, "spec": {}, "status": status}


@pytest.mark.parametrize(
    ("pods", "left_s"),
    [
        ([], 0),
        ([over("Failed", 0)], 5),
        ([over("Failed", 0), over("Failed", 5)], 20),
        ([over("Failed", 0), over("Succeeded", 3), over("Failed", 5)], 10),
        ([over("Failed", 0), over("Failed", 1), over("Succeeded", 3)], 0),
        ([over("Failed", 3), over("Succeeded", 3)], 0),
    ],
)
def test_failures_since_the_last_success_are_what_counts(pods, left_s) -> None:
    assert pod_backoff_left_s({"spec": {}}, pods, T0 + 5) == left_s


def test_when_a_pod_ended() -> None:
    sidecar = {"initContainers": [{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]}

    def status(name: str, at_s: float | None) -> Object:
        state = {"running": {}} if at_s is None else {"terminated": {"finishedAt": format_time(T0 + at_s)}}
        return {"name": name, "state": state}

    pod: Object = {
        "metadata": {"name": "p", "creationTimestamp": format_time(T0)},
        "spec": sidecar,
        "status": {
            "containerStatuses": [status("a", 5), status("b", 3)],
            "initContainerStatuses": [status("s", 9), status("i", 20)],
        },
    }
    assert finished_s(pod) == T0 + 9
    pod["status"]["containerStatuses"][0] = status("a", None)
    assert finished_s(pod) == T0
    pod["metadata"].update(deletionTimestamp=format_time(T0 + 60), deletionGracePeriodSeconds=30)
    assert finished_s(pod) == T0 + 30
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": format_time(T0 + 7)}
    pod["status"]["conditions"] = [ready]
    assert finished_s(pod) == T0 + 7
