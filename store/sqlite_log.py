"""The log in one SQLite file: write-ahead log, full sync, one SQLite transaction a group commit.

    FILE            the database; its tables are in `store.sqlite_format`
    FILE-wal        SQLite's write-ahead log
    FILE-mark       how far the log was acknowledged (`store.high_water`)
    FILE-reserve    space for the day the disk is full (`store.reserve`)

The positions grow, so appending touches the last page only. Every row carries a checksum, revisions have no gaps and
the end is marked, so damage that SQLite itself doesn't notice is noticed at `load`. The file is locked for as long as
it is open: a second store on the same file is refused.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from store.high_water import HighWater, Mark
from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.log import Log, LogContent, LogCorrupt, LogError, LogFull, LogSizes, check_continuity
from store.reserve import Reserve
from store.sqlite_format import UnknownFormat, forget, insertions, lease_row, prepare, property_row, read_content
from store.wal_room import WalRoom

#: How long to wait for another process (the killed predecessor) to let go of the file.
LOCK_TIMEOUT_S: Final = 5.0
#: Pages of the write-ahead log that are copied back into the file at once (16 MB).
CHECKPOINT_PAGES: Final = 4000
PAGE_BYTES: Final = 4096
#: The write-ahead log is cut to this size when it starts again: a large commit doesn't leave a large file.
WAL_BYTES_MAX: Final = 2 * CHECKPOINT_PAGES * PAGE_BYTES
#: As much as the write-ahead log may bring into the file, and some: then a checkpoint succeeds on a full disk.
RESERVE_BYTES: Final = (CHECKPOINT_PAGES + 1000) * PAGE_BYTES

#: SQLite's primary result codes: SQLITE_FULL, and SQLITE_CORRUPT and SQLITE_NOTADB for a file that isn't what it
#: should be.
_FULL_CODE: Final = 13
_DAMAGE_CODES: Final = (11, 26)
_INCREMENTAL: Final = 2


class SqliteLog(Log):
    """A log in the file at `path`, created (readable by its owner alone) when it isn't there.

    With `wal_room` commits find room in the write-ahead log beforehand, and so take half as long.
    """

    def __init__(self, path: Path, reserve_bytes: int = RESERVE_BYTES, *, wal_room: bool = False) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._reserve = Reserve(self._beside("reserve"), reserve_bytes)
        self._wal_room = WalRoom(self._beside("wal"), CHECKPOINT_PAGES * PAGE_BYTES if wal_room else 0)
        self._high_water: HighWater | None = None
        self._end = Mark(1, 0)

    def load(self) -> LogContent:
        """Open the file and read everything; see `Log.load`."""
        if self._connection is not None:
            raise LogError(f"{self._path} is open already")
        try:
            with self._errors("open"):
                try:
                    return self._load()
                except (TypeError, ValueError, struct.error) as error:  # a row, or SQLite's own message, is garbage
                    raise LogCorrupt(f"a row is not what was written: {error}") from error
        except BaseException as error:
            if isinstance(error, LogCorrupt):
                self._keep_refused()
            self.close()
            raise

    def _load(self) -> LogContent:
        database = self._open()
        (damage,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if damage != "ok":
            raise LogCorrupt(damage)
        prepare(database)
        self._sync_directory()
        content, sequence = read_content(database)
        check_continuity(content)
        self._end = Mark(content.revision, sequence)
        self._high_water = HighWater(self._beside("mark"))
        self._high_water.check(self._end)
        self._high_water.write(self._end)
        self._reserve.fill()
        self._wal_room.extend()
        return content

    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        """One SQLite transaction and one sync for all of them."""
        revision = changes[-1].mod_revision if changes else self._end.revision
        if changes and changes[0].mod_revision < self._end.revision:
            raise LogError(f"a change at revision {changes[0].mod_revision} comes after revision {self._end.revision}")
        rows = insertions(changes)
        if len(rows) == 1 and not leases:  # a statement on its own is a transaction
            with self._errors("write"):
                self._opened().execute(*rows[0])
                self._committed(Mark(revision, self._end.sequence))
            return
        with self._transaction(Mark(revision, self._end.sequence + bool(leases))) as database:
            for statement, row in rows:
                database.execute(statement, row)
            for lease in leases:
                if lease.ttl_s:
                    database.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", lease_row(lease))
                else:
                    database.execute("DELETE FROM lease WHERE id = ?", (lease.id,))

    def compact(self, revision: int, obsolete: Sequence[int]) -> Sequence[int]:
        """One SQLite transaction; freed pages are used again, or given back by `defragment`."""
        end = Mark(max(self._end.revision, revision), self._end.sequence + 1)
        with self._transaction(end) as database:
            self._set(database, "compacted", revision)
            return forget(database, obsolete) if obsolete else ()

    def set_nospace(self, raised: bool) -> None:
        """A property."""
        with self._transaction(Mark(self._end.revision, self._end.sequence + 1)) as database:
            self._set(database, "nospace", raised)

    def sizes(self) -> LogSizes:
        """The database's pages; the write-ahead log is beside them."""
        database = self._opened()
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        return LogSizes(pages * PAGE_BYTES, (pages - free) * PAGE_BYTES)

    def defragment(self, pages_max: int) -> bool:
        """Move what is at the file's end into free pages, and cut the end off."""
        database = self._opened()
        with self._errors("write"):
            if database.execute("PRAGMA auto_vacuum").fetchone() != (_INCREMENTAL,):  # a file of an older release
                database.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
                database.execute("VACUUM")
            # Not `execute`, which would stop after the first page.
            database.executescript(f"PRAGMA incremental_vacuum({pages_max})")
            (free,) = database.execute("PRAGMA freelist_count").fetchone()
            if not free:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(free)

    def refill_reserve(self) -> bool:
        """Take the space back, if the disk has it."""
        with self._errors("write"):
            return self._reserve.fill()

    def close(self) -> None:
        """Close the file; what was appended is durable already."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._high_water is not None:
            self._high_water.close()
            self._high_water = None

    def _beside(self, name: str) -> Path:
        return self._path.with_name(f"{self._path.name}-{name}")

    def _open(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        self._connection = database
        if not self._path.stat().st_size:  # set again it would be written again, into a file not yet looked at
            database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            database.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        database.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
        database.execute("PRAGMA cell_size_check = ON")
        # Pages freed by a compaction are not overwritten with zeros: that would double what goes to the disk.
        database.execute("PRAGMA secure_delete = FAST").fetchone()
        return database

    def _sync_directory(self) -> None:
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LogError(f"{self._path} is not loaded")
        return self._connection

    def _set(self, database: sqlite3.Connection, name: str, value: int) -> None:
        database.execute("INSERT OR REPLACE INTO property VALUES (?, ?, ?)", property_row(name, int(value)))

    @contextlib.contextmanager
    def _transaction(self, end: Mark) -> Iterator[sqlite3.Connection]:
        """All or nothing; `end` is where the log ends afterwards."""
        database = self._opened()
        with self._errors("write"):
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                if end.sequence != self._end.sequence:
                    self._set(database, "sequence", end.sequence)
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise
            self._committed(end)

    def _committed(self, end: Mark) -> None:
        self._end = end
        if self._high_water is not None:
            self._high_water.write(end)
        self._wal_room.extend()

    @contextlib.contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except LogCorrupt as error:
            raise LogCorrupt(f"{self._path}: {error}") from error
        except UnknownFormat as error:
            raise LogError(f"{self._path} {error}") from error
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGE_CODES:
                raise LogCorrupt(f"{self._path} is damaged: {error}") from error
            if code == _FULL_CODE:
                self._make_room()
                raise LogFull(f"cannot {doing} {self._path}: {error}") from error
            raise LogError(f"cannot {doing} {self._path}: {error}") from error
        except OSError as error:
            raise LogError(f"cannot {doing} {self._path}: {error}") from error

    def _keep_refused(self) -> None:
        """SQLite deletes its write-ahead log on closing; whoever looks into the damage will want the first one."""
        with contextlib.suppress(OSError):
            os.link(self._beside("wal"), self._beside("wal-refused"))

    def _make_room(self) -> None:
        """Give the reserve up, and with it bring the write-ahead log back into the file: then it starts again."""
        if self._reserve.give_up() and self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
