"""Whatever is damaged in a store's files: it is refused, or what is read is what was written. Never anything else."""

import os
import random
import shutil
import sqlite3
import struct
from pathlib import Path
from zlib import crc32

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.high_water import HighWater, Mark
from store.lease import LeaseRecord
from store.log import LogContent, LogCorrupt, LogError
from store.mvcc import Mvcc
from store.sqlite_log import SqliteLog
from store.transaction import DeleteRange, Put, Txn

EXAMPLES = 20_000 if os.environ.get("PODCHAIN_LONG") else 150
FILES = ("log", "log-wal", "log-mark")


def copied(source: Path, target: Path) -> Path:
    """Copies of the files as they are now, as a kill -9 at this moment would leave them."""
    target.mkdir()
    for name in FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    return target


class Pristine(tuple):
    """Short to print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "pristine"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """Directories by name, and what is in them: one killed with a full write-ahead log, one closed in peace."""
    directory = tmp_path_factory.mktemp("pristine")
    log, mvcc, chance = SqliteLog(directory / "log", reserve_bytes=0), Mvcc(), random.Random(5)
    log.load()
    for i in range(150):
        before = mvcc.revision
        mvcc.txn(Txn((), (Put(b"a%d" % (i % 7), chance.randbytes(chance.randrange(400))), Put(b"b%d" % i, b"x" * 90))))
        if i % 10 == 3:
            mvcc.txn(Txn((), (DeleteRange(b"b%d" % (i - 2)),)))
        leases = [LeaseRecord(i, 60 + i)] if i % 4 == 0 else [LeaseRecord(i - 1, 0)] if i % 8 == 1 else []
        log.append(mvcc.events_since(before), leases)
        if i % 40 == 39:
            mvcc.compact(mvcc.revision - 20)
            log.compact(mvcc.compacted_revision, mvcc.purge(1000))
        if i == 80:
            log._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    killed = copied(directory, directory / "killed")
    log.close()
    closed = copied(directory, directory / "closed")
    contents = []
    for path in (killed, closed):
        again = SqliteLog(copied(path, directory / f"{path.name}-again") / "log", reserve_bytes=0)
        contents.append(again.load())
        again.close()
    assert contents[0] == contents[1]
    assert len(contents[0].changes) > 150
    assert len(contents[0].leases) > 10
    assert (killed / "log-wal").stat().st_size > 400_000
    assert not (closed / "log-wal").exists()
    return Pristine((directory, contents[0]))


@st.composite
def damages(draw):
    kind = draw(st.sampled_from(["flip", "zeros", "noise", "truncate", "repeat page", "swap pages", "old page"]))
    return kind, draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 255)), draw(st.integers(1, 5000))


def damage(path: Path, how) -> None:
    kind, where, bits, length = how
    content = bytearray(path.read_bytes())
    place = int(where * len(content))
    page, pages = place // 4096 * 4096, len(content) // 4096
    if kind == "flip":
        content[place] ^= bits
    elif kind == "zeros":
        content[place : place + length] = bytes(len(content[place : place + length]))
    elif kind == "noise":
        content[place : place + length] = random.Random(bits).randbytes(len(content[place : place + length]))
    elif kind == "truncate":
        del content[place:]
    elif pages:
        other = (length % pages) * 4096
        mine, theirs = content[page : page + 4096], content[other : other + 4096]
        if kind == "repeat page":
            content[other : other + len(mine)] = mine
        elif kind == "swap pages" and len(mine) == len(theirs):
            content[page : page + 4096], content[other : other + 4096] = theirs, mine
        elif kind == "old page":
            content[page : page + len(mine)] = bytes(len(mine))
    path.write_bytes(content)


def check(pristine, name: str, file: str, how, scratch: Path) -> str:
    directory, content = pristine
    shutil.rmtree(scratch, ignore_errors=True)
    copied(directory / name, scratch)
    damage(scratch / file, how)
    log = SqliteLog(scratch / "log", reserve_bytes=0)
    try:
        found = log.load()
    except LogError as error:
        if str(scratch / "log") not in str(error):
            pytest.fail(f"the message doesn't say which file: {error}")
        return "refused"
    finally:
        log.close()
    if found != content:
        pytest.fail(f"something was read that was never written: {name}/{file} {how}")
    return "harmless"


@given(how=damages(), case=st.sampled_from([("killed", "log"), ("killed", "log-wal"), ("closed", "log")]))
@settings(max_examples=EXAMPLES, deadline=None)
def test_damage_is_refused_or_harmless(pristine, how, case):
    check(pristine, *case, how, pristine[0] / "scratch")


def test_a_cut_write_ahead_log_is_refused_wherever_it_is_cut(pristine):
    """SQLite itself takes it for a log whose last commits never happened."""
    size = (pristine[0] / "killed" / "log-wal").stat().st_size
    refused = [
        check(pristine, "killed", "log-wal", ("truncate", where / 60, 0, 0), pristine[0] / "scratch") == "refused"
        for where in range(60)
    ]
    assert size > 400_000
    # Only what an earlier round of the write-ahead log left behind its end may go.
    assert all(refused[: refused.index(False) if False in refused else 60])
    assert sum(refused) > 30


def test_the_damaged_write_ahead_log_is_kept(pristine, tmp_path):
    """SQLite would delete it, and with it what might be saved."""
    copied(pristine[0] / "killed", tmp_path / "copy")
    damage(tmp_path / "copy" / "log-wal", ("flip", 0.01, 255, 0))
    damaged = (tmp_path / "copy" / "log-wal").read_bytes()
    for _ in range(2):
        with pytest.raises(LogCorrupt):
            SqliteLog(tmp_path / "copy" / "log", reserve_bytes=0).load()
        assert (tmp_path / "copy" / "log-wal-refused").read_bytes() == damaged


def test_a_lost_write_ahead_log_is_refused(pristine, tmp_path):
    copied(pristine[0] / "killed", tmp_path / "copy")
    (tmp_path / "copy" / "log-wal").unlink()
    with pytest.raises(LogError, match=r"was acknowledged|damaged|missing"):
        SqliteLog(tmp_path / "copy" / "log", reserve_bytes=0).load()


@pytest.mark.parametrize("place", range(28))
def test_a_damaged_mark_is_refused(pristine, place, tmp_path):
    copied(pristine[0] / "closed", tmp_path / "copy")
    damage(tmp_path / "copy" / "log-mark", ("flip", place / 28 + 0.001, 64, 0))
    with pytest.raises(LogCorrupt, match="log-mark"):
        SqliteLog(tmp_path / "copy" / "log", reserve_bytes=0).load()


def test_a_mark_that_was_never_written_back_is_none(tmp_path):
    (tmp_path / "mark").write_bytes(bytes(28))
    mark = HighWater(tmp_path / "mark")
    assert mark.read() == Mark(0, 0)
    mark.write(Mark(7, 2))
    assert mark.read() == Mark(7, 2)
    mark.close()


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_file_is_brought_up_to_date(version, tmp_path):
    """Format 1 had no checksums on leases and properties, formats 1 and 2 a row for each change."""
    mvcc = Mvcc()
    for i in range(400):
        mvcc.txn(Txn((), (Put(b"k%d" % i, b"v"), Put(b"l%d" % (i % 9), b"w"))))
    old = LogContent(mvcc.events_since(0), [LeaseRecord(7, 60)], 300)
    make_older(old, version, tmp_path / "log")
    log = SqliteLog(tmp_path / "log", reserve_bytes=0)
    assert log.load() == old
    mvcc.compact(300)
    log.compact(300, mvcc.purge(1000))
    mvcc.txn(Txn((), (Put(b"k1", b"new"), Put(b"k2", b"new"))))
    log.append(mvcc.events_since(401), ())
    log.close()
    assert log.load().changes == mvcc.versions(0, mvcc.revision)
    log.close()


def make_older(content: LogContent, version: int, target: Path) -> None:
    """A file as an older release wrote it."""
    database = sqlite3.connect(target)
    checksum = ", checksum INTEGER NOT NULL" if version > 1 else ""
    database.executescript(
        "CREATE TABLE change (position INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);"
        f"CREATE TABLE lease (id INTEGER PRIMARY KEY, ttl_s INTEGER NOT NULL{checksum});"
        f"CREATE TABLE property (name TEXT PRIMARY KEY, value INTEGER NOT NULL{checksum});"
    )
    for kv in content.changes:
        record = msgpack.packb((kv.key, kv.create_revision, kv.version, kv.lease, kv.value, kv.note, kv.wall_s))
        covered = crc32(struct.pack(">q", kv.position)) if version > 1 else kv.position & 0xFFFFFFFF
        database.execute("INSERT INTO change VALUES (?, ?, ?)", (kv.position, record, crc32(record, covered)))
    for lease in content.leases:
        covered = (crc32(struct.pack(">qq", *lease)),) if version > 1 else ()
        database.execute("INSERT INTO lease VALUES (?, ?" + ", ?" * len(covered) + ")", (*lease, *covered))
    for name, value in (("format", version), ("compacted", content.compacted_revision)):
        covered = (crc32(f"{name}={value}".encode()),) if version > 1 else ()
        database.execute("INSERT INTO property VALUES (?, ?" + ", ?" * len(covered) + ")", (name, value, *covered))
    database.commit()
    database.close()
