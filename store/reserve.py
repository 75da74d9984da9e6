"""Disk space that is kept for the day the disk is full.

Whoever wants to delete something from a full database has to write, too. So a file of the same disk holds some space,
which is given up when a write finds no room: enough to copy the write-ahead log back into the file, after which it
starts again at its beginning and deletions and compactions fit into it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path


class Reserve:
    """The space in the file at `path`."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def fill(self) -> bool:
        """Take the space; answers whether it is there. Raises `OSError` for other reasons than want of space."""
        if not self._size_bytes or not hasattr(os, "posix_fallocate"):
            return True
        with contextlib.suppress(FileNotFoundError):
            # Blocks count, not the size: a copy of the file may have none.
            if self._path.stat().st_blocks * 512 >= self._size_bytes:
                return True
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self._size_bytes)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return False
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            return True  # a file system without allocation has no reserve
        finally:
            os.close(fd)
        return True

    def give_up(self) -> bool:
        """Free the space; answers whether there was any."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
