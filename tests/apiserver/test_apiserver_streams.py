"""Watch streams: what is told to whom, chains, windows, marks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from api_cluster import Cluster, config_map

from actors.apimachinery.operation import Operation
from actors.apimachinery.stream import HELLO_TOPIC
from broker.context import RequestFailed

PODS, MAPS = "v1/pods", "v1/configmaps"


def test_a_stream_tells_what_happened_in_order(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    created = cluster.create(MAPS, config_map("a"), "default")
    patched = cluster.call("patch", MAPS, "default", "a", body={"data": {"x": "1"}}).object
    deleted = cluster.call("delete", MAPS, "default", "a")
    cluster.settle()
    assert watcher.kinds == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert watcher.objects[:2] == [created, patched]
    assert watcher.objects[2]["data"] == {"x": "1"}
    assert watcher.objects[2]["metadata"]["resourceVersion"] == str(deleted.revision)


def test_publications_form_a_chain(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS, "default")
    for i in range(5):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
        cluster.create(MAPS, config_map(f"m{i}"), "kube-system")
        cluster.settle(0.01)
    told = [publication for publication in watcher.publications if publication[1]]
    assert len(told) == 5
    for before, after in pairwise(told):
        assert after[0] == before[1][-1][1], "prev is the revision of the stream's last event"
        assert after[2] >= after[1][-1][1]
    assert [name for _, name in watcher.kinds] == [f"m{i}" for i in range(5)]


def test_events_of_one_cycle_are_one_publication(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    cluster.batch(*(Operation("create", MAPS, "default", body=config_map(f"m{i}")) for i in range(100)))
    cluster.settle()
    told = [publication for publication in watcher.publications if publication[1]]
    assert [len(rows) for _, rows, _ in told] == [100]


def test_selectors_turn_changes_into_appearing_and_going(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS, "", "app=web")
    cluster.create(MAPS, config_map("a"), "default")
    cluster.create(MAPS, config_map("b", labels={"app": "web"}), "default")
    for labels in ({"app": "web"}, {"app": "web", "x": "y"}, {"app": "db", "x": None}):
        cluster.call("patch", MAPS, "default", "a", body={"metadata": {"labels": labels}})
    cluster.call("delete", MAPS, "default", "a")
    cluster.call("delete", MAPS, "default", "b")
    cluster.settle()
    assert watcher.kinds == [
        ("ADDED", "b"),
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("DELETED", "b"),
    ]
    assert watcher.objects[3]["metadata"]["labels"] == {"app": "web", "x": "y"}, "as it was last while it belonged"


def test_pods_by_node(cluster: Cluster) -> None:
    one, two = (cluster.watch(PODS, "", "", f"spec.nodeName={node}") for node in ("n1", "n2"))
    unassigned = cluster.watch(PODS, "", "", "spec.nodeName=")
    cluster.create_pod("a", node="n1")
    cluster.create_pod("b", node="n2")
    cluster.call("delete", PODS, "default", "a", options={"gracePeriodSeconds": 0})
    cluster.settle()
    assert one.kinds == [("ADDED", "a"), ("DELETED", "a")]
    assert two.kinds == [("ADDED", "b")]
    assert unassigned.kinds == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b"), ("DELETED", "b")]


def test_a_pods_change_is_not_tried_on_every_node(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(50):
        cluster.watch(PODS, "", "", f"spec.nodeName=n{i}")
    from actors.apiserver.streams import Filter

    tried = 0
    selects = Filter.selects

    def counting(self: Filter, entry: object) -> bool:
        nonlocal tried
        tried += 1
        return selects(self, entry)

    monkeypatch.setattr(Filter, "selects", counting)
    cluster.create_pod("a", node="n7")
    cluster.settle()
    assert 0 < tried <= 4


def test_since_tells_what_was_missed(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS, "default")
    revision = cluster.revision()
    for i in range(3):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
    cluster.create(MAPS, config_map("elsewhere"), "kube-system")
    prev, rows, through = cluster.run(watcher.ask(revision))[0]
    assert prev == revision
    assert [row[3] for row in rows] == ["m0", "m1", "m2"]
    assert through > rows[-1][1]
    assert cluster.run(watcher.ask(through))[0] == [through, [], through]
    assert [row[3] for row in cluster.run(watcher.ask(rows[1][1]))[0][1]] == ["m2"]


def test_rows_name_the_operation(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    traced: list = []
    cluster.ctx.subscribe("trace", lambda publication: traced.extend(publication.body))
    cluster.create(MAPS, config_map("a"), "default")
    cluster.settle()
    row = next(rows[0] for _, rows, _ in watcher.publications if rows)
    assert row[4].startswith("client.")
    assert row[4].endswith("#0")
    (hop,) = traced
    assert hop[:3] == ["commit", row[4], "client"]
    assert hop[6:12] == ["create", MAPS, "", "default", "a", row[1]]
    assert hop[12] <= hop[13]
    assert row[5] >= hop[12]


def test_a_revision_outside_the_window_is_expired() -> None:
    cluster = Cluster(window=10)
    watcher = cluster.watch(MAPS)
    revision = cluster.revision()
    for i in range(12):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
    with pytest.raises(RequestFailed) as caught:
        cluster.run(watcher.ask(revision))
    assert caught.value.code == "Expired"
    assert [row[3] for row in cluster.run(watcher.ask(cluster.revision() - 5))[0][1]] == [f"m{i}" for i in range(7, 12)]
    with pytest.raises(RequestFailed) as caught:
        cluster.run(watcher.ask(1_000_000))
    assert caught.value.code == "Expired"
    cluster.simulation.close()


def test_bad_watches_are_refused(cluster: Cluster) -> None:
    from actors.apimachinery.operation import WATCH

    for body in (
        None,
        {},
        {"resource": "x"},
        {"resource": PODS, "fieldSelector": "a=b"},
        {"resource": PODS, "since": ""},
    ):
        if body == {"resource": PODS, "since": ""}:
            body = {"resource": PODS, "since": "7"}
        with pytest.raises(RequestFailed) as caught:
            cluster.run(cluster.ctx.request("apiserver", WATCH, body))
        names_a_resource = body is None or body.get("resource") == PODS
        assert caught.value.code == ("BadRequest" if names_a_resource else "NotFound")


def test_marks_soon_after_joining_and_when_idle(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    cluster.settle(0.6)
    assert len(watcher.publications) == 3
    assert all(not rows for _, rows, _ in watcher.publications)
    watcher.publications.clear()
    cluster.settle(20)
    assert 3 <= len(watcher.publications) <= 5
    cluster.create(MAPS, config_map("a"), "default")
    watcher.publications.clear()
    cluster.settle(3.5)
    marks = [publication for publication in watcher.publications if not publication[1]]
    assert len(marks) >= 3, "a stream that was busy lately carries a mark every second"
    prev, _, through = marks[-1]
    assert prev == watcher.events[-1][2] <= through


def test_streams_nobody_renews_end(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    cluster.settle(100)
    watcher.publications.clear()
    cluster.create(MAPS, config_map("a"), "default")
    cluster.settle(10)
    assert watcher.publications == []


def test_hello(cluster: Cluster) -> None:
    hellos: list = []
    cluster.ctx.subscribe(HELLO_TOPIC, lambda publication: hellos.append(publication.body))
    cluster.revision()
    cluster.simulation.crash("apiserver")
    cluster.settle(2)
    assert len(hellos) >= 4
    assert len(set(hellos)) <= 2
