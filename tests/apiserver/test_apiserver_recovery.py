"""Loss, crashes and restarts: nothing acknowledged is lost, nothing is done twice, watchers see every change."""

from __future__ import annotations

import asyncio

import pytest
from api_cluster import Cluster, config_map
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.meta import key_of
from actors.apimachinery.operation import Operation
from actors.apimachinery.stream import Stream
from actors.client.client import Client
from actors.client.informer import Informer
from broker.context import RequestError
from broker.message import KIND_PUBLICATION
from store.protocol import COMPACT, LOG_TOPIC

MAPS = "v1/configmaps"


class Losing:
    """Loses publications of the store's log."""

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: object) -> list[float]:
        return [] if kind == KIND_PUBLICATION and subject == LOG_TOPIC else [0.0]


def test_a_lost_log_is_asked_for(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    cluster.simulation.set_faults(Losing())  # type: ignore[arg-type]
    for i in range(5):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
    assert cluster.names(MAPS) == [f"m{i}" for i in range(5)], "a read notices"
    cluster.create(MAPS, config_map("last"), "default")
    cluster.settle(6)
    assert [name for _, name in watcher.kinds] == [*(f"m{i}" for i in range(5)), "last"], "silence is noticed too"


def test_one_lost_publication_is_a_gap(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    cluster.simulation.set_faults(Losing())  # type: ignore[arg-type]
    cluster.create(MAPS, config_map("lost"), "default")
    cluster.settle(0.01)
    cluster.simulation.set_faults(None)
    cluster.create(MAPS, config_map("next"), "default")
    cluster.settle(0.1)
    assert watcher.kinds == [("ADDED", "lost"), ("ADDED", "next")]


def test_what_was_compacted_meanwhile_is_loaded_anew(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS)
    since = cluster.revision()
    cluster.simulation.set_faults(Losing())  # type: ignore[arg-type]
    for i in range(3):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
    cluster.call("delete", MAPS, "default", "m1")
    revision = cluster.create(MAPS, config_map("m3"), "default")["metadata"]["resourceVersion"]
    cluster.run(cluster.ctx.request("store", COMPACT, {"revision": int(revision)}))
    assert cluster.names(MAPS) == ["m0", "m2", "m3"]
    from broker.context import RequestFailed

    with pytest.raises(RequestFailed) as caught:
        cluster.run(watcher.ask(since))
    assert caught.value.code == "Expired"
    cluster.simulation.set_faults(None)
    cluster.create(MAPS, config_map("m4"), "default")
    cluster.settle()
    prev, rows, _ = next(publication for publication in watcher.publications if publication[1])
    assert prev > since, "whoever isn't there sees the gap"
    assert [row[3] for row in rows] == ["m4"]


def test_a_restarted_server_still_knows_what_was_before(cluster: Cluster) -> None:
    watcher = cluster.watch(MAPS, "", "app=web")
    cluster.create(MAPS, config_map("a", labels={"app": "web"}), "default")
    revision = cluster.revision()
    cluster.call("patch", MAPS, "default", "a", body={"metadata": {"labels": {"app": "db"}}})
    cluster.simulation.crash("apiserver")
    _, rows, _ = cluster.run(watcher.ask(revision))[0]
    assert [(row[0], row[3]) for row in rows] == [("DELETED", "a")]
    assert cluster.names(MAPS) == ["a"]


def test_writes_outlive_crashes_of_store_and_server(cluster: Cluster) -> None:
    acknowledged: list[str] = []

    async def write() -> None:
        for i in range(60):
            await cluster.client.create(MAPS, config_map(f"m{i:02}"), "default")
            acknowledged.append(f"m{i:02}")

    async def kill() -> None:
        for victim in ("store", "apiserver", "store", "store", "apiserver"):
            await asyncio.sleep(0.013)
            cluster.simulation.crash(victim)

    async def both() -> None:
        await asyncio.gather(write(), kill())

    cluster.run(both())
    assert len(acknowledged) == 60
    assert cluster.names(MAPS) == acknowledged


def test_a_txn_that_was_committed_without_an_answer_counts_as_done(cluster: Cluster) -> None:
    """The store dies after its commit: the repeated transaction finds its own bytes in place."""
    created = cluster.create(MAPS, config_map("a", {"n": "1"}), "default")
    cluster.log.crash_next = "after commit"
    patch = [{"op": "add", "path": "/data/m", "value": "1"}, {"op": "test", "path": "/data/n", "value": "1"}]
    patch.append({"op": "replace", "path": "/data/n", "value": "2"})
    patched = cluster.call("patch", MAPS, "default", "a", body=patch, options={"patchType": "json"})
    assert patched.object["data"] == {"n": "2", "m": "1"}
    assert int(patched.object["metadata"]["resourceVersion"]) == int(created["metadata"]["resourceVersion"]) + 1
    cluster.log.crash_next = "after commit"
    assert cluster.call("create", MAPS, "default", body=config_map("b")).code == 201
    cluster.log.crash_next = "before commit"
    assert cluster.call("create", MAPS, "default", body=config_map("c")).code == 201
    assert cluster.names(MAPS) == ["a", "b", "c"]
    crashes = [crash.actor for crash in cluster.simulation.crashes]
    assert crashes == ["store"] * 3
    cluster.simulation.crashes.clear()


class Chance:
    """Loses, repeats and delays messages of every kind."""

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: object) -> list[float]:
        draw = random.random()  # type: ignore[attr-defined]
        if draw < 0.15:
            return []
        if draw < 0.3:
            return [0.0, random.uniform(0, 0.3)]  # type: ignore[attr-defined]
        return [random.uniform(0, 0.02)]  # type: ignore[attr-defined]


actions = st.lists(
    st.tuples(st.sampled_from(["create", "patch", "delete", "crash store", "crash apiserver"]), st.integers(0, 5)),
    min_size=5,
    max_size=40,
)


@given(st.integers(0, 2**32), actions)
@settings(max_examples=12, deadline=None)
def test_informers_end_where_the_store_is(seed: int, script: list[tuple[str, int]]) -> None:
    """Whatever is lost or crashes: in the end a plain and a selecting informer show exactly the store's state."""
    cluster = Cluster(seed=seed, window=20)
    cluster.revision()
    everything = Informer(cluster.client, Stream(MAPS))
    some = Informer(cluster.client, Stream(MAPS, "default", "odd=1"))
    cluster.run(everything.start())
    cluster.run(some.start())
    cluster.simulation.set_faults(Chance())  # type: ignore[arg-type]
    other = Client(cluster.simulation.context("writer"))

    async def play() -> None:
        for action, number in script:
            if action.startswith("crash"):
                cluster.simulation.crash(action.removeprefix("crash "))
                continue
            name, labels = f"m{number}", {"odd": str(number % 2)}
            operation = Operation(action, MAPS, "default", name, body=config_map(name, labels=labels))  # type: ignore[arg-type]
            if action == "patch":
                operation = Operation("patch", MAPS, "default", name, body={"metadata": {"labels": {"odd": "1"}}})
            elif action == "delete":
                operation = Operation("delete", MAPS, "default", name)
            try:
                (result,) = await other.batch([operation])
                assert result.code in (200, 201, 404, 409), result
            except RequestError:
                pass

    cluster.run(play())
    cluster.simulation.set_faults(None)
    cluster.settle(20)
    wanted = cluster.call("list", MAPS).objects
    assert sorted(everything.items(), key=key_of) == list(wanted)
    assert sorted(some.items(), key=key_of) == [obj for obj in wanted if obj["metadata"]["labels"]["odd"] == "1"]
    assert not cluster.simulation.crashes
    cluster.simulation.close()


def test_the_same_seed_gives_the_same_trace() -> None:
    def play() -> str:
        cluster = Cluster(seed=7)
        cluster.watch(MAPS)
        cluster.batch(*(Operation("create", MAPS, "default", body=config_map(generateName="x-")) for _ in range(20)))
        cluster.simulation.crash("apiserver")
        cluster.names(MAPS)
        cluster.simulation.close()
        return cluster.simulation.trace_hash

    assert play() == play()


def test_a_store_that_went_back_in_time_makes_the_server_start_over() -> None:
    cluster = Cluster()
    for i in range(5):
        cluster.create(MAPS, config_map(f"m{i}"), "default")
    cluster.log.__init__()  # type: ignore[misc] - an empty disk
    cluster.simulation.crash("store")
    cluster.settle(10)
    assert [crash.actor for crash in cluster.simulation.crashes] == ["apiserver"]
    assert cluster.names(MAPS) == []
    assert cluster.names("v1/namespaces", "")[0] == "default"
    cluster.simulation.close()


def test_a_restarted_server_takes_over_its_service(cluster: Cluster) -> None:
    """Its address is allocated already, by that very Service: neither an error nor a second one."""
    before = cluster.get("v1/services", "kubernetes")
    revision = cluster.revision()
    for _ in range(3):
        cluster.simulation.crash("apiserver")
        cluster.settle(3)
    assert cluster.get("v1/services", "kubernetes") == before
    assert cluster.revision() == revision
    refused = cluster.refused("create", "v1/services", "default", body={**before, "metadata": {"name": "kubernetes"}})
    assert (refused.code, refused.reason) == (409, "AlreadyExists")
