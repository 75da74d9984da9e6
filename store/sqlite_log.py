"""The log in one SQLite file: write-ahead log, full sync, one SQLite transaction a group commit.

    change      position (revision << 24 | sub-revision), record (MessagePack), checksum (CRC-32 of both)
    lease       id, ttl_s
    property    name, value: "format" and "compacted"

The positions grow, so appending touches the last page only. Every row carries a checksum and revisions have no gaps,
so damage that SQLite itself doesn't notice is noticed at `load`. The file is locked for as long as it is open: a
second store on the same file is refused.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

import msgpack

from store.key_value import SUB_REVISION_BITS, KeyValue
from store.lease import LeaseRecord
from store.log import Log, LogContent, LogCorrupt, LogError, check_continuity

FORMAT: Final = 1
#: How long to wait for another process (the killed predecessor) to let go of the file.
LOCK_TIMEOUT_S: Final = 5.0
#: Pages of the write-ahead log that are copied back into the file at once (16 MB).
CHECKPOINT_PAGES: Final = 4000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS change (position INTEGER PRIMARY KEY, record BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY, ttl_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS property (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
_SUB_REVISION_MASK: Final = (1 << SUB_REVISION_BITS) - 1
#: SQLite's primary result codes for a file that isn't what it should be: SQLITE_CORRUPT and SQLITE_NOTADB.
_DAMAGE_CODES: Final = (11, 26)

Row = tuple[int, bytes, int]


class SqliteLog(Log):
    """A log in the file at `path`, created (readable by its owner alone) when it isn't there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._packer = msgpack.Packer(use_bin_type=True)

    def load(self) -> LogContent:
        """Open the file and read everything; see `Log.load`."""
        with self._errors("open"):
            database = self._open()
            self._check_format(database)
            (damage,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if damage != "ok":
                raise LogCorrupt(f"{self._path}: {damage}")
            compacted = database.execute("SELECT value FROM property WHERE name = 'compacted'").fetchone()
            content = LogContent(
                [self._read(row) for row in database.execute("SELECT * FROM change ORDER BY position")],
                [LeaseRecord(*row) for row in database.execute("SELECT id, ttl_s FROM lease ORDER BY id")],
                compacted[0] if compacted else -1,
            )
        try:
            check_continuity(content)
        except LogCorrupt as error:
            raise LogCorrupt(f"{self._path}: {error}") from error
        return content

    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        """One SQLite transaction and one sync for all of them."""
        rows = [self._row(kv) for kv in changes]
        with self._transaction() as database:
            if rows:
                database.executemany("INSERT INTO change VALUES (?, ?, ?)", rows)
            for lease in leases:
                if lease.ttl_s:
                    database.execute("INSERT OR REPLACE INTO lease VALUES (?, ?)", lease)
                else:
                    database.execute("DELETE FROM lease WHERE id = ?", (lease.id,))

    def compact(self, revision: int, obsolete: Sequence[int]) -> None:
        """One SQLite transaction; freed pages are used again, the file doesn't shrink."""
        with self._transaction() as database:
            database.execute("INSERT OR REPLACE INTO property VALUES ('compacted', ?)", (revision,))
            if obsolete:
                database.executemany("DELETE FROM change WHERE position = ?", [(position,) for position in obsolete])

    def size_bytes(self) -> int:
        """The file and its write-ahead log."""
        paths = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def close(self) -> None:
        """Close the file; what was appended is durable already."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            raise LogError(f"{self._path} is open already")
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        self._connection = database
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        database.execute("PRAGMA cell_size_check = ON")
        return database

    def _check_format(self, database: sqlite3.Connection) -> None:
        database.executescript(_SCHEMA)
        database.execute("INSERT OR IGNORE INTO property VALUES ('format', ?)", (FORMAT,))
        (version,) = database.execute("SELECT value FROM property WHERE name = 'format'").fetchone()
        if version != FORMAT:
            raise LogError(f"{self._path} has format {version}, this program reads {FORMAT}")
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _row(self, kv: KeyValue) -> Row:
        position = kv.position
        record: bytes = self._packer.pack(
            (kv.key, kv.create_revision, kv.version, kv.lease, kv.value, kv.note, kv.wall_s)
        )
        return position, record, crc32(record, position & 0xFFFFFFFF)

    def _read(self, row: Row) -> KeyValue:
        position, record, checksum = row
        if crc32(record, position & 0xFFFFFFFF) != checksum:
            raise LogCorrupt(
                f"{self._path}: the change at revision {position >> SUB_REVISION_BITS} does not match its checksum"
            )
        key, create_revision, version, lease, value, note, wall_s = msgpack.unpackb(record, raw=False)
        revision, sub_revision = position >> SUB_REVISION_BITS, position & _SUB_REVISION_MASK
        return KeyValue(key, create_revision, revision, version, lease, value, sub_revision, note, wall_s)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._connection
        if database is None:
            raise LogError(f"{self._path} is not loaded")
        with self._errors("write"):
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGE_CODES:
                raise LogCorrupt(f"{self._path} is damaged: {error}") from error
            raise LogError(f"cannot {doing} {self._path}: {error}") from error
        except OSError as error:
            raise LogError(f"cannot {doing} {self._path}: {error}") from error
