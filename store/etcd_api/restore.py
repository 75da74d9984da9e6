"""A snapshot of etcd's (a database file, by ``etcdctl snapshot save`` from a real etcd or from us) as the store's log.

Everything goes along: every version kept, leases, the compacted revision, the NOSPACE alarm. Users and members don't:
there are none here. The log appears whole or not at all, whenever this is killed.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from store.etcd_api import messages
from store.etcd_api.bolt_reader import BoltDamaged, BoltReader
from store.etcd_api.snapshot import NOSPACE
from store.key_value import SUB_REVISION_BITS, KeyValue
from store.lease import LeaseRecord
from store.log import LogContent, LogError, check_continuity
from store.sqlite_log import SqliteLog

_HASH_BYTES: Final = hashlib.sha256().digest_size
#: A database has whole sectors, so that a checksum behind it shows.
_SECTOR_BYTES: Final = 512
_REVISION: Final = struct.Struct(">qcq")
#: Changes that are written in one transaction.
CHUNK_CHANGES: Final = 5000
_BESIDE: Final = ("", "-wal", "-mark", "-reserve")


class SnapshotRefused(Exception):
    """The snapshot can't be restored; the message says why."""


def restore(snapshot: Path, data: Path, *, skip_hash_check: bool = False) -> LogContent:
    """Make the log at `data`, which must not exist yet, from a snapshot. Raises `SnapshotRefused`."""
    if data.exists():
        raise SnapshotRefused(f"{data} exists already: a snapshot is restored to where nothing is")
    try:
        content = read_snapshot(snapshot.read_bytes(), skip_hash_check=skip_hash_check)
        _write(content, data)
    except OSError as error:
        raise SnapshotRefused(f"cannot restore {snapshot}: {error}") from error
    except SnapshotRefused as error:
        raise SnapshotRefused(f"{snapshot}: {error}") from error
    return content


def read_snapshot(file: bytes, *, skip_hash_check: bool = False) -> LogContent:
    """What a snapshot holds. Raises `SnapshotRefused`.

    The check of the checksum at its end can be skipped for a database file that was copied, which has none.
    """
    database = memoryview(file)
    if len(file) % _SECTOR_BYTES == _HASH_BYTES:
        database, checksum = database[:-_HASH_BYTES], database[-_HASH_BYTES:]
        if not skip_hash_check and hashlib.sha256(database).digest() != checksum:
            raise SnapshotRefused("the file is damaged: it does not match the checksum at its end")
    elif not skip_hash_check:
        raise SnapshotRefused(
            "there is no checksum at its end: it is cut off, or a copy that snapshot save did not make"
        )
    try:
        reader = BoltReader(database)
        for bucket in (b"key", b"meta", b"lease"):
            if bucket not in reader:
                raise SnapshotRefused(f"it is no database of etcd's: there is no bucket {bucket.decode()!r}")
        content = LogContent(
            list(_changes(reader)),
            [_lease(value) for _, value in reader.items(b"lease")],
            _compacted(reader),
            any(messages.AlarmMember.FromString(key).alarm == NOSPACE for key, _ in reader.items(b"alarm")),
        )
        check_continuity(content)
    except (BoltDamaged, LogError, DecodeError, struct.error) as error:
        raise SnapshotRefused(f"the file is damaged: {error}") from error
    return content


def _changes(reader: BoltReader) -> Iterator[KeyValue]:
    for name, record in reader.items(b"key"):
        revision, separator, sub_revision = _REVISION.unpack_from(name)
        is_tombstone = name[_REVISION.size :] == b"t"
        if separator != b"_" or revision < 1 or not 0 <= sub_revision < 1 << SUB_REVISION_BITS:
            raise SnapshotRefused(f"the file is damaged: {name!r} is no revision")
        kv = messages.KeyValue.FromString(record)
        if is_tombstone:
            yield KeyValue(kv.key, 0, revision, 0, 0, b"", sub_revision)
            continue
        if kv.mod_revision != revision or kv.version < 1 or not 0 < kv.create_revision <= revision:
            raise SnapshotRefused(f"the file is damaged: revision {revision} holds a version that it can't hold")
        yield KeyValue(kv.key, kv.create_revision, revision, kv.version, kv.lease, kv.value, sub_revision)


def _lease(record: bytes) -> LeaseRecord:
    lease = messages.Lease.FromString(record)
    return LeaseRecord(lease.ID, lease.TTL)


def _compacted(reader: BoltReader) -> int:
    """The compacted revision; one whose compaction was under way counts, too."""
    meta = dict(reader.items(b"meta"))
    found = [meta[name] for name in (b"scheduledCompactRev", b"finishedCompactRev") if name in meta]
    return max((_REVISION.unpack_from(value)[0] for value in found), default=-1)


def _write(content: LogContent, data: Path) -> None:
    """Build the log beside its place, then put it there."""
    building = data.with_name(f"{data.name}-restoring")
    data.parent.mkdir(parents=True, exist_ok=True)
    for path in (building, data):  # what a killed restore, or a log that was removed, left behind
        for suffix in _BESIDE:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    log = SqliteLog(building, reserve_bytes=0)
    try:
        log.load()
        for start in range(0, len(content.changes), CHUNK_CHANGES):
            log.append(content.changes[start : start + CHUNK_CHANGES], ())
        log.append((), content.leases)
        if content.compacted_revision > 0:
            log.compact(content.compacted_revision, ())
        if content.nospace:
            log.set_nospace(True)
        log.close()  # brings its write-ahead log into the file
        log.load()
    except LogError as error:
        raise SnapshotRefused(str(error)) from error
    finally:
        log.close()
    building.with_name(f"{building.name}-mark").unlink()
    fd = os.open(building, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    building.replace(data)
    directory = os.open(data.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
