"""A log in memory that also keeps what compaction takes away: the whole truth of a simulated run."""

from __future__ import annotations

from collections.abc import Sequence

from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.memory_log import MemoryLog


class RecordedLog(MemoryLog):
    """`history` has every change that ever became durable, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[KeyValue] = []

    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        """As `MemoryLog`."""
        crash = self.crash_next
        try:
            super().append(changes, leases)
        finally:
            if crash == "after commit" or (crash is None and changes and changes[-1].position in self._changes):
                self.history.extend(changes)
