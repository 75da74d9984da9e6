"""The store actor in simulation: its protocol, its publications, crashes, loss, leases, compaction."""

import asyncio
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.context import RequestFailed
from broker.faults import RandomFaults
from broker.simulation import Simulation
from store.actor import COMMIT_HALF_MIN, run
from store.memory_log import MemoryLog
from store.protocol import (
    COMPACT,
    HASH,
    LEASE_GRANT,
    LEASE_KEEPALIVE,
    LEASE_REVOKE,
    LEASE_TTL,
    LEASES,
    LOG_TOPIC,
    RANGE,
    STATUS,
    TXN,
    WATCH,
)
from store.retention import HistoryLimits
from store.transaction import NOTE_CHARS_MAX


class World:
    """A simulation with a store, a client, and a subscriber that follows the log as the API server does."""

    def __init__(self, seed=1, faults=None, history=None):
        self.log = MemoryLog()
        self.sim = Simulation(seed=seed, faults=faults)
        self.sim.spawn_actor("store", lambda ctx: run(ctx, self.log, history or HistoryLimits()))
        self.client = self.sim.context("client")
        self.publications = []
        self.client.subscribe(LOG_TOPIC, lambda pub: self.publications.append((pub.body, pub.blobs)))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.sim.close()

    def ask(self, method, body=None, blobs=(), **options):
        return self.sim.run(self.client.request("store", method, body, blobs, **options))

    def txn(self, *rows, values=()):
        reply = self.ask(TXN, list(rows), list(values))
        return reply.body, reply.blobs

    def put(self, key, value=b"v", lease=0):
        return self.txn([[], [["put", key, lease]], [], "n"], values=[value])[0][0][1]


def creation(key):
    return [[[key, "mod", "=", 0]], [["put", key, 0]], [["range", key, b"", 0]], "op#1"]


def test_transactions_answer_and_publish():
    with World() as world:
        body, blobs = world.txn(creation(b"a"), creation(b"b"), creation(b"a"), values=[b"1", b"2", b"3"])
        assert body == [
            [True, 2, [["put"]]],
            [True, 3, [["put"]]],
            [False, 3, [["range", [[b"a", 2, 2, 1, 0]], False, 1]]],
        ]
        assert blobs == [b"1"]
        world.sim.run_for(0.1)
        (first, _), (body, blobs) = world.publications
        assert first == [1, [], 1]
        assert [event[:7] for event in body[1]] == [[0, b"a", 2, 2, 1, 0, "op#1"], [0, b"b", 3, 3, 1, 0, "op#1"]]
        assert (body[0], body[2], blobs) == (1, 3, [b"1", b"2"])
        assert world.log.commits == 1


@pytest.mark.parametrize(
    ("sizes", "commits"),
    [
        ([1] * (2 * COMMIT_HALF_MIN - 1), [2 * COMMIT_HALF_MIN - 1]),
        ([1] * 2 * COMMIT_HALF_MIN, [COMMIT_HALF_MIN, COMMIT_HALF_MIN]),
        ([1] * 200, [100, 100]),
        ([COMMIT_HALF_MIN - 1] * 2, [2 * COMMIT_HALF_MIN - 2]),
        ([COMMIT_HALF_MIN] * 2, [COMMIT_HALF_MIN, COMMIT_HALF_MIN]),
        ([4 * COMMIT_HALF_MIN], [4 * COMMIT_HALF_MIN]),
        ([1, 100], [101]),
        ([100, 1], [101]),
        ([40, 1, 40], [40, 41]),
        ([1] * 40 + [60], [40, 60]),
    ],
)
def test_waiting_requests_share_one_commit_or_two_when_they_are_many(sizes, commits):
    """`sizes`: transactions of each request; `commits`: of each commit."""
    with World() as world:
        world.sim.run_for(0.1)
        # In simulation messages arrive one by one: let the commit wait as if the socket still had some.
        world.sim.context("store").after_drain = lambda commit: world.sim.loop.call_later(0.01, commit)

        async def ask(number, size):
            txns = [creation(b"%d-%d" % (number, place)) for place in range(size)]
            return await world.client.request("store", TXN, txns, [b""] * size)

        async def together():
            return await asyncio.gather(*(ask(number, size) for number, size in enumerate(sizes)))

        replies = world.sim.run(together())
        assert sorted(answer[1] for reply in replies for answer in reply.body) == list(range(2, sum(sizes) + 2))
        assert world.log.commits == len(commits)
        world.sim.run_for(0.1)
        ends = accumulate(commits, initial=1)
        assert [(body[0], body[2]) for body, _ in world.publications if body[1]] == list(pairwise(ends))


def test_idle_store_publishes_progress_marks():
    with World() as world:
        world.put(b"a")
        world.sim.run_for(3.5)
        marks = [body for body, _ in world.publications if not body[1]]
        assert marks[-3:] == [[2, [], 2]] * 3


def test_large_commits_are_published_in_pieces_between_revisions(monkeypatch):
    monkeypatch.setattr("store.actor.PUBLISHED_EVENTS_MAX", 5)
    monkeypatch.setattr("store.reads.PUBLISHED_EVENTS_MAX", 5)
    with World() as world:
        rows = [
            [[], [["put", b"%d/%d" % (i, j), 0] for j in range(size)], [], ""] for i, size in enumerate([2, 2, 2, 7, 1])
        ]
        world.txn(*rows, values=[b""] * 14)
        world.sim.run_for(0.1)
        pieces = [(body[0], [event[3] for event in body[1]], body[2]) for body, _ in world.publications if body[1]]
        assert pieces == [(1, [2, 2, 3, 3], 3), (3, [4, 4], 4), (4, [5] * 7, 5), (5, [6], 6)]
        reply = world.ask(WATCH, {"since": 3})
        assert (reply.body[0], [event[3] for event in reply.body[1]], reply.body[2]) == (3, [4, 4], 4)


def test_reading():
    with World() as world:
        for i in range(5):
            world.put(b"p/%d" % i, b"%d" % i)
        reply = world.ask(RANGE, {"key": b"p/", "range_end": b"p0", "revision": 4, "limit": 2})
        assert reply.body == [6, [[b"p/0", 2, 2, 1, 0], [b"p/1", 3, 3, 1, 0]], True, 3]
        assert reply.blobs == [b"0", b"1"]
        reply = world.ask(RANGE, {"key": b"p/", "range_end": b"p0", "sort_target": "mod", "sort_order": "descend"})
        assert reply.blobs == [b"4", b"3", b"2", b"1", b"0"]
        watched = world.ask(WATCH, {"since": 4})
        assert ([event[3] for event in watched.body[1]], watched.blobs) == ([5, 6], [b"3", b"4"])
        assert world.ask(WATCH, {"since": 6}).body == [6, [], 6]
        status = world.ask(STATUS).body
        assert (status["revision"], status["compacted"], status["keys"], status["bytes"]) == (6, 0, 5, 20)
        assert world.ask(HASH, {"revision": 0}).body["revision"] == 6
        for since, code in [(7, "FutureRevision"), (-3, "Compacted")]:
            with pytest.raises(RequestFailed, match=code):
                world.ask(WATCH, {"since": since})


def test_all_of_etcd_over_the_wire():
    with World() as world:
        world.put(b"a", b"1")
        nested = ["txn", [[b"a", "value", "=", b"1", b"z"]], [["put", b"b", 0]], []]
        row = [
            [],
            [["put", b"a", 0, {"prev_kv": True}], nested, ["range", b"a", b"\0", 0, {"keys_only": True}],
             ["delete", b"x", b"z", True]],
            [],
            "",
        ]  # fmt: skip
        body, blobs = world.txn(row, values=[b"2", b"3"])
        assert body == [[True, 3, [
            ["put", [b"a", 2, 2, 1, 0]],
            ["txn", True, 0, [["put"]]],
            ["range", [[b"a", 2, 3, 2, 0], [b"b", 3, 3, 1, 0]], False, 2],
            ["delete", 0, []],
        ]]]  # fmt: skip
        assert blobs == [b"1", b"", b""]


@pytest.mark.parametrize(
    ("method", "body", "blobs"),
    [
        (TXN, None, []),
        (TXN, {"a": 1}, []),
        (TXN, [[]], []),
        (TXN, [[[], [], []]], []),
        (TXN, [[[], [["put", b"a", 0]], [], ""]], []),
        (TXN, [[[], [["put", b"a", 0]], [], ""]], [b"", b""]),
        (TXN, [[[], [["put", "text", 0]], [], ""]], [b""]),
        (TXN, [[[], [["put", b"", 0]], [], ""]], [b""]),
        (TXN, [[[], [["put", b"a", 0], ["put", b"a", 0]], [], ""]], [b"", b""]),
        (TXN, [[[], [["put", b"a", 0, {"nonsense": True}]], [], ""]], [b""]),
        (TXN, [[[], [["explode"]], [], ""]], []),
        (TXN, [[[], [["range", b"a", b"", 0, {"limit": 1, "x": 2}]], [], ""]], []),
        (TXN, [[[[b"a", "mod", "~", 1]], [], [], ""]], []),
        (TXN, [[[[b"a", "value", "=", 1]], [], [], ""]], []),
        (TXN, [[[[b"a", [], "=", 1]], [], [], ""]], []),
        (RANGE, {"key": "a"}, []),
        (RANGE, {"key": b""}, []),
        (RANGE, [1], []),
        (RANGE, {"key": b"a", "sort_order": "sideways"}, []),
        (WATCH, {}, []),
        (WATCH, {"since": "1"}, []),
        (COMPACT, None, []),
        (LEASE_GRANT, {"id": 2**64 - 1, "ttl_s": 3}, []),
        (LEASE_TTL, {"id": True}, []),
    ],
)
def test_bad_requests_are_refused_and_change_nothing(method, body, blobs):
    with World() as world:
        with pytest.raises(RequestFailed, match="InvalidArgument"):
            world.ask(method, body, blobs)
        assert world.ask(STATUS).body["revision"] == 1
        assert not world.sim.crashes


def test_deeply_nested_transactions_are_refused():
    nested = ["txn", [], [], []]
    for _ in range(100):
        nested = ["txn", [], [nested], []]
    with World() as world, pytest.raises(RequestFailed, match="nested deeper"):
        world.ask(TXN, [[[], [nested], [], ""]])


@pytest.mark.parametrize("operations", [[["put", b"a", 0]], [["put", b"a", 0], ["put", b"b", 0]]])
def test_notes_are_short(operations):
    values = [b""] * len(operations)
    with World() as world:
        world.ask(TXN, [[[], operations, [], "n" * NOTE_CHARS_MAX]], values)
        with pytest.raises(RequestFailed, match="a note is text of up to"):
            world.ask(TXN, [[[], operations, [], "n" * (NOTE_CHARS_MAX + 1)]], values)


def test_one_refused_transaction_does_not_stop_its_batch():
    with World() as world:
        rows = [creation(b"a"), [[], [["put", b"b", 77]], [], ""], creation(b"c")]
        body, _ = world.txn(*rows, values=[b"", b"", b""])
        assert body[1] == [None, 2, ["LeaseNotFound", "etcdserver: requested lease not found"]]
        assert [row[1] for row in body] == [2, 2, 3]


def test_a_repeated_request_is_carried_out_once():
    with World(faults=RandomFaults(duplicate=1.0, delay_max_s=0.3)) as world:
        for i in range(10):
            world.put(b"k", b"%d" % i)
        world.sim.run_for(5)
        assert world.ask(STATUS).body["revision"] == 11


def test_a_repeat_with_an_answer_too_large_for_the_fabric_to_keep_is_carried_out_once():
    with World(faults=RandomFaults(duplicate=1.0, delay_max_s=0.3)) as world:
        world.put(b"large", b"x" * 10_000)
        for _ in range(5):
            row = [[], [["put", b"k", 0], ["range", b"large", b"", 0]], [], ""]
            assert world.txn(row, values=[b""])[1] == [b"x" * 10_000]
        world.sim.run_for(5)
        assert world.ask(STATUS).body["revision"] == 7


def test_compaction():
    with World() as world:
        for i in range(20):
            world.put(b"k", b"%d" % i)
        with pytest.raises(RequestFailed, match="FutureRevision"):
            world.ask(COMPACT, {"revision": 99})
        world.ask(COMPACT, {"revision": 15})
        with pytest.raises(RequestFailed, match="Compacted"):
            world.ask(COMPACT, {"revision": 15})
        with pytest.raises(RequestFailed, match="Compacted: etcdserver: mvcc: required revision has been compacted"):
            world.ask(WATCH, {"since": 13})
        assert len(world.ask(WATCH, {"since": 14}).body[1]) == 7
        world.sim.run_for(1)
        assert len(world.log.load().changes) == 7
        world.sim.crash("store")
        assert world.ask(STATUS).body["compacted"] == 15


def test_automatic_compaction_bounds_the_history():
    with World(history=HistoryLimits(revisions=100)) as world:
        for i in range(400):
            world.put(b"k%d" % (i % 3), b"x")
        world.sim.run_for(11)
        status = world.ask(STATUS).body
        assert 300 <= status["compacted"] <= 301
        assert len(world.log.load().changes) <= 104
        assert world.ask(RANGE, {"key": b"k0"}).blobs == [b"x"]


def test_a_large_history_is_compacted_too():
    with World(history=HistoryLimits(revisions=100, bytes=50_000)) as world:
        for _ in range(95):
            world.put(b"k", b"x" * 1000)
        world.sim.run_for(20)
        assert world.ask(STATUS).body["history_bytes"] <= 50_000


def test_leases_expire_in_one_transaction():
    with World() as world:
        granted = world.ask(LEASE_GRANT, {"id": 0, "ttl_s": 5}).body
        assert granted["ttl_s"] == 5
        lease = granted["id"]
        for key in (b"a", b"b"):
            world.put(key, b"", lease)
        world.sim.run_for(3)
        assert world.ask(LEASE_KEEPALIVE, {"id": lease}).body == {"ttl_s": 5, "revision": 3}
        world.sim.run_for(4)
        left = world.ask(LEASE_TTL, {"id": lease}).body
        assert (left["granted_ttl_s"], left["keys"], left["ttl_s"] <= 1) == (5, [b"a", b"b"], True)
        world.sim.run_for(2)
        events = world.ask(WATCH, {"since": 3}).body[1]
        assert [event[:4] for event in events] == [[1, b"a", 0, 4], [1, b"b", 0, 4]]
        assert events[0][6] == f"lease {lease:x} expired"
        assert world.ask(LEASES).body["ids"] == []
        with pytest.raises(RequestFailed, match="LeaseNotFound"):
            world.ask(LEASE_KEEPALIVE, {"id": lease})


def test_leases_survive_a_crash_and_can_be_revoked():
    with World() as world:
        world.ask(LEASE_GRANT, {"id": 7, "ttl_s": 50})
        with pytest.raises(RequestFailed, match="LeaseExists"):
            world.ask(LEASE_GRANT, {"id": 7, "ttl_s": 50})
        world.put(b"a", b"", 7)
        world.sim.crash("store")
        assert world.ask(LEASE_TTL, {"id": 7}).body["keys"] == [b"a"]
        assert world.ask(LEASE_REVOKE, {"id": 7}).body == {"revision": 3}
        assert world.ask(RANGE, {"key": b"a"}).body[3] == 0
        world.sim.crash("store")
        assert world.ask(LEASES).body["ids"] == []


@pytest.mark.parametrize("where", ["before commit", "after commit"])
def test_a_crash_around_the_commit_acknowledges_nothing(where):
    """The write's outcome is unknown; its repeat carries a precondition and so is harmless."""
    with World() as world:
        world.sim.run_for(0.1)
        world.log.crash_next = where
        body, blobs = world.txn(creation(b"a"), values=[b"1"])
        assert len(world.sim.crashes) == 1
        assert body[0][0] is (where == "before commit")
        assert blobs == ([] if where == "before commit" else [b"1"])
        assert world.ask(STATUS).body["revision"] == 2


def follow(world):
    """Put the received publications together by the revision chain, asking for what was missed."""
    position, events = 1, []
    for (prev, rows, through), blobs in [*world.publications, ([2**62, [], 2**62], [])]:
        if through <= position:
            continue
        while prev > position:
            reply = world.ask(WATCH, {"since": position})
            events += [(row[3], row[1], blob) for row, blob in zip(reply.body[1], reply.blobs, strict=True)]
            if reply.body[2] == position:
                break
            position = reply.body[2]
        if rows:
            fresh = [(row[3], row[1], blob) for row, blob in zip(rows, blobs, strict=True) if row[3] > position]
            events += fresh
            position = max(position, through)
    return events


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), crashes=st.lists(st.floats(0.01, 4.0), max_size=3))
def test_nothing_acknowledged_is_lost_and_the_log_can_be_followed(seed, crashes):
    faults = RandomFaults(drop=0.2, duplicate=0.15, delay=0.15)
    with World(seed=seed, faults=faults) as world:
        acknowledged = {}

        async def write(writer):
            for i in range(8):
                key = b"%d/%d" % (writer, i)
                reply = await world.client.request("store", TXN, [creation(key)], [key], timeout_s=300.0)
                succeeded, revision, answers = reply.body[0]
                acknowledged[key] = revision if succeeded else answers[0][1][0][2]

        async def all_writers():
            await asyncio.gather(*(write(writer) for writer in range(5)))

        for at_s in crashes:
            world.sim.loop.call_later(at_s, world.sim.crash, "store")
        world.sim.run(all_writers())
        world.sim.run_for(5)
        world.sim.set_faults(None)
        stored = {kv.key: kv.mod_revision for kv in world.log.load().changes}
        assert stored == acknowledged
        assert sorted(acknowledged.values()) == list(range(2, 42))
        assert follow(world) == sorted((revision, key, key) for key, revision in acknowledged.items())


def test_the_same_seed_gives_the_same_messages():
    def trace():
        with World(seed=5, faults=RandomFaults(drop=0.2, duplicate=0.2, delay=0.2)) as world:
            for i in range(20):
                world.put(b"%d" % i)
            return world.sim.trace_hash

    assert trace() == trace()
