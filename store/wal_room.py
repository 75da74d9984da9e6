"""Room ahead of the end of SQLite's write-ahead log.

A commit that makes the file longer has the file system write its own journal before the sync returns, which takes as
long as the data (measured on ext4: 0.56 ms instead of 0.27). So zeros are written beyond the log's end, in pieces; the
commits overwrite them. To SQLite a frame of zeros is the end of the log. Once the file is as long as it gets before it
is begun anew, it stays so by itself.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

#: Zeros that are written at once (about a thousand small commits; 4 ms).
PIECE_BYTES: Final = 4 * 1024 * 1024


class WalRoom:
    """The room in the file at `path`, which is made longer up to `bytes_max`; 0 for never."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._path_text = str(path)
        self._bytes_max = bytes_max
        self._end = 0

    def extend(self) -> None:
        """After a commit: more room, if the log has used up what there was. On a full disk there is none."""
        if not self._bytes_max:
            return
        try:
            size = os.stat(self._path_text).st_size  # noqa: PTH116 - at every commit: a Path takes six times as long
        except FileNotFoundError:
            return
        if size == self._end or size >= self._bytes_max:
            return
        fd = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            try:
                written = os.pwrite(fd, bytes(PIECE_BYTES), size)
                os.fdatasync(fd)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                written = 0
            if written < PIECE_BYTES:
                os.ftruncate(fd, size)  # what is left belongs to the commits
                self._bytes_max = 0
                return
            self._end = size + PIECE_BYTES
        finally:
            os.close(fd)
