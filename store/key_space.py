"""The keys with their versions, as plain data: what `store.mvcc` reads and writes by transactions.

Where things are:

- `_live`: the present version of each key that exists
- `_history`: every version kept of a key, oldest first, for keys that have more than their present version
- `_index`: every key that has any version, sorted
- `_events`: every change since the compacted revision, in order: the watch log

Compaction answers at once (`compact`); the memory is freed in steps of bounded size (`purge`), which also tell the log
what it need not keep.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from store.errors import Compacted, FutureRevision
from store.key_index import KeyIndex
from store.key_value import SUB_REVISION_BITS, KeyValue, mod_revision_of
from store.lease import Lease, LeaseRecord, Lessor
from store.publication import piece_end
from store.transaction import FROM_KEY


class KeySpace:
    """Every version that is kept, in a form for each way of looking at them."""

    def __init__(self) -> None:
        self.revision = 1
        """Revision of the last transaction that changed something."""
        self.compacted_revision = -1
        """What is older cannot be read; -1 when nothing was compacted yet (as etcd has it)."""
        self.lessor = Lessor()
        self.live_bytes = 0
        """Sizes of all present keys and values."""
        self.history_bytes = 0
        """Sizes of the keys and values in the watch log."""
        self._live: dict[bytes, KeyValue] = {}
        self._history: dict[bytes, list[KeyValue]] = {}
        self._index = KeyIndex()
        self._events: list[KeyValue] = []
        self._lease_changes: list[tuple[Lease, bool]] = []
        """Leases granted (true) and revoked since `settle`, for `undo`."""
        self._purged_revision = -1
        """The compacted revision up to which memory was freed."""
        self._sub_revision = 0
        self._note = ""
        self._wall_s = 0.0

    def __len__(self) -> int:
        """Keys that exist."""
        return len(self._live)

    # -- looking

    def get(self, key: bytes) -> KeyValue | None:
        """The key's present version."""
        return self._live.get(key)

    def events_since(self, revision: int, events_max: int | None = None) -> list[KeyValue]:
        """Every change later than `revision`, in order; raises `Compacted` when some are no longer known.

        With `events_max` it stops after so many, but never inside a revision (so one revision may be over it).
        """
        if revision + 1 < self.compacted_revision:
            raise Compacted
        events = self._events
        start = bisect_right(events, revision, key=mod_revision_of)
        return events[start:] if events_max is None else events[start : piece_end(events, start, events_max)]

    @property
    def events_count(self) -> int:
        """Changes in the watch log: where those that come next will begin (`events_from`)."""
        return len(self._events)

    def events_from(self, place: int) -> list[KeyValue]:
        """The changes from a place in the watch log on. Cheaper than `events_since`."""
        return self._events[place:]

    def before(self, change: KeyValue) -> KeyValue | None:
        """What a change replaced; None when it created its key, or when that is compacted."""
        revision = change.mod_revision - 1
        if change.version == 1 or revision < self.compacted_revision:
            return None
        return self._version_at(change.key, revision)

    def versions(self, after_position: int, through_revision: int) -> list[KeyValue]:
        """Every version that is kept and later than a position, up to a revision, oldest first."""
        compacted = self.compacted_revision
        kept = {kv.position: kv for kv in self._events if kv.mod_revision >= compacted}
        if compacted > 0:
            for key in self._index.between(b"", None):
                kv = self._version_at(key, compacted)
                if kv is not None:
                    kept[kv.position] = kv
        end = (through_revision + 1) << SUB_REVISION_BITS
        return [kept[position] for position in sorted(kept) if after_position < position < end]

    def _select(self, key: bytes, range_end: bytes, revision: int, limit: int) -> tuple[list[KeyValue], int]:
        """Key-values of a range in key order, up to a limit (0: all), and how many there are without it."""
        if not range_end:
            kv = self._live.get(key) if revision <= 0 else self._version_at(key, revision)
            return ([], 0) if kv is None else ([kv], 1)
        keys = self._index.between(key, None if range_end == FROM_KEY else range_end)
        if revision <= 0:
            kvs = list(filter(None, map(self._live.get, keys)))
        else:
            kvs = [kv for key in keys if (kv := self._version_at(key, revision)) is not None]
        count = len(kvs)
        return (kvs[:limit] if 0 < limit < count else kvs), count

    def _version_at(self, key: bytes, revision: int) -> KeyValue | None:
        """The version of a key that a revision showed."""
        history = self._history.get(key)
        if history is None:
            kv = self._live.get(key)
            return kv if kv is not None and kv.mod_revision <= revision else None
        place = bisect_right(history, revision, key=mod_revision_of) - 1
        if place < 0 or history[place].is_tombstone:
            return None
        return history[place]

    # -- growing

    def _record(self, kv: KeyValue, previous: KeyValue | None) -> None:
        """Make a version the key's latest."""
        key = kv.key
        size = len(key) + len(kv.value)
        history = self._history.get(key)
        if history is not None:
            history.append(kv)
        elif previous is not None:
            self._history[key] = [previous, kv]
        elif kv.version:
            self._index.add(key)
        else:  # a tombstone whose put was purged from the log: it is only an event
            self._index.add(key)
            self._history[key] = [kv]
        gone = 0 if previous is None else len(key) + len(previous.value)
        if kv.version:
            self._live[key] = kv
            self.live_bytes += size - gone
        else:
            self._live.pop(key, None)
            self.live_bytes -= gone
        self._events.append(kv)
        self.history_bytes += size
        self._sub_revision += 1

    def _finish(self) -> None:
        if self._sub_revision:
            self.revision += 1
            self._sub_revision = 0

    # -- taking back what the log could not keep

    def settle(self) -> None:
        """All changes so far are kept: `undo` need not know of them."""
        self._lease_changes.clear()

    def undo(self, revision: int) -> None:
        """Take back every transaction later than `revision`, and what became of leases since `settle`.

        Nothing may have been compacted since.
        """
        for lease, granted in reversed(self._lease_changes):
            if granted:
                self.lessor.remove(lease.id)
            else:
                self.lessor.put_back(lease)
        self._lease_changes.clear()
        while self._events and self._events[-1].mod_revision > revision:
            self._undo_change(self._events.pop())
        self.revision = revision

    def _undo_change(self, kv: KeyValue) -> None:
        """The inverse of `_record`, and of the lease's part in it."""
        key = kv.key
        size = len(key) + len(kv.value)
        self.history_bytes -= size
        if kv.version:
            self.live_bytes -= size
            self.lessor.detach(kv.lease, key)
            del self._live[key]
        history = self._history.get(key)
        if history is None:
            self._index.remove(key)
            return
        history.pop()
        previous = history[-1]  # a key with a history had a version before its last one
        if previous.is_tombstone:
            return
        self._live[key] = previous
        self.live_bytes += len(key) + len(previous.value)
        if previous.lease in self.lessor:
            self.lessor.attach(previous.lease, key)
        if len(history) == 1:
            del self._history[key]

    # -- compacting

    def check_compaction(self, revision: int) -> None:
        """Raise `Compacted` or `FutureRevision` when `compact` would."""
        if revision <= self.compacted_revision:
            raise Compacted
        if revision > self.revision:
            raise FutureRevision

    def compact(self, revision: int) -> None:
        """Give up everything older than `revision`. Raises `Compacted` or `FutureRevision`. Memory: see `purge`."""
        self.check_compaction(revision)
        self.compacted_revision = revision

    @property
    def purge_pending(self) -> bool:
        """Whether `purge` has work to do."""
        return self._purged_revision < self.compacted_revision

    def purge(self, events_max: int) -> list[int]:
        """Free what compaction gave up, looking at about so many changes; answers the positions that are gone."""
        events = self._events
        compacted = self.compacted_revision
        older = bisect_left(events, compacted, hi=min(len(events), events_max), key=mod_revision_of)
        end = older
        if older < events_max:
            end = bisect_right(events, compacted, lo=older, key=mod_revision_of)
            self._purged_revision = compacted
        obsolete: list[int] = []
        for kv in events[:end]:
            self._purge_key(kv.key, compacted, obsolete)
        for kv in events[:older]:
            self.history_bytes -= len(kv.key) + len(kv.value)
        del events[:older]
        return obsolete

    def _purge_key(self, key: bytes, compacted: int, obsolete: list[int]) -> None:
        history = self._history.get(key)
        if history is None:
            return
        keep_from = 0
        for kv in history:
            if kv.mod_revision >= compacted:
                break
            keep_from += 1
        if keep_from and (keep_from == len(history) or history[keep_from].mod_revision > compacted):
            keep_from -= 1  # what the compacted revision shows, unless that is nothing
            if history[keep_from].is_tombstone:
                keep_from += 1
        if not keep_from:
            return
        obsolete += [kv.position for kv in history[:keep_from]]
        del history[:keep_from]
        if not history:
            del self._history[key]
            self._index.remove(key)
        elif len(history) == 1 and not history[0].is_tombstone:
            del self._history[key]

    # -- starting from a log

    def restore(
        self, changes: Iterable[KeyValue], leases: Iterable[LeaseRecord], compacted_revision: int, now_s: float
    ) -> None:
        """Fill an empty store with what a log kept: changes in order, leases alive, and the compacted revision."""
        for lease in leases:
            self.lessor.grant(lease.id, lease.ttl_s, now_s)
        for kv in changes:
            previous = self._live.get(kv.key)
            if previous is not None and previous.lease:
                self.lessor.detach(previous.lease, kv.key)
            if kv.lease and kv.lease in self.lessor:
                self.lessor.attach(kv.lease, kv.key)
            self._record(kv, previous)
        if self._events:
            self.revision = max(self.revision, self._events[-1].mod_revision)
        self._sub_revision = 0
        self.compacted_revision = compacted_revision
        self.revision = max(self.revision, compacted_revision)
