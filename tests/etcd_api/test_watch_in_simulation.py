"""One Watch call in simulation: what a client that reads slowly is told, and what compaction takes from it."""

import asyncio
import importlib.util

import pytest

from broker.simulation import Simulation
from store.actor import run
from store.memory_log import MemoryLog
from store.protocol import COMPACT, TXN, VERSIONS

if importlib.util.find_spec("google.protobuf") is None:
    pytest.skip("protobuf is not installed (extra: etcd)", allow_module_level=True)

from store.etcd_api import messages as m
from store.etcd_api.answers import Identity
from store.etcd_api.kv import KV
from store.etcd_api.refusal import UNAVAILABLE, Refusal
from store.etcd_api.store_client import StoreClient
from store.etcd_api.watch_hub import WatchHub
from store.etcd_api.watch_stream import QUEUE_MAX, WatchStream


class World:
    """A store, and a watch hub with one stream whose responses are collected."""

    def __init__(self, seed, faults=None):
        self.log = MemoryLog()
        self.sim = Simulation(seed=seed, faults=faults)
        self.sim.spawn_actor("store", lambda ctx: run(ctx, self.log))
        self.client = self.sim.context("client")
        self.responses = []
        self.reading = True
        self.sim.spawn_actor("etcd-api", self._api)
        self.stream = None
        assert self.sim.run_until(lambda: self.stream is not None)

    async def _api(self, ctx):
        hub = WatchHub(ctx)
        await hub.start()
        self.stream = WatchStream(ctx, hub, Identity(1, 2), 600.0)
        while True:
            while not self.reading:
                await asyncio.sleep(0.1)
            self.responses.append(await self.stream.next_response())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.sim.close()

    def create(self, **fields):
        request = m.WatchRequest(create_request=m.WatchCreateRequest(**fields))
        self.sim.run(self.stream.on_request(request))

    def write(self, rows, values=()):
        return self.sim.run(self.client.request("store", TXN, rows, values)).body

    def put(self, *keys):
        """One transaction. Each value is its own revision's predecessor's name: anything that differs."""
        self.write([[[], [["put", key, 0] for key in keys], [], ""]], [b"%d" % id(key) for key in keys])

    def events(self, watch_id):
        return [event for response in self.responses if response.watch_id == watch_id for event in response.events]


def test_a_slow_client_is_bounded_and_told_everything():
    with World(1) as world:
        world.create(key=b"k", start_revision=2)
        world.sim.run_for(1)
        world.reading = False
        world.sim.run_for(1)
        for _ in range(QUEUE_MAX * 3):
            world.put(b"k")
            world.sim.run_for(0.05)
        assert len(world.stream._queue) <= QUEUE_MAX + 1
        world.reading = True
        world.sim.run_for(5)
        assert [event.kv.mod_revision for event in world.events(0)] == list(range(2, 2 + QUEUE_MAX * 3))


def test_a_slow_client_is_cancelled_when_what_it_needs_is_compacted():
    with World(1) as world:
        world.create(key=b"k", start_revision=2)
        world.sim.run_for(1)
        world.reading = False
        world.sim.run_for(1)
        for _ in range(QUEUE_MAX * 2):
            world.put(b"k")
            world.sim.run_for(0.05)
        reply = world.sim.run(world.client.request("store", COMPACT, {"revision": 250, "physical": True}))
        assert reply.body == {"revision": QUEUE_MAX * 2 + 1}
        world.reading = True
        world.sim.run_for(5)
        last = world.responses[-1]
        assert (last.canceled, last.compact_revision) == (True, 250)
        told = [event.kv.mod_revision for event in world.events(0)]
        assert told == list(range(2, 2 + len(told)))
        assert len(told) < QUEUE_MAX * 2


def test_a_put_is_never_carried_out_twice_over_a_crash():
    """Found by the check of linearizability: the fabric repeats requests to the store's next incarnation."""
    with World(1) as world:
        kv = KV(StoreClient(world.client), Identity(1, 2))
        world.sim.run(kv.Put(m.PutRequest(key=b"k", value=b"1")))
        world.log.crash_next = "after commit"
        with pytest.raises(Refusal, match="possibly due to connection lost") as refused:
            world.sim.run(kv.Put(m.PutRequest(key=b"k", value=b"2")))
        assert refused.value.code == UNAVAILABLE
        assert [kv.version for kv in world.log.load().changes] == [1, 2]
        world.sim.run(kv.Put(m.PutRequest(key=b"k", value=b"3")))
        world.sim.crash("store")
        world.sim.run_for(2)
        world.sim.run(kv.Put(m.PutRequest(key=b"k", value=b"4")))
        assert [kv.value for kv in world.log.load().changes] == [b"1", b"2", b"3", b"4"]


def test_versions_are_what_a_compaction_leaves():
    with World(1) as world:
        for key in (b"a", b"b", b"a", b"a", b"b"):
            world.put(key)
        world.write([[[], [["delete", b"b", b""]], [], ""]])

        def versions(**body):
            page = world.sim.run(world.client.request("store", VERSIONS, {"after": 0, "through": 0, **body})).body
            return page["compacted"], [kv[2] for _, kv in page["versions"]]

        assert versions() == (0, [2, 3, 4, 5, 6, 7])
        assert versions(through=4) == (0, [2, 3, 4])
        world.sim.run(world.client.request("store", COMPACT, {"revision": 5, "physical": True}))
        assert versions() == (5, [3, 5, 6, 7])
        world.sim.crash("store")
        assert versions() == (5, [3, 5, 6, 7])
