"""Events go an hour after they were last written, as in Kubernetes; nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from api_cluster import Cluster, config_map

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Operation
from actors.apimachinery.stream import Stream
from actors.apiserver.event_leases import REUSED_FOR_S, TTL_S
from actors.client.client import Client
from actors.client.informer import Informer
from store.protocol import LEASE_REVOKE, LEASES

EVENTS = "v1/events"


def event(name: str) -> dict[str, Any]:
    involved = {"kind": "Pod", "name": "p", "namespace": "default"}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved, "reason": "R"}


def leases(cluster: Cluster) -> list[int]:
    return list(cluster.run(cluster.ctx.request("store", LEASES)).body["ids"])


def test_events_go_after_an_hour_and_watchers_are_told(cluster: Cluster) -> None:
    informer = Informer(Client(cluster.ctx), Stream(EVENTS))
    cluster.run(informer.start())
    for name in ("a", "b"):
        cluster.create(EVENTS, event(name), "default")
    cluster.create("v1/configmaps", config_map("stays"), "default")
    assert len(leases(cluster)) == 1, "events of a minute share a lease"
    cluster.settle(TTL_S / 2)
    cluster.call("patch", EVENTS, "default", "b", "", {"count": 2}, {"patchType": "merge"})
    assert len(leases(cluster)) == 2
    cluster.settle(TTL_S / 2 + REUSED_FOR_S + 2)
    assert cluster.names(EVENTS) == ["b"], "what was written again stays for another hour"
    assert {key.name for key in (Key("default", "a"), Key("default", "b")) if informer.get(key)} == {"b"}
    cluster.settle(TTL_S / 2)
    assert cluster.names(EVENTS) == []
    assert len(informer) == 0
    assert leases(cluster) == []
    assert cluster.exists("v1/configmaps", "stays")


def test_a_lease_that_is_gone_is_replaced(cluster: Cluster) -> None:
    cluster.create(EVENTS, event("a"), "default")
    (lease,) = leases(cluster)
    cluster.run(cluster.ctx.request("store", LEASE_REVOKE, {"id": lease}))
    assert cluster.names(EVENTS) == []
    cluster.create(EVENTS, event("b"), "default")
    assert cluster.names(EVENTS) == ["b"]
    assert leases(cluster) != [lease]


def test_a_lease_has_a_thousand_events_at_most(cluster: Cluster) -> None:
    creates = [Operation("create", EVENTS, "default", f"e{i}", body=event(f"e{i}")) for i in range(1500)]
    for start in range(0, 1500, 500):
        assert {result.code for result in cluster.batch(*creates[start : start + 500])} == {201}
    assert len(leases(cluster)) == 2


@pytest.mark.parametrize("crashed", ["store", "apiserver"])
def test_events_go_whoever_crashes_meanwhile(cluster: Cluster, crashed: str) -> None:
    cluster.create(EVENTS, event("a"), "default")
    cluster.settle(60.0)
    cluster.simulation.crash(crashed)
    cluster.settle(10.0)
    assert cluster.names(EVENTS) == ["a"]
    cluster.settle(TTL_S + REUSED_FOR_S + 2)
    assert cluster.names(EVENTS) == []
