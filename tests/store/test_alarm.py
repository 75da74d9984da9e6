"""etcd's NOSPACE alarm: over the quota or on a full disk writes are refused, the rest goes on; there is a way out."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.context import RequestFailed
from broker.simulation import Simulation
from store.actor import run
from store.alarm import CHANGE_OVERHEAD_BYTES, COMMIT_OVERHEAD_BYTES, WATCHFUL_BYTES, SpaceAlarm, txn_cost
from store.errors import NoSpace
from store.log import LogFull
from store.memory_log import MemoryLog
from store.protocol import (
    ALARM,
    COMPACT,
    DEFRAGMENT,
    LEASE_GRANT,
    LEASE_KEEPALIVE,
    LEASE_REVOKE,
    LOG_TOPIC,
    RANGE,
    STATUS,
    TXN,
    WATCH,
)
from store.transaction import DeleteRange, Put, Range, Txn

SPACE_EXCEEDED = "etcdserver: mvcc: database space exceeded"


class FullLog(MemoryLog):
    """A log whose appends fail for want of room while it is told so."""

    full = False

    def append(self, changes, leases):
        if self.full:
            raise LogFull("the disk is full")
        super().append(changes, leases)

    def compact(self, revision, obsolete):
        if self.full:
            raise LogFull("the disk is full")
        return super().compact(revision, obsolete)

    def set_nospace(self, raised):
        if self.full:
            raise LogFull("the disk is full")
        super().set_nospace(raised)


class World:
    def __init__(self, log=None, quota_bytes=0):
        self.log = log or MemoryLog()
        self.sim = Simulation(seed=1)
        self.sim.spawn_actor("store", lambda ctx: run(ctx, self.log, None, quota_bytes))
        self.client = self.sim.context("client")
        self.publications = []
        self.client.subscribe(LOG_TOPIC, lambda pub: self.publications.append(pub.body))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.sim.close()

    def ask(self, method, body=None, blobs=()):
        return self.sim.run(self.client.request("store", method, body, blobs)).body

    def txn(self, *ops, values=()):
        """One transaction's answer, or its refusal."""
        (answer,) = self.ask(TXN, [[[], list(ops), [], ""]], values)
        return answer

    def put(self, key, value=b"v"):
        return self.txn(["put", key, 0], values=[value])

    def status(self):
        return self.ask(STATUS)


def refused(answer):
    return answer[0] is None and answer[2] == ["NoSpace", SPACE_EXCEEDED]


def fill(world):
    for i in range(1000):
        if refused(world.put(b"fill%d" % i, b"x" * 1000)):
            return i
    raise AssertionError("there is no quota")


def test_over_the_quota_puts_are_refused_and_the_rest_goes_on():
    with World(quota_bytes=50_000) as world:
        lease = world.ask(LEASE_GRANT, {"id": 0, "ttl_s": 1000})["id"]
        world.txn(["put", b"leased", lease], values=[b"1"])
        written = fill(world)
        assert 40 < written < 50
        before = world.status()
        assert before["alarms"] == ["NOSPACE"]
        assert before["quota_bytes"] == 50_000
        # However small.
        assert refused(world.put(b"small", b""))
        assert refused(world.txn(["delete", b"fill0", b""], ["put", b"a", 0], values=[b""]))
        assert refused(world.txn(["txn", [], [["put", b"a", 0]], []], values=[b""]))
        with pytest.raises(RequestFailed, match=SPACE_EXCEEDED):
            world.ask(LEASE_GRANT, {"id": 0, "ttl_s": 5})
        after = world.status()
        assert after["revision"] == before["revision"]
        assert world.ask(RANGE, {"key": b"fill", "range_end": b"fim"})[3] == written
        assert world.ask(LEASE_KEEPALIVE, {"id": lease})["ttl_s"] == 1000
        assert world.txn(["range", b"fill0", b"", 0])[2][0][3] == 1
        assert world.txn(["delete", b"fill", b"fim"])[2] == [["delete", written]]
        assert world.ask(LEASE_REVOKE, {"id": lease})["revision"] == before["revision"] + 2
        # The alarm stays until the space is there and somebody lifts it.
        assert refused(world.put(b"a"))
        world.ask(COMPACT, {"revision": before["revision"] + 2, "physical": True})
        world.ask(DEFRAGMENT)
        assert refused(world.put(b"a"))
        assert world.ask(ALARM, {"raised": False})["alarms"] == ["NOSPACE"]
        assert world.ask(ALARM, {"raised": False})["alarms"] == []
        assert world.status()["alarms"] == []
        assert world.put(b"a")[:2] == [True, before["revision"] + 3]


def test_lifted_too_early_it_comes_back():
    with World(quota_bytes=20_000) as world:
        fill(world)
        world.ask(ALARM, {"raised": False})
        assert world.status()["alarms"] == []
        assert refused(world.put(b"large", b"x" * 1000))
        assert world.status()["alarms"] == ["NOSPACE"]


def test_it_is_remembered_over_a_crash():
    with World(quota_bytes=20_000) as world:
        fill(world)
        world.txn(["delete", b"fill", b"fim"])
        world.sim.crash("store", restart_after_s=0.1)
        assert refused(world.put(b"a"))
        world.ask(ALARM, {"raised": False})
        world.sim.crash("store", restart_after_s=0.1)
        assert world.status()["alarms"] == []


def test_it_can_be_raised_by_hand():
    with World() as world:
        assert world.ask(ALARM, {"raised": True})["alarms"] == ["NOSPACE"]
        assert refused(world.put(b"a"))


def test_others_of_a_batch_are_carried_out():
    with World(quota_bytes=20_000) as world:
        written = fill(world)
        revision = world.status()["revision"]
        rows = [[[], [["put", b"a", 0]], [], ""], [[], [["delete", b"fill0", b""]], [], ""]]
        put, delete = world.ask(TXN, rows, [b""])
        assert refused(put)
        assert delete == [True, revision + 1, [["delete", 1]]]
        assert written > 10


@pytest.mark.parametrize("quota_bytes", [0, -1])
def test_without_a_small_quota_nothing_is_counted(quota_bytes):
    with World(quota_bytes=quota_bytes) as world:
        for i in range(100):
            assert world.put(b"%d" % i, b"x" * 10_000)[0]


commits_lists = st.lists(st.tuples(st.integers(1, 3000), st.integers(100_000, 4 * 1024**2)), min_size=20, max_size=100)


@given(st.integers(0, 80), commits_lists)
def test_however_commits_grow_the_log_the_alarm_is_watchful_before_the_quota_is_near(room_mb, commits):
    quota_bytes = 256 * 1024**2
    log = MemoryLog()
    log._size_bytes = quota_bytes - room_mb * 1024**2
    alarm = SpaceAlarm(log, quota_bytes)
    alarm.start(raised=False)
    for changes, key_value_bytes in commits:
        log._size_bytes += key_value_bytes + changes * CHANGE_OVERHEAD_BYTES + COMMIT_OVERHEAD_BYTES
        alarm.committed(changes, key_value_bytes)
        assert alarm.watchful or quota_bytes - log.sizes().allocated >= WATCHFUL_BYTES * 3 // 4


def test_on_a_full_disk_nothing_half_is_seen_or_kept():
    with World(FullLog()) as world:
        lease = world.ask(LEASE_GRANT, {"id": 0, "ttl_s": 3})["id"]
        world.txn(["put", b"leased", lease], values=[b"1"])
        world.put(b"a", b"old")
        world.log.full = True
        assert refused(world.txn(["put", b"a", 0], ["put", b"b", 0], values=[b"new", b"new"]))
        assert_refused_whole(world, TXN, [[[], [["delete", b"a", b""]], [], ""]], [])
        assert_refused_whole(world, LEASE_REVOKE, {"id": lease}, [])
        assert_refused_whole(world, COMPACT, {"revision": 2}, [])
        assert world.status()["revision"] == 3
        assert world.ask(RANGE, {"key": b"\0", "range_end": b"\0"})[1] == [
            [b"a", 3, 3, 1, 0],
            [b"leased", 2, 2, 1, lease],
        ]
        assert world.ask(WATCH, {"since": 3})[1] == []
        # The lease expires meanwhile; its key goes when that can be written.
        world.sim.run_for(6.0)
        assert world.ask(RANGE, {"key": b"leased"})[3] == 1
        world.log.full = False
        world.sim.run_for(1.0)
        assert world.ask(RANGE, {"key": b"leased"})[3] == 0
        assert world.txn(["delete", b"a", b""])[1] == 5
        world.ask(ALARM, {"raised": False})
        assert world.put(b"c")[1] == 6
        world.sim.run_for(0.1)
        check_chain(world.publications)
        revisions = [event[3] for body in world.publications for event in body[1]]
        assert revisions == [2, 3, 4, 5, 6]
        assert [kv.mod_revision for kv in world.log.load().changes] == revisions


def assert_refused_whole(world, method, body, blobs):
    with pytest.raises(RequestFailed) as failure:
        world.ask(method, body, blobs)
    assert (failure.value.code, failure.value.message) == ("NoSpace", SPACE_EXCEEDED)


def check_chain(bodies):
    at = bodies[0][2]
    for prev, _, through in bodies[1:]:
        assert prev == at
        at = through


def test_many_at_once_on_a_disk_that_fills_up():
    """Those that were told yes are there, those that were told no are not."""
    with World() as world:
        world.log.capacity_bytes = 30_000
        world.sim.run_for(0.1)
        store = world.sim.context("store")
        store.after_drain = lambda commit: world.sim.loop.call_later(0.01, commit)

        async def one(i):
            try:
                body = [[[], [["put", b"%03d" % i, 0]], [], ""]]
                (answer,) = (await world.client.request("store", TXN, body, [b"x" * (i * 7 % 900)])).body
            except RequestFailed as failure:
                if failure.code != "NoSpace":
                    raise
                return None
            return None if refused(answer) else answer[1]

        async def all_of_them():
            told = []
            for start in range(0, 120, 10):
                told += await asyncio.gather(*(one(i) for i in range(start, start + 10)))
            return told

        told = world.sim.run(all_of_them())
        shown = {kv[0]: kv[2] for kv in world.ask(RANGE, {"key": b"\0", "range_end": b"\0"})[1]}
        assert shown == {b"%03d" % i: revision for i, revision in enumerate(told) if revision is not None}
        assert 0 < len(shown) < 120
        assert {kv.key: kv.mod_revision for kv in world.log.load().changes} == shown


def test_what_a_transaction_costs():
    put = Put(b"key", b"value")
    assert txn_cost(Txn((), (put,))) == 256 + 8
    assert txn_cost(Txn((), (put,), (put, put))) == 2 * (256 + 8)
    assert txn_cost(Txn((), (DeleteRange(b"a"), Range(b"a")), (Txn((), (put,), ()),))) == 256 + 8
    assert txn_cost(Txn((), (DeleteRange(b"a"),))) == 0
    assert NoSpace.grpc_code == 8


def test_a_transaction_that_is_too_large_is_refused_alone():
    """etcd's 1.5 MiB; the others of its batch are carried out."""
    with World() as world:
        fits, too_large = b"x" * (1536 * 1024 - 1), b"x" * (1536 * 1024)
        rows = [[[], [["put", key, 0]], [], ""] for key in (b"a", b"b", b"c")]
        first, second, third = world.ask(TXN, rows, [fits, too_large, b""])
        assert (first[:2], third[:2]) == ([True, 2], [True, 3])
        assert second == [None, 2, ["RequestTooLarge", "etcdserver: request is too large"]]
        nested = ["txn", [], [["put", b"d", 0], ["put", b"e", 0]], []]
        assert world.txn(nested, values=[fits, fits])[2][0] == "RequestTooLarge"
