"""The disk is full at any statement of the log, for one statement or for long: nothing acknowledged is lost."""

import sqlite3

import pytest
from statement_points import connect_with

from broker.context import RequestFailed
from broker.simulation import Simulation
from store import sqlite_log
from store.actor import run
from store.protocol import ALARM, COMPACT, DEFRAGMENT, LEASE_GRANT, LEASE_REVOKE, RANGE, TXN
from store.sqlite_format import BATCH_BYTES_MAX
from store.sqlite_log import SqliteLog


class Disk:
    """Full from the n-th statement that writes on, for so many statements."""

    def __init__(self) -> None:
        self.statements = 0
        self.full_from = self.full_to = -1
        self.refused = 0
        self.connect = connect_with(self.at)

    def at(self, when: str, statement: str) -> None:
        if when == "after" or statement.startswith(("ROLLBACK", "PRAGMA wal_checkpoint")):
            return
        self.statements += 1
        if self.full_from <= self.statements < self.full_to:
            self.refused += 1
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


class Client:
    """Writes, and knows what was acknowledged."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.context = sim.context("client")
        self.shown: dict[bytes, bytes] = {}
        self.revision = 1

    def ask(self, method, body, blobs=()):
        try:
            return self.sim.run(self.context.request("store", method, body, list(blobs))).body
        except RequestFailed as failure:
            if failure.code not in ("NoSpace", "LeaseNotFound", "FutureRevision"):
                raise
            return None

    def put(self, key, value, lease=0):
        answer = self.ask(TXN, [[[], [["put", key, lease]], [], ""]], [value])
        if answer and answer[0][0]:
            self._written(answer[0][1])
            self.shown[key] = value

    def put_together(self, keys, value):
        """In one commit, which needs several rows if the value is large enough."""
        answer = self.ask(TXN, [[[], [["put", key, 0]], [], ""] for key in keys], [value] * len(keys))
        for key, (succeeded, revision, _) in zip(keys, answer, strict=True):
            if succeeded:
                self._written(revision)
                self.shown[key] = value

    def delete(self, key):
        answer = self.ask(TXN, [[[], [["delete", key, b""]], [], ""]])
        if answer and answer[0][0] and self.shown.pop(key, None) is not None:
            self._written(answer[0][1])

    def _written(self, revision):
        assert revision == self.revision + 1, "a gap or a repeat"
        self.revision = revision

    def work(self):
        for i in range(6):
            self.put(b"a%d" % (i % 3), b"%d" % i)
        for size in (1, BATCH_BYTES_MAX // 2 + 1):
            self.put_together([b"b0", b"b1"], bytes(size))
        granted = self.ask(LEASE_GRANT, {"id": 7, "ttl_s": 10_000})
        self.put(b"leased", b"1", 7 if granted else 0)
        self.delete(b"a1")
        self.ask(COMPACT, {"revision": max(2, self.revision - 2), "physical": False})
        self.sim.run_for(3.0)
        self.ask(DEFRAGMENT, None)
        for i in range(8):
            self.put(b"after%d" % i, b"1")
        if granted and self.ask(LEASE_REVOKE, {"id": 7}) and self.shown.pop(b"leased", None) is not None:
            self.revision += 1

    def check(self):
        revision, kvs, _, _ = self.ask(RANGE, {"key": b"\0", "range_end": b"\0"})
        assert revision == self.revision
        assert {kv[0] for kv in kvs} == set(self.shown)


def carry_out(tmp_path, monkeypatch, full_from, length):
    disk = Disk()
    monkeypatch.setattr(sqlite_log.sqlite3, "connect", disk.connect)
    log = SqliteLog(tmp_path / f"log-{full_from}-{length}", reserve_bytes=4096)
    sim = Simulation(seed=1)
    sim.spawn_actor("store", lambda ctx: run(ctx, log))
    client = Client(sim)
    client.check()
    loading = disk.statements
    disk.full_from, disk.full_to = loading + full_from, loading + full_from + length
    try:
        client.work()
        client.check()
        statements = disk.statements - loading
        disk.full_from = disk.full_to = -1
        client.ask(ALARM, {"raised": False})
        client.put(b"way out", b"1")
        assert b"way out" in client.shown
        client.check()
        sim.run_for(3.0)
        assert not sim.crashes
    finally:
        sim.close()
        monkeypatch.undo()
    log.close()
    content = log.load()
    log.close()
    assert content.revision == client.revision
    live = {}
    for kv in content.changes:
        live[kv.key] = kv
    assert {key: kv.value for key, kv in live.items() if kv.version} == client.shown
    assert not content.nospace
    return statements, disk.refused


@pytest.mark.parametrize("length", [1, 3, 1000])
def test_a_full_disk_at_each_statement(length, tmp_path, monkeypatch):
    statements, refused = carry_out(tmp_path, monkeypatch, 100_000, length)
    assert refused == 0
    assert statements > 40
    for full_from in range(1, statements + 1, 1 if length == 1 else 3):
        assert carry_out(tmp_path, monkeypatch, full_from, length)[1] >= 1
