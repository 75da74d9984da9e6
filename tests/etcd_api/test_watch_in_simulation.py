"""Watches over a fabric that loses, repeats and delays, and a store that crashes: etcd's guarantees hold all the same.

Ordered, unique, reliable (no gap), atomic (a revision in one response), previous values right, filters right.
"""

import asyncio
import importlib.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.faults import RandomFaults
from broker.simulation import Simulation
from store.actor import run
from store.memory_log import MemoryLog
from store.protocol import COMPACT, TXN, VERSIONS

if importlib.util.find_spec("google.protobuf") is None:
    pytest.skip("protobuf is not installed (extra: etcd)", allow_module_level=True)

from store.etcd_api import messages as m
from store.etcd_api.answers import Identity
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


KEYS = (b"a", b"b", b"c")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from(("put", "pair", "delete", "crash", "wait", "watch")), st.sampled_from(KEYS)),
        max_size=40,
    ),
)
def test_guarantees_under_loss_and_crashes(seed, prev_kv, steps):
    faults = RandomFaults(drop=0.2, duplicate=0.15, delay=0.15)
    with World(seed, faults) as world:
        world.create(key=b"\0", range_end=b"\0", start_revision=2, prev_kv=prev_kv)
        world.create(key=b"a", start_revision=2, filters=["NODELETE"])
        later = []
        for kind, key in steps:
            match kind:
                case "put":
                    world.put(key)
                case "pair":
                    world.put(*(other for other in KEYS if other != key))
                case "delete":
                    world.write([[[], [["delete", key, b""]], [], ""]])
                case "crash":
                    world.sim.crash("store")
                case "wait":
                    world.sim.run_for(0.3)
                case "watch" if len(later) < 3:
                    later.append(2 + len(later))
                    world.create(key=b"\0", range_end=b"\0", start_revision=2, prev_kv=prev_kv and len(later) % 2 == 0)
        world.sim.set_faults(None)
        world.sim.run_for(10)
        history = world.log.load().changes
        check_whole(world, history, 0, previous=prev_kv)
        for watch_id in later:
            check_whole(world, history, watch_id, previous=prev_kv and watch_id % 2 == 1)
        puts_of_a = [kv.mod_revision for kv in history if kv.key == b"a" and kv.version]
        assert [event.kv.mod_revision for event in world.events(1)] == puts_of_a


def check_whole(world, history, watch_id, previous):
    """The watch was told of the whole history."""
    told = world.events(watch_id)
    assert [(e.kv.mod_revision, e.kv.key, e.kv.value) for e in told] == [
        (c.mod_revision, c.key, c.value) for c in history
    ]
    before = {}
    for event, change in zip(told, history, strict=True):
        expected = before.get(change.key)
        assert event.HasField("prev_kv") == (previous and expected is not None)
        if event.HasField("prev_kv"):
            assert (event.prev_kv.value, event.prev_kv.mod_revision) == (expected.value, expected.mod_revision)
        before[change.key] = change if change.version else None
    of_revision = {}
    for number, response in enumerate(r for r in world.responses if r.watch_id == watch_id):
        for event in response.events:
            assert of_revision.setdefault(event.kv.mod_revision, number) == number


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
