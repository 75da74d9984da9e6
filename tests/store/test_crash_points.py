"""kill -9 before and after every statement of every step: what was acknowledged is there, nothing else is half there.

A step is one call of the log. Whoever is killed inside it leaves what was there before it, or after it.
"""

import os
import pathlib
import shutil
import signal
import sqlite3

import pytest
from statement_points import connect_with

from store.lease import LeaseRecord
from store.log import LogContent
from store.memory_log import MemoryLog
from store.mvcc import Mvcc
from store.sqlite_log import SqliteLog
from store.transaction import DeleteRange, Put, Txn

LONG = bool(os.environ.get("PODCHAIN_LONG"))


def steps():
    """Each is called with a log; together a life: commits, leases, compaction, purging, alarm, defragmentation."""
    mvcc = Mvcc()
    calls = [lambda log: log.load()]

    def commit(*operations, leases=()):
        before = mvcc.revision
        for op in operations:
            mvcc.txn(Txn((), (op,)), "note", 1.0)
        changes = mvcc.events_since(before)
        calls.append(lambda log: log.append(changes, leases))

    for i in range(4):
        commit(Put(b"a", b"%d" % i * 2000), Put(b"b%d" % i, b"x"), leases=[LeaseRecord(i + 1, 60)])
    commit(DeleteRange(b"b1"), leases=[LeaseRecord(2, 0)])
    mvcc.compact(8)
    calls.append(lambda log: log.compact(8, ()))
    while mvcc.purge_pending:
        obsolete = mvcc.purge(3)
        calls.append(lambda log, obsolete=obsolete: log.compact(8, obsolete))
    calls.append(lambda log: log.set_nospace(True))
    commit(DeleteRange(b"b0"))
    calls.append(lambda log: log.defragment(2))
    calls.append(lambda log: log.defragment(1000))
    calls.append(lambda log: log.set_nospace(False))
    calls.append(lambda log: log.refill_reserve())
    commit(Put(b"a", b"after"), Put(b"c", b"y" * 9000))
    calls += [lambda log: log.close(), lambda log: log.load()]
    commit(Put(b"d", b"z"))
    calls.append(lambda log: log.close())
    return calls


def expected() -> list[LogContent]:
    """What is there after so many steps."""
    log = MemoryLog()
    found = [log.load()]
    for step in steps():
        step(log)
        found.append(log.load())
    return found


class Kill:
    """Counts points, and dies at one of them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.points = 0

    def __call__(self, when: str, what: str) -> None:
        self.points += 1
        if self.points == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def live_until_killed(path, kill: Kill, monkeypatch) -> int:
    """A child lives through the steps. Answers how many it acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(sqlite3, "connect", connect_with(kill))
            log = SqliteLog(path, reserve_bytes=8192)
            for step in steps():
                step(log)
                os.write(writing, b".")
        finally:
            os._exit(1)
    os.close(writing)
    acknowledged = b""
    while piece := os.read(reading, 100):
        acknowledged += piece
    os.close(reading)
    os.waitpid(child, 0)
    return len(acknowledged)


def test_a_kill_at_each_statement(tmp_path, monkeypatch):
    wanted = expected()
    kill = Kill(-1)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect_with(kill))
        log = SqliteLog(tmp_path / "whole", reserve_bytes=8192)
        for step in steps():
            step(log)
    assert kill.points > 150
    killed_in = set()
    # After one statement is before the next: only one of the two unless there is time.
    for at in [*range(1, kill.points, 1 if LONG else 2), kill.points]:
        path = tmp_path / "log"
        acknowledged = live_until_killed(path, Kill(at), monkeypatch)
        assert acknowledged < len(wanted) - 1
        killed_in.add(acknowledged)
        log = SqliteLog(path, reserve_bytes=0)
        found = log.load()
        log.close()
        assert found in (wanted[acknowledged], wanted[acknowledged + 1]), f"killed at point {at}"
        for name in ("log", "log-wal", "log-mark", "log-reserve"):
            (tmp_path / name).unlink(missing_ok=True)
    # Every step that gives SQLite something to do was hit.
    assert len(killed_in) > 15


def test_a_commit_that_is_torn_anywhere_never_happened(tmp_path):
    """What a kill inside COMMIT, or the machine's crash, leaves: a write-ahead log that ends somewhere in it."""
    log, mvcc = SqliteLog(tmp_path / "log", reserve_bytes=0), Mvcc()
    log.load()

    def commit(*operations):
        before = mvcc.revision
        mvcc.txn(Txn((), operations))
        log.append(mvcc.events_since(before), ())

    for i in range(3):
        commit(Put(b"a", b"%d" % i), Put(b"b", b"x" * 5000))
    before = tmp_path / "before"
    before.mkdir()
    for name in ("log", "log-wal", "log-mark"):
        shutil.copyfile(tmp_path / name, before / name)
    old = mvcc.events_since(0)
    commit(Put(b"a", b"torn"), Put(b"b", b"y" * 9000), Put(b"c"))
    torn = (tmp_path / "log-wal").read_bytes()
    log.close()
    start = (before / "log-wal").stat().st_size
    assert len(torn) > start + 3 * 4096
    outcomes = []
    for end in [*range(start, len(torn), 97), len(torn)]:
        place = tmp_path / "torn"
        shutil.copytree(before, place)
        (place / "log-wal").write_bytes(torn[:end])
        again = SqliteLog(place / "log", reserve_bytes=0)
        found = again.load().changes
        again.close()
        shutil.rmtree(place)
        assert found in (old, mvcc.events_since(0))
        outcomes.append(len(found))
    assert outcomes[:-1] == [len(old)] * (len(outcomes) - 1)
    assert outcomes[-1] == len(old) + 3


def test_a_kill_at_each_step_of_a_restore(tmp_path, monkeypatch):
    pytest.importorskip("google.protobuf", reason="protobuf is not installed (extra: etcd)")
    import hashlib

    from store.etcd_api.restore import read_snapshot, restore
    from store.etcd_api.snapshot import snapshot_file

    mvcc = Mvcc()
    mvcc.txn(Txn((), tuple(Put(b"k%d" % i, b"x" * 500) for i in range(30))))
    mvcc.txn(Txn((), (Put(b"k1", b"y"),)))
    versions = [(kv.position, kv[:5], kv.value) for kv in mvcc.versions(0, mvcc.revision)]
    content = bytes(snapshot_file(versions, 2, {5: 60}))
    snapshot, data = tmp_path / "snapshot", tmp_path / "log"
    snapshot.write_bytes(content + hashlib.sha256(content).digest())
    wanted = read_snapshot(snapshot.read_bytes())
    assert (len(wanted.changes), len(wanted.leases), wanted.compacted_revision) == (31, 1, 2)

    def hook_files(patch, kill):
        for owner, name in [(pathlib.Path, "replace"), (pathlib.Path, "unlink"), (os, "fsync"), (os, "open")]:
            original = getattr(owner, name)

            def hooked(*arguments, original=original, name=name, **options):
                kill("before", name)
                result = original(*arguments, **options)
                kill("after", name)
                return result

            patch.setattr(owner, name, hooked)

    def child_restores(at):
        """Whether the restore came to its end, and how many points it passed."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                kill = Kill(at)
                monkeypatch.setattr(sqlite3, "connect", connect_with(kill))
                hook_files(monkeypatch, kill)
                restore(snapshot, data)
                os.write(writing, b"%d" % kill.points)
            finally:
                os._exit(0)
        os.close(writing)
        points = os.read(reading, 100)
        os.close(reading)
        os.waitpid(child, 0)
        return int(points or 0)

    def whole():
        log = SqliteLog(data, reserve_bytes=0)
        found = log.load()
        log.close()
        return found == wanted

    points = child_restores(-1)
    assert points > 60
    appeared = 0
    for at in range(1, points + 1, 1 if LONG else 3):
        for path in tmp_path.glob("log*"):
            if "restoring" not in path.name:  # what an earlier kill left there must not matter
                path.unlink()
        assert not child_restores(at)
        if data.exists():
            appeared += 1
        else:
            assert child_restores(-1), "a restore after a killed one"
        assert whole()
    assert 0 < appeared < points / 6
