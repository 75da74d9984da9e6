"""What is in the tables of the SQLite log: rows with checksums, so that damage SQLite doesn't notice is noticed.

    batch       the changes of a commit: position (revision << 24 | sub-revision) of the first and of the last of
                them, record (MessagePack), checksum
    change      a change on its own: position, record, checksum
    lease       id, ttl_s, checksum
    property    name, value, checksum: "format", "compacted", "nospace", and "sequence", which counts the commits that
                wrote something else than changes

A checksum is a CRC-32 of all other columns of its row.

A commit of several changes is one row, since a row costs as much as all else that is done for a change, and rows of a
kilobyte leave a third of their pages empty. When compaction gives up one of a batch's changes, the batch is taken apart
and what stays of it becomes rows of `change`, which are given up one by one: so a change is moved once at the most.
"""

from __future__ import annotations

import operator
import sqlite3
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import Final
from zlib import crc32

import msgpack

from store.key_value import SUB_REVISION_BITS, KeyValue
from store.lease import LeaseRecord
from store.log import LogContent, LogCorrupt

FORMAT: Final = 3
#: A commit with more bytes is cut into several batches.
BATCH_BYTES_MAX: Final = 1024 * 1024
#: Having looked at so many positions, or taken so many bytes of batches apart, `forget` leaves the rest to a further
#: call (10 to 40 ms).
FORGOTTEN_MAX: Final = 1000
TAKEN_APART_BYTES_MAX: Final = 1024 * 1024
#: Deleting so many bytes of batches takes as long as taking one apart.
DELETED_FOR_TAKEN_APART: Final = 16
#: What the head of a MessagePack array has at the most.
ARRAY_HEAD_BYTES: Final = 5

_BATCH: Final = """
CREATE TABLE IF NOT EXISTS batch (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, record BLOB NOT NULL, checksum INTEGER NOT NULL
);
"""
_SCHEMA: Final = f"""
{_BATCH}
CREATE TABLE IF NOT EXISTS change (position INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY, ttl_s INTEGER NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS property (name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL);
"""
#: What the first format lacked: checksums of leases and properties, and a change's covered half of its position.
_UPGRADE: Final = """
ALTER TABLE lease ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE property ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
"""
_INSERT_CHANGE: Final = "INSERT INTO change VALUES (?, ?, ?)"
_INSERT_BATCH: Final = "INSERT INTO batch VALUES (?, ?, ?, ?)"
_BATCH_BEFORE: Final = """
SELECT first, last, substr(record, 1, ?), length(record) FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1
"""
_SUB_REVISION_MASK: Final = (1 << SUB_REVISION_BITS) - 1
_POSITION: Final = struct.Struct(">q")
_PAIR: Final = struct.Struct(">qq")

_position_of: Final = operator.attrgetter("position")
_packer: Final = msgpack.Packer(use_bin_type=True)

Row = tuple[int, bytes, int]
BatchRow = tuple[int, int, bytes, int]


class UnknownFormat(Exception):
    """The file was written by another release."""


def change_row(kv: KeyValue) -> Row:
    """A change as its table keeps it."""
    key, create_revision, mod_revision, version, lease, value, sub_revision, note, wall_s = kv
    position = mod_revision << SUB_REVISION_BITS | sub_revision
    record: bytes = _packer.pack((key, create_revision, version, lease, value, note, wall_s))
    return position, record, crc32(record, crc32(_POSITION.pack(position)))


def read_change(row: Row) -> KeyValue:
    """A row's change. Raises `LogCorrupt`."""
    position, record, checksum = row
    revision, sub_revision = position >> SUB_REVISION_BITS, position & _SUB_REVISION_MASK
    if crc32(record, crc32(_POSITION.pack(position))) != checksum:
        raise LogCorrupt(f"the change at revision {revision} does not match its checksum")
    key, create_revision, version, lease, value, note, wall_s = msgpack.unpackb(record, raw=False)
    return KeyValue(key, create_revision, revision, version, lease, value, sub_revision, note, wall_s)


def batch_rows(changes: Sequence[KeyValue]) -> list[BatchRow]:
    """The changes of a commit as their table keeps them: one row, or more if they are many bytes."""
    record: bytes = _packer.pack(changes)
    if len(record) > BATCH_BYTES_MAX and len(changes) > 1:
        half = len(changes) // 2
        return batch_rows(changes[:half]) + batch_rows(changes[half:])
    first, last = changes[0].position, changes[-1].position
    return [(first, last, record, crc32(record, crc32(_PAIR.pack(first, last))))]


def read_batch(row: BatchRow) -> list[KeyValue]:
    """A row's changes. Raises `LogCorrupt`."""
    first, last, record, checksum = row
    if crc32(record, crc32(_PAIR.pack(first, last))) != checksum:
        raise LogCorrupt(f"the commit that begins at revision {first >> SUB_REVISION_BITS} does not match its checksum")
    return list(map(KeyValue._make, msgpack.unpackb(record, raw=False)))


def insertions(changes: Sequence[KeyValue]) -> list[tuple[str, Row | BatchRow]]:
    """The statements, each with its row, that put the changes of a commit into their table."""
    if len(changes) == 1:
        return [(_INSERT_CHANGE, change_row(changes[0]))]
    return [(_INSERT_BATCH, row) for row in batch_rows(changes)] if changes else []


def forget(database: sqlite3.Connection, obsolete: Sequence[int]) -> list[int]:
    """Remove the changes at these positions; answers those that are left to a further call.

    What is left is later than all that was removed: of a key's versions the older always go first, or a version whose
    tombstone is gone could come back to life.
    """
    positions = sorted(obsolete)
    alone: list[int] = []
    at = taken_apart_bytes = 0
    while at < min(len(positions), FORGOTTEN_MAX) and taken_apart_bytes < TAKEN_APART_BYTES_MAX:
        position = positions[at]
        found = database.execute(_BATCH_BEFORE, (ARRAY_HEAD_BYTES, position)).fetchone()
        first, last, head, size = found or (-1, -1, b"", 0)
        if position <= last:
            end = bisect_right(positions, last, at)
            if end - at == _array_length(head):  # nothing of it stays: it need not be read
                database.execute("DELETE FROM batch WHERE first = ?", (first,))
                taken_apart_bytes += size // DELETED_FOR_TAKEN_APART
            else:
                taken_apart_bytes += _take_apart(database, first, set(positions[at:end]))
        else:
            (following,) = database.execute("SELECT min(first) FROM batch WHERE first > ?", (position,)).fetchone()
            end = len(positions) if following is None else bisect_left(positions, following, at)
            end = min(end, max(at + 1, FORGOTTEN_MAX))
            alone += positions[at:end]
        at = end
    database.executemany("DELETE FROM change WHERE position = ?", [(position,) for position in alone])
    return positions[at:]


def _array_length(head: bytes) -> int:
    """Of a MessagePack array, from its first bytes; -1 for something else."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(head)
    try:
        length: int = unpacker.read_array_header()
    except (ValueError, msgpack.OutOfData):
        return -1
    return length


def _take_apart(database: sqlite3.Connection, first: int, obsolete: set[int]) -> int:
    """Make what stays of a batch changes on their own; answers how many bytes it had."""
    row = database.execute("SELECT * FROM batch WHERE first = ?", (first,)).fetchone()
    kept = [change_row(kv) for kv in read_batch(row) if kv.position not in obsolete]
    database.execute("DELETE FROM batch WHERE first = ?", (first,))  # first, for its pages
    database.executemany(_INSERT_CHANGE, kept)
    return len(row[2])


def lease_row(lease: LeaseRecord) -> tuple[int, int, int]:
    """A lease as its table keeps it."""
    return lease.id, lease.ttl_s, crc32(_PAIR.pack(lease.id, lease.ttl_s))


def property_row(name: str, value: int) -> tuple[str, int, int]:
    """A property as its table keeps it."""
    return name, value, crc32(f"{name}={value}".encode())


def prepare(database: sqlite3.Connection) -> None:
    """Make the tables if there are none, and bring an older format up to date. Raises `UnknownFormat`, `LogCorrupt`."""
    if database.execute("SELECT name FROM sqlite_master WHERE name = 'property'").fetchone() is None:
        database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
        database.execute("INSERT INTO property VALUES (?, ?, ?)", property_row("format", FORMAT))
        database.execute("COMMIT")
    found = database.execute("SELECT value FROM property WHERE name = 'format'").fetchone()
    version = found[0] if found else None
    if version == 1:
        _upgrade(database)
    elif version == 2:  # had no batches
        database.executescript(f"BEGIN IMMEDIATE; {_BATCH}")
        database.execute("INSERT OR REPLACE INTO property VALUES (?, ?, ?)", property_row("format", FORMAT))
        database.execute("COMMIT")
    elif version != FORMAT:
        raise UnknownFormat(f"has format {version}, this program reads {FORMAT}")


def _upgrade(database: sqlite3.Connection) -> None:
    """From the first format, in one transaction."""
    database.executescript(f"BEGIN IMMEDIATE; {_UPGRADE} {_BATCH}")
    for position, record, checksum in database.execute("SELECT * FROM change ORDER BY position").fetchall():
        if crc32(record, position & 0xFFFFFFFF) != checksum:
            revision = position >> SUB_REVISION_BITS
            raise LogCorrupt(f"the change at revision {revision} does not match its checksum")
        renewed = crc32(record, crc32(_POSITION.pack(position)))
        database.execute("UPDATE change SET checksum = ? WHERE position = ?", (renewed, position))
    for lease in database.execute("SELECT id, ttl_s FROM lease").fetchall():
        database.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", lease_row(LeaseRecord(*lease)))
    for name, value in database.execute("SELECT name, value FROM property").fetchall():
        row = property_row(name, FORMAT if name == "format" else value)
        database.execute("INSERT OR REPLACE INTO property VALUES (?, ?, ?)", row)
    database.execute("COMMIT")


def read_content(database: sqlite3.Connection) -> tuple[LogContent, int]:
    """Everything in the tables, and the sequence. Raises `LogCorrupt`, or whatever damaged rows lead to."""
    properties: dict[str, int] = {}
    for row in database.execute("SELECT name, value, checksum FROM property"):
        if property_row(*row[:2]) != row:
            raise LogCorrupt(f"the property {row[0]!r} does not match its checksum")
        properties[row[0]] = row[1]
    leases = []
    for row in database.execute("SELECT id, ttl_s, checksum FROM lease ORDER BY id"):
        if lease_row(LeaseRecord(*row[:2])) != row:
            raise LogCorrupt(f"the lease {row[0]} does not match its checksum")
        leases.append(LeaseRecord(*row[:2]))
    changes = _read_changes(database)
    content = LogContent(changes, leases, properties.get("compacted", -1), bool(properties.get("nospace")))
    return content, properties.get("sequence", 0)


def _read_changes(database: sqlite3.Connection) -> list[KeyValue]:
    changes = [read_change(row) for row in database.execute("SELECT * FROM change ORDER BY position")]
    for row in database.execute("SELECT * FROM batch ORDER BY first"):
        changes += read_batch(row)
    changes.sort(key=_position_of)
    positions = list(map(_position_of, changes))
    if any(map(operator.eq, positions, islice(positions, 1, None))):
        raise LogCorrupt("a change is there twice")
    return changes
