"""Container logs in CRI's format, on disk: ``2026-01-02T03:04:05.678901000Z stdout F text``. No actor imports this.

A log that reaches its limit is renamed to ``<log>.1`` and begun anew, as the kubelet rotates logs (10 MiB; one older
file is kept here). Offsets count bytes since the log's beginning, over both files, so that following survives rotation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from actors.apimachinery.meta import parse_time
from actors.runtime.driver import LogRead

ROTATE_BYTES: Final = 10 * 1024 * 1024
#: A line without an end is written in parts (tag P) from this length on, as CRI runtimes do.
LINE_BYTES_MAX: Final = 16 * 1024


def cri_time(wall_s: float) -> str:
    """RFC 3339 with nanoseconds."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class ContainerLog:
    """Writes one container's log."""

    def __init__(self, path: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self.path = path
        self.rotated_bytes = 0
        """Bytes that came before the present file."""
        self._rotate_bytes = rotate_bytes
        self._partial: dict[str, bytes] = {}
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._size = self._file.tell()
        older = path.with_suffix(".log.1")
        self.older_bytes = older.stat().st_size if older.exists() else 0
        self.rotated_bytes = self.older_bytes

    def write(self, stream: str, data: bytes, wall_s: float) -> None:
        """Take what a container wrote to ``stdout`` or ``stderr``."""
        data = self._partial.pop(stream, b"") + data
        prefix = f"{cri_time(wall_s)} {stream} ".encode()
        *lines, rest = data.split(b"\n")
        out = [prefix + b"F " + line + b"\n" for line in lines]
        while len(rest) >= LINE_BYTES_MAX:
            out.append(prefix + b"P " + rest[:LINE_BYTES_MAX] + b"\n")
            rest = rest[LINE_BYTES_MAX:]
        if rest:
            self._partial[stream] = rest
        if out:
            self._append(b"".join(out))

    def _append(self, data: bytes) -> None:
        if self._size + len(data) > self._rotate_bytes and self._size:
            self._file.close()
            self.path.replace(self.path.with_suffix(".log.1"))
            self.rotated_bytes += self._size
            self.older_bytes = self._size
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data)
        self._size += len(data)

    def finish(self, wall_s: float) -> None:
        """The container has ended: write what has no line end yet."""
        for stream, rest in self._partial.items():
            self._append(f"{cri_time(wall_s)} {stream} F ".encode() + rest + b"\n")
        self._partial.clear()
        self._file.close()


def read_container_log(path: Path, rotated_bytes: int, older_bytes: int, read: LogRead) -> tuple[str, int]:
    """Log text as `kubectl logs` shows it, and the offset after it. `rotated_bytes`: where the present file begins."""
    older = path.with_suffix(".log.1")
    begin = rotated_bytes - older_bytes
    content = older.read_bytes() if older.exists() and read.offset < rotated_bytes else b""
    if not content:
        begin = rotated_bytes
    if path.exists():
        content += path.read_bytes()
    content = content[max(read.offset - begin, 0) :]
    begin = max(begin, read.offset)
    content = content[: content.rfind(b"\n") + 1]
    lines = content.splitlines(keepends=True)
    if read.tail_lines is not None and not read.offset:
        kept = lines[max(len(lines) - read.tail_lines, 0) :]
        begin += len(content) - sum(map(len, kept))
        lines = kept
    shown, size = [], 0
    for line in lines:
        if size + len(line) > read.limit_bytes and size:
            break
        size += len(line)
        if read.since_s is None or _time_of(line) >= read.since_s:
            shown.append(line)
    return _shown(shown, read), begin + size


def _time_of(line: bytes) -> float:
    return parse_time(line.split(b" ", 1)[0].decode()[:26] + "Z")


def _shown(lines: list[bytes], read: LogRead) -> str:
    out: list[bytes] = []
    fresh = True
    for line in lines:
        time, _, tag, text = line.rstrip(b"\n").split(b" ", 3)
        if fresh and read.timestamps:
            out.append(time + b" ")
        out.append(text)
        fresh = tag == b"F"
        if fresh:
            out.append(b"\n")
    return b"".join(out).decode("utf-8", "replace")
