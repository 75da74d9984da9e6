"""The actors' log files: bounded, and readable while they are written."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from actors.supervisor.cluster_directory import ClusterDirectory

#: A log that is larger is moved to ``NAME.log.1``, whose former content is dropped.
LOG_BYTES_MAX: Final = 8 * 1024 * 1024
_TAIL_BYTES: Final = 16 * 1024


def log_file(directory: ClusterDirectory, actor: str) -> Path:
    """Where an actor's output goes."""
    return directory.logs / f"{actor}.log"


def bound_log(path: Path) -> None:
    """Keep a log within its size.

    Its writer has it open for appending and goes on in the emptied file; what it writes between copying and emptying
    is lost.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_BYTES_MAX:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)


def last_lines(path: Path, count: int, since_byte: int = 0) -> list[str]:
    """The last lines of a log, of those written after its first `since_byte` bytes."""
    try:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(since_byte if since_byte <= size else 0, size - _TAIL_BYTES))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
