"""Phases, readiness and availability of pods; percentages; lists of conditions."""

from __future__ import annotations

import pytest
from controller_world import T0, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.conditions import find_condition, new_condition, with_condition, without_condition
from actors.apimachinery.intstr import fenceposts, scaled_value
from actors.apimachinery.meta import format_time
from actors.apimachinery.pods import (
    available_in_s,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    is_terminating,
    phase,
)


def ready(since_s: float, status: str = "True"):
    condition = {"type": "Ready", "status": status, "lastTransitionTime": format_time(since_s)}
    return pod("p", phase="Running", conditions=[condition])


@pytest.mark.parametrize(
    ("state", "deleted", "active", "terminating", "terminal"),
    [
        ("Pending", False, True, False, False),
        ("Running", True, False, True, False),
        ("Failed", False, False, False, True),
        ("Succeeded", True, False, False, True),
    ],
)
def test_what_counts(state, deleted, active, terminating, terminal) -> None:
    obj = pod("p", phase=state)
    if deleted:
        obj["metadata"]["deletionTimestamp"] = format_time(T0)
    assert (is_active(obj), is_terminating(obj), is_terminal(obj)) == (active, terminating, terminal)


def test_a_pod_without_a_status_is_pending_and_not_ready() -> None:
    obj = {"metadata": {"name": "p"}, "spec": {}}
    assert phase(obj) == "Pending"
    assert not is_ready(obj)
    assert available_in_s(obj, 0, T0) is None


@settings(max_examples=60, deadline=None)
@given(age_s=st.integers(0, 100), min_ready_s=st.integers(0, 100))
def test_it_is_available_once_it_was_ready_for_long_enough(age_s, min_ready_s) -> None:
    obj = ready(T0 - age_s)
    assert is_available(obj, min_ready_s, T0) == (age_s >= min_ready_s)
    left_s = available_in_s(obj, min_ready_s, T0)
    assert is_available(obj, min_ready_s, T0 + left_s)
    assert not is_available(ready(T0 - age_s, "False"), min_ready_s, T0)


@pytest.mark.parametrize(
    ("value", "total", "up", "down"), [(3, 10, 3, 3), ("25%", 10, 3, 2), ("0%", 7, 0, 0), ("100%", 7, 7, 7)]
)
def test_percentages(value, total, up, down) -> None:
    assert scaled_value(value, total, round_up=True) == up
    assert scaled_value(value, total, round_up=False) == down


@pytest.mark.parametrize("text", ["3", "x%", "", "1.5%", None])
def test_what_is_neither_number_nor_percentage_is_refused(text) -> None:
    with pytest.raises(ValueError):
        scaled_value(text, 10, round_up=True)


@settings(max_examples=100, deadline=None)
@given(surge=st.integers(0, 100), unavailable=st.integers(0, 100), desired=st.integers(0, 1000))
def test_a_rollout_always_has_room(surge, unavailable, desired) -> None:
    up, down = fenceposts(f"{surge}%", f"{unavailable}%", desired)
    assert up + down >= 1
    assert up >= desired * surge / 100
    assert down <= max(1, desired * unavailable / 100)


def test_a_condition_of_the_same_status_and_reason_stays() -> None:
    first = new_condition("Ready", "True", "A", "first", T0)
    again = new_condition("Ready", "True", "A", "second", T0 + 5)
    assert with_condition([first], again) == [first]


def test_the_time_of_transition_stays_while_the_status_does() -> None:
    first = new_condition("Ready", "True", "A", "", T0)
    reason = new_condition("Ready", "True", "B", "", T0 + 5)
    turned = new_condition("Ready", "False", "B", "", T0 + 9)
    conditions = with_condition([first], reason)
    assert find_condition(conditions, "Ready")["lastTransitionTime"] == first["lastTransitionTime"]
    assert find_condition(conditions, "Ready")["reason"] == "B"
    conditions = with_condition(conditions, turned)
    assert find_condition(conditions, "Ready")["lastTransitionTime"] == turned["lastTransitionTime"]
    assert without_condition(conditions, "Ready") == []
