"""The store actor over a real etcd: the same protocol as the one with a log of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from live_world import LiveWorld, eventually

from broker.context import RequestFailed
from store.etcd_backend.actor import run
from store.etcd_backend.config import EtcdConfig
from store.etcd_backend.note import NOTE_KEY
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


class World(LiveWorld):
    """A store actor over an etcd, a client, and a subscriber of the log."""

    def __init__(self, directory, etcd, **credentials):
        super().__init__(directory)
        self.config = EtcdConfig(tuple(etcd.endpoints), **credentials)
        self.client = self.context("client")
        self.publications: list[tuple[Any, list[bytes]]] = []
        self.client.subscribe(LOG_TOPIC, lambda pub: self.publications.append((pub.body, pub.blobs)))
        self.base = 0

    async def start(self, name="store"):
        self.spawn(name, lambda ctx: run(ctx, self.config))
        self.base = (await self.ask(STATUS, target=name)).body["revision"]
        await eventually(lambda: any(body[2] >= self.base for body, _ in self.publications))

    async def ask(self, method, body=None, blobs=(), target="store", **options):
        return await self.client.request(target, method, body, blobs, **options)

    async def txn(self, *rows, values=()):
        reply = await self.ask(TXN, list(rows), list(values))
        return reply.body, reply.blobs

    async def put(self, key, value=b"v", lease=0):
        body, _ = await self.txn([[], [["put", key, lease]], [], "n"], values=[value])
        return body[0][1]

    def told(self):
        """Every event published, once."""
        events = {}
        for body, blobs in self.publications:
            for event, blob in zip(body[1], blobs, strict=True):
                events[event[3], event[1]] = (event, blob)
        return [events[place] for place in sorted(events)]


def creation(key):
    return [[[key, "mod", "=", 0]], [["put", key, 0]], [["range", key, b"", 0]], "op#1"]


@pytest.fixture
def live(socket_directory, etcd):
    def play(script: Callable[[World], Awaitable[None]]) -> None:
        async def main() -> None:
            world = World(socket_directory, etcd)
            try:
                await world.start()
                await script(world)
            finally:
                await world.close()

        asyncio.run(main())

    return play


def test_transactions_answer_and_publish(live):
    async def script(world):
        rows = [creation(b"a"), creation(b"b"), creation(b"a")]
        body, blobs = await world.txn(*rows, values=[b"1", b"2", b"3"])
        first, second, third = body
        assert sorted([first[1], second[1]]) == [world.base + 1, world.base + 2]
        assert first[0] is second[0] is True
        assert first[2] == second[2] == [["put"]]
        a = [b"a", first[1], first[1], 1, 0]
        assert (third[0], third[2], blobs) == (False, [["range", [a], False, 1]], [b"1"])
        await eventually(lambda: len(world.told()) == 2)
        told = {event[1]: (event, blob) for event, blob in world.told()}
        assert told[b"a"][0][:7] == [0, b"a", first[1], first[1], 1, 0, "op#1"]
        assert told[b"a"][1] == b"1"
        assert abs(told[b"a"][0][7] - world.client.wall_s()) < 60

    live(script)


def test_publications_make_a_chain_with_progress_marks(live):
    async def script(world):
        for i in range(20):
            await world.put(b"k%d" % i)
        await eventually(lambda: len(world.told()) == 20)
        count = len(world.publications)
        await eventually(lambda: len(world.publications) >= count + 2, 5)
        position = None
        for (prev, events, through), _ in world.publications:
            assert position in (None, prev)
            assert all(prev < event[3] <= through for event in events)
            position = through
        assert position == world.base + 20
        assert world.publications[-1][0] == [position, [], position]

    live(script)


def test_a_batch_is_carried_out_in_order_where_order_can_be_seen(live):
    async def script(world):
        rows = [[[], [["put", b"k", 0, {"prev_kv": True}]], [], ""] for _ in range(30)]
        body, blobs = await world.txn(*rows, values=[b"%d" % i for i in range(30)])
        assert blobs == [b"%d" % i for i in range(29)]
        rows = [creation(b"x"), [[], [["range", b"a", b"z", 0]], [], ""], [[], [["delete", b"a", b"z"]], [], ""]]
        body, _ = await world.txn(*rows, creation(b"x"), values=[b"", b""])
        assert [row[0] for row in body] == [True] * 4
        assert [len(body[1][2][0][1]), body[2][2]] == [2, [["delete", 2]]]

    live(script)


def test_a_transaction_that_changes_nothing_makes_no_revision(live):
    async def script(world):
        nested = ["txn", [[b"q", "version", "=", 0]], [["delete", b"r", b""]], [["put", b"q", 0]]]
        rows = [
            [[], [["delete", b"absent", b""]], [], "n"],
            [[], [nested, ["delete", b"x", b"z"]], [], "n"],
            [[], [["range", b"a", b"", 0]], [], "n"],
        ]
        body, _ = await world.txn(*rows, values=[b""])
        assert [row[1] for row in body] == [world.base] * 3
        await world.put(b"y")
        body, _ = await world.txn(rows[1], values=[b""])
        assert body[0][1:] == [world.base + 2, [["txn", True, 0, [["delete", 0]]], ["delete", 1]]]
        await eventually(lambda: len(world.told()) == 2)
        event, _ = world.told()[-1]
        assert event[:7] == [1, b"y", 0, world.base + 2, 0, 0, "n"]

    live(script)


def test_the_notes_are_never_seen(live):
    async def script(world):
        for key in (b"/a", NOTE_KEY + b"1", b"/z"):
            await world.put(key)
        everything = {"key": b"\0", "range_end": b"\0"}
        for limit, keys, more in [(0, 3, False), (1, 1, True), (2, 2, True), (3, 3, False), (4, 3, False)]:
            reply = await world.ask(RANGE, {**everything, "limit": limit})
            assert [reply.body[0], len(reply.body[1]), reply.body[2], reply.body[3]] == [world.base + 3, keys, more, 3]
        assert (await world.ask(RANGE, {**everything, "count_only": True})).body[3] == 3
        assert (await world.ask(STATUS)).body["keys"] in (0, 3)
        with pytest.raises(RequestFailed, match="reserved"):
            await world.put(NOTE_KEY)
        row = [[], [["range", b"\0", b"\0", 0], ["delete", b"\0", b"\0", True], ["range", b"/", b"0", 0]], [], "gone"]
        body, blobs = await world.txn(row)
        (_, kvs, _, count), (_, deleted, previous), (_, rest, _, none) = body[0][2]
        assert (len(kvs), count, deleted, len(previous), rest, none) == (3, 3, 3, 3, [], 0)
        assert len(blobs) == 6
        await eventually(lambda: len(world.told()) == 6)
        assert {event[6] for event, _ in world.told()[3:]} == {"gone"}
        watched = await world.ask(WATCH, {"since": world.base, "prev_kv": True})
        assert [len(watched.body[1]), sum(kv is not None for kv in watched.body[3])] == [6, 3]

    live(script)


def test_reading_at_revisions_and_errors(live):
    async def script(world):
        base = world.base
        for i in range(5):
            await world.put(b"p/%d" % i, b"%d" % i)
        reply = await world.ask(RANGE, {"key": b"p/", "range_end": b"p0", "revision": base + 3, "limit": 2})
        kvs = [[b"p/0", base + 1, base + 1, 1, 0], [b"p/1", base + 2, base + 2, 1, 0]]
        assert (reply.body, reply.blobs) == ([base + 5, kvs, True, 3], [b"0", b"1"])
        question = {"key": b"p/", "range_end": b"p0", "sort_target": "mod", "sort_order": "descend"}
        assert (await world.ask(RANGE, question)).blobs == [b"4", b"3", b"2", b"1", b"0"]
        watched = await world.ask(WATCH, {"since": base + 3})
        assert ([event[3] for event in watched.body[1]], watched.blobs) == ([base + 4, base + 5], [b"3", b"4"])
        assert (await world.ask(WATCH, {"since": base + 5})).body == [base + 5, [], base + 5]
        assert (await world.ask(HASH, {"revision": 0})).body["revision"] == base + 5
        for since, code in [(base + 6, "FutureRevision"), (-3, "Compacted")]:
            with pytest.raises(RequestFailed, match=code):
                await world.ask(WATCH, {"since": since})
        with pytest.raises(RequestFailed, match="FutureRevision: etcdserver: mvcc: required revision is a future"):
            await world.ask(RANGE, {"key": b"p", "revision": base + 99})

    live(script)


@pytest.mark.parametrize(
    ("method", "body", "blobs"),
    [
        (TXN, None, []),
        (TXN, [[]], []),
        (TXN, [[[], [["put", b"a", 0]], [], ""]], []),
        (TXN, [creation(b"fine"), [[], [["put", b"a", 0], ["put", b"a", 0]], [], ""]], [b"", b"", b""]),
        (TXN, [[[[b"a", "value", "=", 1]], [], [], ""]], []),
        (RANGE, {"key": b""}, []),
        (RANGE, [1], []),
        (WATCH, {"since": "1"}, []),
        (COMPACT, None, []),
        (LEASE_GRANT, {"id": 2**64 - 1, "ttl_s": 3}, []),
        (LEASE_TTL, {"id": True}, []),
    ],
)
def test_bad_requests_are_refused_and_change_nothing(live, method, body, blobs):
    async def script(world):
        with pytest.raises(RequestFailed, match="InvalidArgument"):
            await world.ask(method, body, blobs)
        assert (await world.ask(STATUS)).body["revision"] == world.base

    live(script)


def test_one_refused_transaction_does_not_stop_its_batch(live):
    async def script(world):
        rows = [creation(b"a"), [[], [["put", b"b", 77]], [], ""], creation(b"c")]
        body, _ = await world.txn(*rows, values=[b"", b"", b""])
        assert body[1][0] is None
        assert body[1][2] == ["LeaseNotFound", "etcdserver: requested lease not found"]
        assert [body[0][0], body[2][0]] == [True, True]

    live(script)


def test_a_repeated_request_is_carried_out_once(live):
    async def script(world):
        row = [[], [["put", b"k", 0]], [], ""]
        for _ in range(3):
            await world.ask(TXN, [row], [b""], request_id="the-same")
        assert (await world.ask(STATUS)).body["revision"] == world.base + 1

    live(script)


def test_compaction(live):
    async def script(world):
        base = world.base
        for i in range(20):
            await world.put(b"k", b"%d" % i)
        with pytest.raises(RequestFailed, match="FutureRevision"):
            await world.ask(COMPACT, {"revision": base + 99})
        await world.ask(COMPACT, {"revision": base + 15, "physical": True})
        for method, body in [
            (COMPACT, {"revision": base + 15}),
            (WATCH, {"since": base + 13}),
            (RANGE, {"key": b"k", "revision": base + 14}),
        ]:
            with pytest.raises(RequestFailed, match="Compacted: etcdserver: mvcc: required revision has been compact"):
                await world.ask(method, body)
        assert len((await world.ask(WATCH, {"since": base + 15})).body[1]) == 5
        assert (await world.ask(STATUS)).body["compacted"] == base + 15
        await world.stop("store")
        await world.start()
        assert (await world.ask(STATUS)).body["compacted"] == base + 15

    live(script)


def test_a_compaction_by_others_is_noticed(live, etcd):
    async def script(world):
        for i in range(5):
            await world.put(b"k", b"%d" % i)
        etcd.ctl("compaction", str(world.base + 3))
        assert (await world.ask(STATUS)).body["compacted"] == world.base + 3
        with pytest.raises(RequestFailed, match="Compacted"):
            await world.ask(WATCH, {"since": world.base + 2})

    live(script)


def test_leases(live):
    async def script(world):
        granted = (await world.ask(LEASE_GRANT, {"id": 0, "ttl_s": 60})).body
        lease = granted["id"]
        assert granted["ttl_s"] == 60
        for key in (b"a", b"b"):
            await world.put(key, b"", lease)
        with pytest.raises(RequestFailed, match="LeaseExists"):
            await world.ask(LEASE_GRANT, {"id": lease, "ttl_s": 50})
        assert (await world.ask(LEASE_KEEPALIVE, {"id": lease})).body == {"ttl_s": 60, "revision": world.base + 2}
        left = (await world.ask(LEASE_TTL, {"id": lease})).body
        assert (left["granted_ttl_s"], left["keys"], 50 < left["ttl_s"] <= 60) == (60, [b"a", b"b"], True)
        assert (await world.ask(LEASES)).body["ids"] == [lease]
        assert (await world.ask(LEASE_REVOKE, {"id": lease})).body == {"revision": world.base + 3}
        await eventually(lambda: len(world.told()) == 4)
        assert [event[:4] for event, _ in world.told()[2:]] == [
            [1, b"a", 0, world.base + 3],
            [1, b"b", 0, world.base + 3],
        ]
        with pytest.raises(RequestFailed, match="LeaseNotFound"):
            await world.ask(LEASE_KEEPALIVE, {"id": lease})
        with pytest.raises(RequestFailed, match="LeaseNotFound"):
            await world.ask(LEASE_TTL, {"id": lease})

    live(script)


def test_two_copies_serve_the_same_etcd(live):
    async def script(world):
        await world.start("store-2")

        async def write(copy, i):
            row = creation(b"k%d" % i)
            return (await world.ask(TXN, [row], [b"%d" % copy], target=("store", "store-2")[copy])).body[0]

        answers = await asyncio.gather(*(write(copy, i) for i in range(50) for copy in (0, 1)))
        won = [answer[1] for answer in answers if answer[0]]
        assert sorted(won) == list(range(world.base + 1, world.base + 51))
        await eventually(lambda: len(world.told()) == 50)
        for (prev, events, through), _ in world.publications:
            revisions = sorted({event[3] for event in events})
            if prev < through:
                assert revisions == list(range(prev + 1, through + 1))

    live(script)
