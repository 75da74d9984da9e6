"""The SQLite log: what is acknowledged is there, whatever is killed; what is damaged is refused."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from log_writer import KEYS, value_of

from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.log import LogCorrupt, LogError, check_continuity
from store.memory_log import MemoryLog
from store.mvcc import Mvcc
from store.sqlite_log import SqliteLog
from store.transaction import DeleteRange, Put, Range, Txn

KILLS = 60 if os.environ.get("PODCHAIN_LONG") else 4
ALL = Range(b"\0", b"\0")


def written(log, mvcc, *txns):
    """Carry out transactions as one group commit."""
    before = mvcc.revision
    for operations in txns:
        mvcc.txn(Txn((), operations), "note", 1.5)
    log.append(mvcc.events_since(before), ())


def restored(log):
    content = log.load()
    mvcc = Mvcc()
    mvcc.restore(content.changes, content.leases, content.compacted_revision, 0.0)
    return mvcc


def fill(path):
    log, mvcc = SqliteLog(path), Mvcc()
    log.load()
    for i in range(50):
        written(log, mvcc, (Put(b"a", b"%d" % i * 50), Put(b"k%d" % i, os.urandom(100))))
    return log, mvcc


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_everything_is_there_again(kind, tmp_path):
    log = MemoryLog() if kind == "memory" else SqliteLog(tmp_path / "log")
    log.load()
    mvcc = Mvcc()
    written(log, mvcc, (Put(b"a", b"1"), Put(b"b", b"\xff\0")), (DeleteRange(b"a"),))
    written(log, mvcc, (Put(b"a", b""),))
    log.append((), [LeaseRecord(5, 60), LeaseRecord(6, 60), LeaseRecord(6, 0)])
    log.close()
    again = restored(log)
    assert again.events_since(0) == mvcc.events_since(0)
    assert again.revision == mvcc.revision
    assert again.lessor.ids() == [5]
    assert again.events_since(0)[0].note == "note"
    log.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_compaction_is_remembered_even_when_purging_was_cut_short(kind, tmp_path):
    log = MemoryLog() if kind == "memory" else SqliteLog(tmp_path / "log")
    log.load()
    mvcc = Mvcc()
    for i in range(20):
        written(log, mvcc, (Put(b"a", b"%d" % i),))
    mvcc.compact(15)
    log.compact(15, mvcc.purge(4))
    log.close()
    again = restored(log)
    assert again.compacted_revision == 15
    assert again.purge_pending
    assert again.range(Range(b"a", revision=15)).kvs == mvcc.range(Range(b"a", revision=15)).kvs
    log.compact(15, again.purge(100))
    assert not again.purge_pending
    log.close()
    assert [kv.mod_revision for kv in log.load().changes] == [15, 16, 17, 18, 19, 20, 21]
    log.close()


@pytest.mark.parametrize("step_bytes", [1, 2000, 1 << 20])
def test_batches_are_taken_apart_step_by_step(step_bytes, tmp_path, monkeypatch):
    """What compaction gives up goes, all else stays, and what is left for later is never older than what went."""
    monkeypatch.setattr("store.sqlite_format.TAKEN_APART_BYTES_MAX", step_bytes)
    monkeypatch.setattr("store.sqlite_format.BATCH_BYTES_MAX", 1500)
    log, mvcc, chance = SqliteLog(tmp_path / "log"), Mvcc(), random.Random(3)
    log.load()
    for _ in range(40):
        keys = [b"k%d" % chance.randrange(25) for _ in range(chance.choice([1, 2, 30]))]
        written(log, mvcc, *[(DeleteRange(key) if chance.random() < 0.3 else Put(key, key * 20),) for key in keys])
    calls = 0
    for revision in (mvcc.revision // 3, mvcc.revision // 3 * 2, mvcc.revision):
        mvcc.compact(revision)
        while mvcc.purge_pending:
            obsolete = mvcc.purge(50)
            while obsolete:
                left = log.compact(revision, obsolete)
                calls += 1
                log.close()
                positions = [kv.position for kv in log.load().changes]
                assert not set(positions) & (set(obsolete) - set(left))
                assert set(left) <= set(positions)
                assert not left or max(set(obsolete) - set(left)) < min(left)
                obsolete = left
        log.close()
        kept = [kv.position for kv in log.load().changes]
        assert kept == [kv.position for kv in mvcc.versions(0, mvcc.revision)]
    assert calls > 20 or step_bytes > 1
    log.close()


def test_the_revision_survives_when_every_key_is_gone(tmp_path):
    log, mvcc = SqliteLog(tmp_path / "log"), Mvcc()
    log.load()
    written(log, mvcc, (Put(b"a"),), (DeleteRange(b"a"),))
    mvcc.compact(3)
    log.compact(3, mvcc.purge(100))
    log.close()
    assert restored(log).revision == 3


def test_the_file_is_private(tmp_path):
    log, _ = fill(tmp_path / "log")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("log", "log-mark", "log-reserve", "log-wal"), 0o600
    )
    log.close()


def test_a_second_store_is_refused(tmp_path, monkeypatch):
    log, _ = fill(tmp_path / "log")
    monkeypatch.setattr("store.sqlite_log.LOCK_TIMEOUT_S", 0.05)
    with pytest.raises(LogError, match="locked"):
        SqliteLog(tmp_path / "log").load()
    log.close()


@pytest.mark.parametrize("again", [0, -2])  # an earlier one, and the first of the last commit
def test_a_failed_append_keeps_nothing(again, tmp_path):
    log, mvcc = fill(tmp_path / "log")
    old = mvcc.events_since(0)
    new = KeyValue(b"x", 52, 52, 1, 0, b"")
    with pytest.raises(LogError):
        log.append([old[again], new], [LeaseRecord(7, 60)])
    log.close()
    assert log.load().changes == old
    log.close()


def damaged(path: Path, damage) -> None:
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)


@pytest.mark.parametrize("what", ["header", "page", "truncated", "half"])
def test_a_damaged_file_is_refused(what, tmp_path):
    path = tmp_path / "log"
    log, _ = fill(path)
    log.close()
    damages = {
        "header": lambda content: content.__setitem__(slice(0, 16), b"something else.."),
        "page": lambda content: content.__setitem__(slice(8192, 8300), bytes(108)),
        "truncated": lambda content: content.__delitem__(slice(len(content) - 4096, None)),
        "half": lambda content: content.__delitem__(slice(len(content) // 2, None)),
    }
    damaged(path, damages[what])
    with pytest.raises(LogCorrupt, match=str(path)):
        SqliteLog(path).load()


def test_a_single_flipped_byte_in_a_value_is_noticed(tmp_path):
    path = tmp_path / "log"
    log, mvcc = fill(path)
    log.close()
    value = mvcc.get(b"k7").value

    def flip(content):
        content[content.index(value) + 3] ^= 1

    damaged(path, flip)
    with pytest.raises(LogCorrupt, match="revision 9 does not match its checksum"):
        SqliteLog(path).load()


def test_a_missing_change_is_noticed(tmp_path):
    path = tmp_path / "log"
    log, _ = fill(path)
    log.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM batch WHERE first = ?", (20 << 24,))
    with pytest.raises(LogCorrupt, match="changes are missing"):
        SqliteLog(path).load()


def test_another_format_is_refused(tmp_path):
    path = tmp_path / "log"
    log, _ = fill(path)
    log.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE property SET value = 99 WHERE name = 'format'")
    with pytest.raises(LogError, match="format 99"):
        SqliteLog(path).load()


def test_the_file_levels_off_under_endless_updates(tmp_path):
    log, mvcc = SqliteLog(tmp_path / "log"), Mvcc()
    log.load()
    sizes = []
    for i in range(60):
        written(log, mvcc, *[(Put(b"key%d" % (j % 10), b"x" * 1000),) for j in range(100)])
        mvcc.compact(mvcc.revision - 50)
        while mvcc.purge_pending:
            log.compact(mvcc.compacted_revision, mvcc.purge(1000))
        if i % 20 == 19:
            sizes.append(log._connection.execute("PRAGMA page_count").fetchone()[0])
    assert sizes[2] <= sizes[0] * 1.1
    assert len(mvcc.events_since(mvcc.revision - 51)) == 51
    log.close()


def check_what_a_kill_left(path: Path, acknowledged: int) -> None:
    log = SqliteLog(path)
    content = log.load()
    log.close()
    check_continuity(content)
    mvcc = Mvcc()
    mvcc.restore(content.changes, content.leases, content.compacted_revision, 0.0)
    assert mvcc.revision >= acknowledged
    shown = {kv.key: kv.value for kv in mvcc.range(ALL).kvs}
    for revision in range(2, mvcc.revision + 1):
        assert shown[b"second/%d" % revision] == value_of(revision)
    for revision in range(max(2, mvcc.revision - KEYS + 1), mvcc.revision + 1):
        assert shown[b"first/%d" % (revision % KEYS)] == value_of(revision)
    assert len(shown) == mvcc.revision - 1 + min(KEYS, mvcc.revision - 1)


def test_kill_9_under_load_loses_nothing_acknowledged(tmp_path):
    path = tmp_path / "log"
    chance = random.Random(7)
    acknowledged = 1
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("log_writer.py"), path], stdout=subprocess.PIPE
        )
        assert int(child.stdout.readline()) >= acknowledged
        time.sleep(chance.uniform(0.01, 0.25))
        child.kill()
        lines = child.stdout.read().split(b"\n")
        child.wait()
        child.stdout.close()
        complete = lines[:-1]
        acknowledged = int(complete[-1]) if complete else acknowledged
        check_what_a_kill_left(path, acknowledged)
    assert acknowledged > 20
