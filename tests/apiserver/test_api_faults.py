"""Faults at the API: what clients meet while they are in force, and that nothing is wrong with the state afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from api_cluster import Cluster, config_map, pod

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Operation
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import Stream
from actors.client.client import Client
from actors.client.informer import Informer
from broker.chaos import FAULTS_TOPIC, NO_CHAOS, Chaos, Fault

MAPS = "v1/configmaps"


def break_api(cluster: Cluster, kind: str, **details: Any) -> None:
    cluster.simulation.set_chaos(Chaos([Fault(kind, details)], 1))


def heal(cluster: Cluster) -> None:
    cluster.simulation.set_chaos(NO_CHAOS)


def test_409_is_met_by_changes_and_nothing_is_done(cluster: Cluster) -> None:
    made = cluster.create(MAPS, config_map("m", {"a": "1"}), "default")
    break_api(cluster, "conflict", rate=1.0)
    error = cluster.refused("update", MAPS, "default", "m", "", {**made, "data": {"a": "2"}})
    assert (error.code, error.reason, error.status["details"]["name"]) == (409, "Conflict", "m")
    assert cluster.refused("delete", MAPS, "default", "m").reason == "Conflict"
    cluster.create(MAPS, config_map("new"), "default")
    assert cluster.get(MAPS, "m")["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_409_is_met_by_bindings(cluster: Cluster) -> None:
    cluster.create_pod("p")
    break_api(cluster, "conflict", rate=1.0, resource="v1/pods")
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"name": "n"}}
    assert cluster.refused("create", "v1/pods", "default", "p", "binding", binding).reason == "Conflict"


def test_429_says_when_to_come_again(cluster: Cluster) -> None:
    break_api(cluster, "too-many-requests", rate=1.0)
    error = cluster.refused("get", MAPS, "default", "m")
    assert (error.code, error.status["details"]["retryAfterSeconds"]) == (429, 1)


def test_500_comes_after_the_commit(cluster: Cluster) -> None:
    break_api(cluster, "error-after-commit", rate=1.0)
    assert cluster.refused("create", MAPS, "default", "m", "", config_map("m")).code == 500
    assert cluster.refused("get", MAPS, "default", "m").code == 500
    heal(cluster)
    assert cluster.exists(MAPS, "m")
    break_api(cluster, "error-after-commit", rate=1.0)
    assert cluster.refused("create", MAPS, "default", "m", "", config_map("m")).reason == "AlreadyExists"


def test_only_the_kind_and_verb_that_are_meant(cluster: Cluster) -> None:
    break_api(cluster, "too-many-requests", rate=1.0, resource="v1/pods", verb="create")
    operations = [
        Operation("create", MAPS, "default", "m", body=config_map("m")),
        Operation("create", "v1/pods", "default", "p", body=pod("p")),
        Operation("list", "v1/pods", "default"),
    ]
    assert [result.code for result in cluster.batch(*operations)] == [201, 429, 200]


def test_only_the_actor_that_is_meant(cluster: Cluster) -> None:
    break_api(cluster, "too-many-requests", rate=1.0, **{"from": "other*"})
    cluster.names(MAPS)
    other = Client(cluster.simulation.context("other-1"))
    with pytest.raises(ApiError, match="too many requests"):
        cluster.run(other.list(MAPS))


def test_the_rate_is_kept_and_what_was_injected_is_told(cluster: Cluster) -> None:
    told: list[Any] = []
    cluster.ctx.subscribe(FAULTS_TOPIC, lambda publication: told.append(publication.body))
    break_api(cluster, "too-many-requests", rate=0.3)
    codes = [r.code for r in cluster.batch(*(Operation("list", MAPS, "default") for _ in range(500)))]
    assert codes.count(429) == pytest.approx(150, rel=0.3)
    cluster.settle(1.0)
    assert told[-1]["counts"] == {"too-many-requests": codes.count(429)}
    assert told[0]["rows"][0][:4] == ["too-many-requests", "client", "apiserver", f"list {MAPS}"]


def test_410_has_informers_list_again_and_lists_begin_again(cluster: Cluster) -> None:
    for i in range(5):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
    token = cluster.call("list", MAPS, "default", options={"limit": 2}).extra["continue"]
    informer = Informer(Client(cluster.ctx), Stream(MAPS))
    cluster.run(informer.start())
    break_api(cluster, "expired", rate=0.6)
    expired = [r.code for r in cluster.batch(*(_page(token) for _ in range(50)))]
    assert 15 < expired.count(410) < 45
    assert expired.count(200) + expired.count(410) == 50
    for i in range(5):
        cluster.simulation.crash("apiserver")
        cluster.settle(2.0)
        cluster.create(MAPS, config_map(f"n{i}"), "default")
    cluster.settle(20.0)
    assert len(informer) == 10


def _page(token: str) -> Operation:
    return Operation("list", MAPS, "default", options={"limit": 2, "continue": token})


def test_410_at_a_revision(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    since = cluster.revision()
    break_api(cluster, "expired", rate=1.0, before=since)
    cluster.run(watcher.ask(since))
    with pytest.raises(Exception, match="Expired"):
        cluster.run(watcher.ask(since - 1))


def test_a_lagging_replica_answers_as_of_a_while_ago_where_that_is_allowed(cluster: Cluster) -> None:
    made = cluster.create(MAPS, config_map("m", {"a": "1"}), "default")
    break_api(cluster, "lagging-replica", delay_s=5.0)
    cluster.get(MAPS, "m")
    old = made["metadata"]["resourceVersion"]
    new = cluster.call("patch", MAPS, "default", "m", "", {"data": {"a": "2"}}, {"patchType": "merge"}).object
    cluster.create(MAPS, config_map("later"), "default")
    may_be_old = {"resourceVersion": "0"}
    shown = cluster.call("get", MAPS, "default", "m", options=may_be_old).object
    assert (shown["data"], shown["metadata"]["resourceVersion"]) == ({"a": "1"}, old)
    assert cluster.names(MAPS, **may_be_old) == ["m"]
    assert cluster.refused("get", MAPS, "default", "later", options=may_be_old).code == 404
    assert cluster.get(MAPS, "m")["data"] == {"a": "2"}, "a read that must not be old is not"
    not_older = {"resourceVersion": new["metadata"]["resourceVersion"]}
    assert cluster.call("get", MAPS, "default", "m", options=not_older).object["data"] == {"a": "2"}
    cluster.settle(6.0)
    assert cluster.names(MAPS, **may_be_old) == ["later", "m"]


def test_resets_and_missing_marks_lose_nothing(cluster: Cluster) -> None:
    informer = Informer(Client(cluster.ctx), Stream(MAPS))
    cluster.run(informer.start())
    for kind, details in (("watch-reset", {"rate": 0.5}), ("missing-bookmarks", {"resource": MAPS})):
        break_api(cluster, kind, **details)
        for i in range(10):
            cluster.create(MAPS, config_map(f"{kind}-{i}"), "default")
        cluster.settle(1.0)
    assert len(informer) == 20


def test_without_marks_a_lost_last_event_is_found_out_by_silence(cluster: Cluster) -> None:
    informer = Informer(Client(cluster.ctx), Stream(MAPS))
    cluster.run(informer.start())
    cluster.settle(2.0)  # the server has said hello, and the marks after joining are through
    watch_loss = Fault("drop", {"rate": 1.0, "subject": f"watch/{MAPS}|"})
    cluster.simulation.set_chaos(Chaos([Fault("missing-bookmarks"), watch_loss], 1))
    cluster.create(MAPS, config_map("m"), "default")
    cluster.settle(0.2)
    cluster.simulation.set_chaos(Chaos([Fault("missing-bookmarks")], 1))
    cluster.settle(6.0)
    assert informer.get(Key("default", "m")) is None, "with marks it would be known by now"
    cluster.settle(10.0)
    assert informer.get(Key("default", "m")) is not None


def test_the_servers_own_writes_meet_no_fault(cluster: Cluster) -> None:
    break_api(cluster, "too-many-requests", rate=1.0)
    cluster.simulation.crash("apiserver")
    cluster.settle(2.0)
    assert cluster.refused("list", MAPS).code == 429
    assert not cluster.simulation.crashes
