"""Get and list: freshness, order, selectors, pages, expiry."""

from __future__ import annotations

import pytest
from api_cluster import Cluster, config_map
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError
from actors.apiserver.listing import Continue
from store.protocol import COMPACT

PODS, MAPS = "v1/pods", "v1/configmaps"


def fill(cluster: Cluster, count: int) -> None:
    results = cluster.batch(
        *(
            Operation("create", MAPS, "default", body=config_map(f"m{i:03}", labels={"third": str(i % 3)}))
            for i in range(count)
        )
    )
    assert all(result.ok for result in results)


def test_reads_see_every_write_acknowledged_before(cluster: Cluster) -> None:
    for i in range(20):
        created = cluster.create(MAPS, config_map("a", {"i": str(i)}), "default")
        assert cluster.get(MAPS, "a") == created
        assert cluster.names(MAPS) == ["a"]
        cluster.call("delete", MAPS, "default", "a")
        assert cluster.names(MAPS) == []


def test_lists_are_ordered_by_namespace_and_name(cluster: Cluster) -> None:
    for namespace, name in (("kube-system", "a"), ("default", "b"), ("default", "a-c"), ("default", "a")):
        cluster.create(MAPS, config_map(name), namespace)
    result = cluster.call("list", MAPS)
    keys = [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in result.objects]
    assert keys == [("default", "a"), ("default", "a-c"), ("default", "b"), ("kube-system", "a")]


def test_selectors(cluster: Cluster) -> None:
    fill(cluster, 9)
    assert cluster.names(MAPS, labelSelector="third in (1,2),third!=2") == ["m001", "m004", "m007"]
    assert cluster.names(MAPS, fieldSelector="metadata.name=m003") == ["m003"]
    cluster.create_pod("a", node="n1")
    cluster.create_pod("b")
    assert cluster.names(PODS, "", fieldSelector="spec.nodeName=n1") == ["a"]
    assert cluster.names(PODS, "", fieldSelector="spec.nodeName=") == ["b"]
    for options in ({"labelSelector": "a in"}, {"fieldSelector": "spec.colour=red"}, {"limit": -1}, {"continue": "?"}):
        assert cluster.refused("list", PODS, options=options).code == 400


def pages(cluster: Cluster, limit: int, between: object = None, **options: object) -> tuple[list[str], set[int]]:
    names: list[str] = []
    revisions: set[int] = set()
    token = ""
    while True:
        result = cluster.call("list", MAPS, "default", options={"limit": limit, "continue": token, **options})
        names += [obj["metadata"]["name"] for obj in result.objects]
        assert len(result.objects) <= limit
        revisions.add(result.revision)
        token = result.extra.get("continue", "")
        if not token:
            return names, revisions
        if callable(between):
            between()


def test_pages_show_one_state_whatever_happens_between(cluster: Cluster) -> None:
    fill(cluster, 20)
    expected = cluster.names(MAPS)
    counter = iter(range(100))

    def disturb() -> None:
        i = next(counter)
        cluster.create(MAPS, config_map(f"m{i:03}-new"), "default")
        cluster.call("delete", MAPS, "default", f"m{19 - i:03}")
        cluster.call("patch", MAPS, "default", f"m{10:03}", body={"data": {"i": str(i)}})

    names, revisions = pages(cluster, 6, disturb)
    assert names == expected
    assert len(revisions) == 1


def test_pages_with_a_selector(cluster: Cluster) -> None:
    fill(cluster, 20)
    expected = cluster.names(MAPS, labelSelector="third=1")
    assert pages(cluster, 2, labelSelector="third=1")[0] == expected

    def touch() -> None:
        cluster.create(MAPS, config_map(generateName="zz-"), "default")

    assert pages(cluster, 2, touch, labelSelector="third=1")[0] == expected


def test_remaining_items_are_told_unless_filtered(cluster: Cluster) -> None:
    fill(cluster, 10)
    first = cluster.call("list", MAPS, "default", options={"limit": 4})
    assert first.extra["remainingItemCount"] == 6
    cluster.create(MAPS, config_map("later"), "default")
    second = cluster.call("list", MAPS, "default", options={"limit": 4, "continue": first.extra["continue"]})
    assert second.extra["remainingItemCount"] == 2
    assert second.revision == first.revision
    filtered = cluster.call("list", MAPS, "default", options={"limit": 1, "labelSelector": "third"})
    assert "remainingItemCount" not in filtered.extra
    exact = cluster.call("list", MAPS, "default", options={"limit": 11})
    assert exact.extra == {}
    third = cluster.call("list", MAPS, "default", options={"limit": 4, "labelSelector": "third=0"})
    assert len(third.objects) == 4
    assert third.extra == {}, "there is no further page when nothing more is selected"


def test_a_compacted_page_is_expired_and_offers_another_token(cluster: Cluster) -> None:
    fill(cluster, 10)
    first = cluster.call("list", MAPS, "default", options={"limit": 4})
    cluster.create(MAPS, config_map("zz"), "default")
    cluster.run(cluster.ctx.request("store", COMPACT, {"revision": cluster.revision()}))
    error = cluster.refused("list", MAPS, "default", options={"limit": 4, "continue": first.extra["continue"]})
    assert (error.code, error.reason) == (410, "Expired")
    token = error.status["metadata"]["continue"]
    rest = cluster.call("list", MAPS, "default", options={"continue": token})
    assert [obj["metadata"]["name"] for obj in rest.objects] == [f"m{i:03}" for i in range(4, 10)] + ["zz"]


def test_lists_at_a_revision(cluster: Cluster) -> None:
    fill(cluster, 3)
    revision = cluster.revision()
    cluster.call("delete", MAPS, "default", "m001")
    past = {"resourceVersion": str(revision), "resourceVersionMatch": "Exact"}
    assert cluster.names(MAPS, **past) == ["m000", "m001", "m002"]
    assert cluster.names(MAPS, resourceVersion=str(revision)) in (["m000", "m002"], ["m000", "m001", "m002"])
    assert cluster.names(MAPS) == ["m000", "m002"]
    future = cluster.refused("list", MAPS, options={"resourceVersion": "1000000"})
    assert (future.code, future.reason) == (504, "Timeout")
    assert future.message.startswith("Timeout: Too large resource version: 1000000, current: ")
    assert cluster.refused("list", MAPS, options={"resourceVersion": "x"}).code == 400


def test_any_cached_state_needs_no_store(cluster: Cluster) -> None:
    fill(cluster, 2)
    cluster.settle()
    cluster.simulation.crash("store", restart_after_s=None)
    assert cluster.names(MAPS, resourceVersion="0") == ["m000", "m001"]
    assert cluster.call("get", MAPS, "default", "m000", options={"resourceVersion": "0"}).ok
    with pytest.raises(ApiError) as caught:
        cluster.call("list", MAPS)
    assert caught.value.code == 504


@given(st.integers(-1, 2**62), st.text(alphabet="abc/-.0é", max_size=20))
@settings(max_examples=50)
def test_continue_tokens_read_back(revision: int, after: str) -> None:
    assert Continue.parse(Continue(revision, after).token()) == Continue(revision, after)


@given(st.text(max_size=30))
@settings(max_examples=100)
def test_made_up_tokens_are_refused(token: str) -> None:
    with pytest.raises(ApiError) as caught:
        Continue.parse(token)
    assert caught.value.code == 400
