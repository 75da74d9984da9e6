"""Which pods a ReplicaSet deletes first."""

from __future__ import annotations

import pytest
from controller_world import T0, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.controllers.replicaset.ranking import POD_DELETION_COST, compare, deletion_cost, pods_to_delete, rank


def make(
    name: str = "p",
    node: str = "n1",
    phase: str = "Running",
    ready_s: float | None = 1000,
    cost: int = 0,
    restarts: int = 0,
    created_s: float = 2000,
) -> Object:
    obj = pod(name, node=node, phase=phase)
    obj["metadata"]["uid"] = name
    obj["metadata"]["creationTimestamp"] = format_time(T0 - created_s)
    if cost:
        obj["metadata"]["annotations"] = {POD_DELETION_COST: str(cost)}
    if ready_s is not None:
        since = format_time(T0 - ready_s)
        obj["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    obj["status"]["containerStatuses"] = [{"name": "c", "restartCount": restarts}]
    return obj


CRITERIA = [
    pytest.param({"node": ""}, {}, id="unassigned"),
    pytest.param({"phase": "Pending"}, {"phase": "Unknown"}, id="pending before unknown"),
    pytest.param({"phase": "Unknown"}, {"phase": "Running"}, id="unknown before running"),
    pytest.param({"ready_s": None}, {}, id="not ready"),
    pytest.param({"cost": -1}, {"cost": 1}, id="deletion cost"),
    pytest.param({"ready_s": 10}, {"ready_s": 10_000}, id="ready for less time"),
    pytest.param({"restarts": 3}, {"restarts": 1}, id="more restarts"),
    pytest.param({"created_s": 10}, {"created_s": 10_000}, id="younger"),
]


@pytest.mark.parametrize(("sooner", "later"), CRITERIA)
def test_each_criterion(sooner, later) -> None:
    first, second = make("z", **sooner), make("a", **later)
    assert pods_to_delete([second, first], (), 1, T0) == [first]
    assert pods_to_delete([first, second], (), 1, T0) == [first]


@pytest.mark.parametrize("earlier", range(6))
def test_an_earlier_criterion_outweighs_all_later_ones(earlier: int) -> None:
    order = [CRITERIA[i].values for i in (0, 1, 3, 4, 5, 6, 7)]
    sooner, later = dict(order[earlier][0]), dict(order[earlier][1])
    for against in order[earlier + 1 :]:
        for name, value in against[0].items():
            later.setdefault(name, value)
        for name, value in against[1].items():
            sooner.setdefault(name, value)
    first, second = make("z", **sooner), make("a", **later)
    assert pods_to_delete([second, first], (), 1, T0) == [first]


def test_the_node_with_more_pods_of_the_owner_gives_first() -> None:
    crowd, alone = make("z", node="n1"), make("a", node="n2")
    related = [crowd, alone, make("other", node="n1")]
    assert pods_to_delete([alone, crowd], related, 1, T0) == [crowd]


def test_ages_of_one_logarithmic_step_are_told_apart_by_uid() -> None:
    older, younger = make("a", ready_s=1090), make("b", ready_s=1050)
    assert pods_to_delete([younger, older], (), 1, T0) == [older]


def test_sidecars_restarts_count_after_regular_ones() -> None:
    calm, restarted = make("a"), make("z")
    for obj in (calm, restarted):
        obj["spec"]["initContainers"] = [{"name": "proxy", "image": "x", "restartPolicy": "Always"}]
    restarted["status"]["initContainerStatuses"] = [{"name": "proxy", "restartCount": 2}]
    assert pods_to_delete([calm, restarted], (), 1, T0) == [restarted]


@pytest.mark.parametrize(("text", "cost"), [("7", 7), ("-3", -3), ("+3", 0), ("007", 0), ("x", 0), ("99999999999", 0)])
def test_deletion_cost(text: str, cost: int) -> None:
    obj = pod("p")
    obj["metadata"]["annotations"] = {POD_DELETION_COST: text}
    assert deletion_cost(obj) == cost


pods = st.builds(
    make,
    name=st.uuids().map(str),
    node=st.sampled_from(["", "n1", "n2"]),
    phase=st.sampled_from(["Pending", "Running", "Unknown"]),
    ready_s=st.one_of(st.none(), st.integers(-10, 5000)),
    cost=st.integers(-2, 2),
    restarts=st.integers(0, 3),
    created_s=st.integers(-10, 5000),
)


@settings(max_examples=150, deadline=None)
@given(left=pods, right=pods, crowd=st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_comparing_is_antisymmetric(left, right, crowd) -> None:
    a, b = rank(left, crowd[0]), rank(right, crowd[1])
    assert compare(a, a, T0) == 0
    one, other = compare(a, b, T0), compare(b, a, T0)
    assert (one > 0) == (other < 0)
    assert (one == 0) == (other == 0)


@settings(max_examples=60, deadline=None)
@given(group=st.lists(pods, min_size=1, max_size=8, unique_by=lambda p: p["metadata"]["uid"]), data=st.data())
def test_no_ready_pod_goes_while_an_unready_one_stays_that_is_as_far(group, data) -> None:
    count = data.draw(st.integers(0, len(group)))
    gone = pods_to_delete(group, group, count, T0)
    assert len(gone) == count
    kept = [obj for obj in group if not any(obj is other for other in gone)]
    for stays in kept:
        for goes in gone:
            assert rank(goes).first[:4] <= rank(stays).first[:4]
