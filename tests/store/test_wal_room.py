"""Room in the write-ahead log: commits don't make the file longer, nothing is lost by it, a full disk does without."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from store import wal_room
from store.key_value import KeyValue
from store.sqlite_log import SqliteLog


def change(revision: int) -> KeyValue:
    return KeyValue(b"k%d" % revision, revision, revision, 1, 0, b"x" * 300)


def killed(path, place):
    """What a kill -9 now would leave."""
    place.mkdir()
    for name in ("log", "log-wal", "log-mark"):
        shutil.copy(path / name, place / name)
    return SqliteLog(place / "log", reserve_bytes=0, wal_room=True)


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(wal_room, "PIECE_BYTES", 256 * 1024)


def test_commits_find_room_and_a_killed_log_is_read_to_its_end(tmp_path, small_pieces):
    log = SqliteLog(tmp_path / "log", reserve_bytes=0, wal_room=True)
    log.load()
    wal = tmp_path / "log-wal"
    sizes = []
    for revision in range(2, 202):
        log.append([change(revision)], [])
        sizes.append(wal.stat().st_size)
    assert sizes[0] > wal_room.PIECE_BYTES
    assert 2 <= len(set(sizes)) <= 8  # 200 commits of at least a page
    again = killed(tmp_path, tmp_path / "copy")
    assert [kv.mod_revision for kv in again.load().changes] == list(range(2, 202))
    again.append([change(202)], [])
    third = killed(tmp_path / "copy", tmp_path / "third")
    assert [kv.mod_revision for kv in third.load().changes] == list(range(2, 203))
    for each in (log, again, third):
        each.close()


def test_the_room_grows_no_further_than_the_log_itself(tmp_path):
    path = tmp_path / "wal"
    path.write_bytes(b"x" * 1000)
    room = wal_room.WalRoom(path, 1000)
    room.extend()
    assert path.stat().st_size == 1000


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_does_without(tmp_path, monkeypatch, small_pieces, code):
    pwrite = os.pwrite

    def refuse(fd: int, content: bytes, at: int) -> int:
        if len(content) == wal_room.PIECE_BYTES:
            pwrite(fd, content[:1000], at)
            raise OSError(code, "no room")
        return pwrite(fd, content, at)

    monkeypatch.setattr(os, "pwrite", refuse)
    log = SqliteLog(tmp_path / "log", reserve_bytes=0, wal_room=True)
    log.load()
    assert (tmp_path / "log-wal").stat().st_size < wal_room.PIECE_BYTES
    for revision in range(2, 20):
        log.append([change(revision)], [])
    again = killed(tmp_path, tmp_path / "copy")
    assert [kv.mod_revision for kv in again.load().changes] == list(range(2, 20))
    log.close()
    again.close()
