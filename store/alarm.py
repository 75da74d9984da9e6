"""etcd's space quota and its NOSPACE alarm.

A write that would take the database over the quota, or for which the disk has no room, raises the alarm. While it is
raised every write that could make the database larger is refused; reads, deletes, compaction and defragmentation go on.
It stays raised, over restarts too, until somebody lifts it (`alarm disarm`), as in etcd: the way out is to delete or
compact, to defragment, and then to disarm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from store.errors import NoSpace
from store.log import Log, LogFull
from store.transaction import NOTE_CHARS_MAX, Operation, Put, Txn

NOSPACE: Final = "NOSPACE"
#: etcd's --quota-backend-bytes when it isn't given.
QUOTA_BYTES: Final = 2 * 1024**3
#: What etcd counts for a key and for a lease beside their bytes.
KEY_OVERHEAD_BYTES: Final = 256
LEASE_COST_BYTES: Final = 64
#: With more room than this left under the quota nobody counts, and the log's size is looked at only when commits may
#: have used up an eighth of it.
WATCHFUL_BYTES: Final = 64 * 1024**2
#: What a commit may add beside its changes, and a change beside its key and value (most of it its note).
COMMIT_OVERHEAD_BYTES: Final = 16 * 1024
CHANGE_OVERHEAD_BYTES: Final = KEY_OVERHEAD_BYTES + 4 * NOTE_CHARS_MAX


class SpaceAlarm:
    """Whether there is room for a write. `quota_bytes` 0 means etcd's default, less than 0 none."""

    def __init__(self, log: Log, quota_bytes: int = QUOTA_BYTES) -> None:
        self._log = log
        self.quota_bytes = quota_bytes or QUOTA_BYTES
        self.raised = False
        self.watchful = False
        """Whether `admit` has to be asked at all: spares the fast path the counting."""
        self._room_bytes = 0
        self._unmeasured_bytes = 0

    @property
    def names(self) -> list[str]:
        """The alarms that are raised."""
        return [NOSPACE] if self.raised else []

    def start(self, raised: bool) -> None:
        """Begin as the log has it."""
        self.raised = raised
        self.measure()

    def committed(self, changes: int, key_value_bytes: int) -> None:
        """Look at the log's size if this commit, of so many changes, may have brought it near to the quota."""
        self._unmeasured_bytes += COMMIT_OVERHEAD_BYTES + changes * CHANGE_OVERHEAD_BYTES + key_value_bytes
        if self.watchful or self._unmeasured_bytes > WATCHFUL_BYTES // 8:
            self.measure()

    def measure(self) -> None:
        """Look at the log's size."""
        self._unmeasured_bytes = 0
        if self.quota_bytes < 0:
            self.watchful = self.raised
            return
        self._room_bytes = self.quota_bytes - self._log.sizes().allocated
        self.watchful = self.raised or self._room_bytes < WATCHFUL_BYTES

    def admit(self, cost_bytes: int) -> None:
        """Count a write that can make the database larger. Raises `NoSpace`, and raises the alarm."""
        if not cost_bytes:
            return
        if self.quota_bytes >= 0 and cost_bytes >= self._room_bytes:
            self.activate()
        if self.raised:
            raise NoSpace
        self._room_bytes -= cost_bytes

    def activate(self) -> None:
        """Raise the alarm."""
        if not self.raised:
            self.raised = self.watchful = True
            with contextlib.suppress(LogFull):  # then the next write after a restart raises it anew
                self._log.set_nospace(True)

    def deactivate(self) -> None:
        """Lift the alarm, until the next write that finds no room. Raises `LogFull`."""
        self._log.set_nospace(False)
        self.raised = False
        self.measure()
        if not self._log.refill_reserve():
            # The disk is as full as before: without a reserve the way out would be barred the next time.
            self.activate()


def txn_cost(txn: Txn) -> int:
    """What etcd holds against the quota: the puts of the larger branch. 0 for one that cannot write."""
    return max(_cost(txn.success), _cost(txn.failure))


def _cost(operations: Sequence[Operation]) -> int:
    cost = 0
    for op in operations:
        if isinstance(op, Put):
            cost += KEY_OVERHEAD_BYTES + len(op.key) + len(op.value)
        elif isinstance(op, Txn):
            cost += txn_cost(op)
    return cost
