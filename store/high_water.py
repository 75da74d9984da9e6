"""A small file that remembers how far a log was acknowledged.

SQLite takes a write-ahead log that is cut off or damaged for one whose last commits never happened: it forgets them
without a word. So after each commit its end is noted here, without a sync: what is noted was durable before, and a
note that the machine's crash takes along only says less. A log that ends before its mark has lost something.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from store.log import LogCorrupt

_FIELDS: Final = struct.Struct(">8sqq")
_CHECKSUM: Final = struct.Struct(">I")
_MAGIC: Final = b"podmark\0"


class Mark(NamedTuple):
    """The end of a log: the last revision, and how many commits wrote something else than changes."""

    revision: int
    sequence: int


class HighWater:
    """The mark in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def read(self) -> Mark:
        """The mark; zeros when there is none. Raises `LogCorrupt`."""
        content = os.pread(self._fd, _FIELDS.size + _CHECKSUM.size + 1, 0)
        if not content.strip(b"\0"):  # new, or never written back before the machine went down
            return Mark(0, 0)
        fields = content[: _FIELDS.size]
        if len(content) != _FIELDS.size + _CHECKSUM.size or _CHECKSUM.pack(crc32(fields)) != content[_FIELDS.size :]:
            raise LogCorrupt(f"{self._path} is damaged; without it nobody can tell whether the log is complete")
        magic, revision, sequence = _FIELDS.unpack(fields)
        if magic != _MAGIC:
            raise LogCorrupt(f"{self._path} is not a mark of the store")
        return Mark(revision, sequence)

    def check(self, end: Mark) -> None:
        """Raise `LogCorrupt` when the log ends before the mark."""
        mark = self.read()
        if end.revision < mark.revision or end.sequence < mark.sequence:
            raise LogCorrupt(
                f"the log ends at revision {end.revision} (sequence {end.sequence}), but revision {mark.revision} "
                f"(sequence {mark.sequence}) was acknowledged: the file or its write-ahead log is damaged, or an older "
                f"copy; to go on with what is there, remove {self._path}"
            )

    def write(self, mark: Mark) -> None:
        """Note how far the log goes now."""
        fields = _FIELDS.pack(_MAGIC, *mark)
        try:
            os.pwrite(self._fd, fields + _CHECKSUM.pack(crc32(fields)), 0)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):
            os.close(self._fd)
