"""What is in the tables of the SQLite log: rows with checksums, so that damage SQLite doesn't notice is noticed.

    change      position (revision << 24 | sub-revision), record (MessagePack), checksum
    lease       id, ttl_s, checksum
    property    name, value, checksum: "format", "compacted", "nospace", and "sequence", which counts the commits that
                wrote something else than changes

A checksum is a CRC-32 of all other columns of its row.
"""

from __future__ import annotations

import sqlite3
import struct
from typing import Final
from zlib import crc32

import msgpack

from store.key_value import SUB_REVISION_BITS, KeyValue
from store.lease import LeaseRecord
from store.log import LogContent, LogCorrupt

FORMAT: Final = 2

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS change (position INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY, ttl_s INTEGER NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS property (name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL);
"""
#: What the first format lacked: checksums of leases and properties, and a change's covered half of its position.
_UPGRADE: Final = """
ALTER TABLE lease ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE property ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
"""
_SUB_REVISION_MASK: Final = (1 << SUB_REVISION_BITS) - 1
_POSITION: Final = struct.Struct(">q")
_PAIR: Final = struct.Struct(">qq")

_packer: Final = msgpack.Packer(use_bin_type=True)

Row = tuple[int, bytes, int]


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
    elif version != FORMAT:
        raise UnknownFormat(f"has format {version}, this program reads {FORMAT}")


def _upgrade(database: sqlite3.Connection) -> None:
    """From the first format, in one transaction."""
    database.executescript(f"BEGIN IMMEDIATE; {_UPGRADE}")
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
    changes = [read_change(row) for row in database.execute("SELECT * FROM change ORDER BY position")]
    content = LogContent(changes, leases, properties.get("compacted", -1), bool(properties.get("nospace")))
    return content, properties.get("sequence", 0)
