"""A log without a disk, for simulation and unit tests: the test owns it, so it outlives the store actor's crashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.log import Log, LogContent, LogError, LogFull, LogSizes, check_continuity

CrashPoint = Literal["before commit", "after commit"]


class MemoryLog(Log):
    """Keeps changes in a dict. Can be told to fail the next append, before or after it took effect."""

    def __init__(self) -> None:
        self._changes: dict[int, KeyValue] = {}
        self._size_bytes = 0
        self._leases: dict[int, LeaseRecord] = {}
        self._compacted_revision = -1
        self.crash_next: CrashPoint | None = None
        """Where the next append raises `LogError`: what a crash at that instant leaves behind."""
        self.commits = 0
        self.capacity_bytes: int | None = None
        """The disk's size; what doesn't fit raises `LogFull`."""
        self._nospace = False

    def load(self) -> LogContent:
        """Everything kept."""
        content = LogContent(
            list(self._changes.values()), list(self._leases.values()), self._compacted_revision, self._nospace
        )
        check_continuity(content)
        return content

    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        """Keep them, unless a crash was asked for."""
        crash, self.crash_next = self.crash_next, None
        if crash == "before commit":
            raise LogError("crash before the commit")
        if self.capacity_bytes is not None:
            added = sum(len(kv.key) + len(kv.value) for kv in changes)
            if added and self.sizes().allocated + added > self.capacity_bytes:
                raise LogFull("the disk is full")
        for kv in changes:
            self._changes[kv.position] = kv
            self._size_bytes += len(kv.key) + len(kv.value)
        for lease in leases:
            self._leases.pop(lease.id, None)
            if lease.ttl_s:
                self._leases[lease.id] = lease
        self.commits += 1
        if crash == "after commit":
            raise LogError("crash after the commit")

    def compact(self, revision: int, obsolete: Sequence[int]) -> Sequence[int]:
        """Forget what is obsolete."""
        self._compacted_revision = revision
        for position in obsolete:
            gone = self._changes.pop(position, None)
            if gone is not None:
                self._size_bytes -= len(gone.key) + len(gone.value)
        return ()

    def set_nospace(self, raised: bool) -> None:
        """Remember it."""
        self._nospace = raised

    def sizes(self) -> LogSizes:
        """Keys and values."""
        return LogSizes(self._size_bytes, self._size_bytes)

    def close(self) -> None:
        """Nothing to let go of."""
