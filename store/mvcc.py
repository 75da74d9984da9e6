"""etcd v3's data model as a plain data structure: no I/O, no clock, no chance.

Every transaction that changes something gets the next revision (an empty store is at revision 1, so the first write is
2) and its changes are numbered inside it. Nothing is overwritten until it is compacted away. One key, step by step
(``R`` a put at revision R, ``t`` a tombstone):

    put a        2          create 2, version 1
    put a        2 3        create 2, version 2
    delete a     2 3 4t     the generation that began at 2 is over
    put a        2 3 4t 5   create 5, version 1: a new generation
    compact 4        4t 5   what revision 4 showed of `a` is: nothing; the change of revision 4 itself stays watchable
    compact 5           5   the version visible at the compacted revision always stays

Where things are:

- `_live`: the present version of each key that exists
- `_history`: every version kept of a key, oldest first, for keys that have more than their present version
- `_index`: every key that has any version, sorted
- `_events`: every change since the compacted revision, in order: the watch log

Compaction answers at once (`compact`); the memory is freed in steps of bounded size (`purge`), which also tell the log
what it need not keep.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.comparison import NO_KEY, satisfies
from store.errors import Compacted, FutureRevision, KeyNotFound
from store.key_index import KeyIndex
from store.key_value import SUB_REVISION_BITS, KeyValue, mod_revision_of
from store.lease import Lease, LeaseRecord, Lessor
from store.ordering import order_and_filter
from store.publication import piece_end
from store.transaction import (
    FROM_KEY,
    Answer,
    Compare,
    DeleteAnswer,
    DeleteRange,
    Operation,
    Put,
    PutAnswer,
    Range,
    RangeAnswer,
    Txn,
    TxnAnswer,
    check_txn,
)

_PUT_DONE = PutAnswer()
#: Makes a named tuple at half the price of calling its class.
_tuple = tuple.__new__


class _Decided(NamedTuple):
    """A transaction whose compares, and those of all nested ones, have been looked at: what it will do."""

    succeeded: bool
    operations: Sequence[Operation | _Decided]


class Mvcc:
    """The key space with its history."""

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

    # -- reading

    def get(self, key: bytes) -> KeyValue | None:
        """The key's present version."""
        return self._live.get(key)

    def range(self, op: Range) -> RangeAnswer:
        """Read keys. Raises `EmptyKey`, `Compacted`, `FutureRevision`."""
        check_txn(Txn((), (op,)))
        self._check_revision(op.revision)
        return self._range(op)

    def events_since(self, revision: int, events_max: int | None = None) -> list[KeyValue]:
        """Every change later than `revision`, in order; raises `Compacted` when some are no longer known.

        With `events_max` it stops after so many, but never inside a revision (so one revision may be over it).
        """
        if revision + 1 < self.compacted_revision:
            raise Compacted
        events = self._events
        start = bisect_right(events, revision, key=mod_revision_of)
        return events[start:] if events_max is None else events[start : piece_end(events, start, events_max)]

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

    def hash_at(self, revision: int = 0) -> int:
        """32 bits that two stores agree on when they show the same at a revision (0: now)."""
        digest = hashlib.blake2b(digest_size=4)
        for kv in self.range(Range(FROM_KEY, FROM_KEY, revision=revision)).kvs:
            head = f"{len(kv.key)} {kv.create_revision} {kv.mod_revision} {kv.version} {kv.lease} {len(kv.value)} "
            digest.update(head.encode())
            digest.update(kv.key)
            digest.update(kv.value)
        return int.from_bytes(digest.digest(), "big")

    # -- writing

    def put(self, op: Put, note: str = "", wall_s: float = 0.0) -> TxnAnswer:
        """A put on its own: raises as `txn` does, but looks at the lease before the key, as etcd does."""
        txn = Txn((), (op,))
        check_txn(txn)
        if op.lease:
            self.lessor.get(op.lease)
        return self.txn(txn, note, wall_s)

    def delete_range(self, op: DeleteRange, note: str = "", wall_s: float = 0.0) -> TxnAnswer:
        """A delete on its own."""
        return self.txn(Txn((), (op,)), note, wall_s)

    def txn(self, txn: Txn, note: str = "", wall_s: float = 0.0) -> TxnAnswer:
        """Carry out a transaction. Raises `StoreError` when refused, and has changed nothing then."""
        check_txn(txn)
        return self.checked_txn(txn, note, wall_s)

    def checked_txn(self, txn: Txn, note: str = "", wall_s: float = 0.0) -> TxnAnswer:
        """`txn` for a transaction that has passed `check_txn`."""
        compares, success, failure = txn
        succeeded = not compares or self._all_hold(compares)
        operations = success if succeeded else failure
        if len(operations) == 1 and type(operations[0]) is Put:  # by far the most
            self._check_put(operations[0])
            self._note = note
            self._wall_s = wall_s
            put = self._put(operations[0])
            self._sub_revision = 0
            self.revision += 1
            return TxnAnswer(succeeded, self.revision, [put])
        decided = self._decided(succeeded, operations)
        self._check(decided)
        self._note = note
        self._wall_s = wall_s
        answers = self._apply(decided)
        self._finish()
        return TxnAnswer(decided.succeeded, self.revision, answers)

    def grant(self, lease_id: int, ttl_s: int, now_s: float) -> LeaseRecord:
        """Grant a lease; changes no revision. Raises `LeaseExists`, `LeaseTTLTooLarge`."""
        lease = self.lessor.grant(lease_id, ttl_s, now_s)
        self._lease_changes.append((lease, True))
        return LeaseRecord(lease.id, lease.ttl_s)

    def revoke(self, lease_id: int, note: str = "", wall_s: float = 0.0) -> LeaseRecord:
        """End a lease and delete its keys as one transaction. Raises `LeaseNotFound`."""
        self._lease_changes.append((self.lessor.get(lease_id), False))
        keys = self.lessor.remove(lease_id)
        self._note = note
        self._wall_s = wall_s
        for key in keys:
            self._delete(self._live[key])
        self._finish()
        return LeaseRecord(lease_id, 0)

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
        visible = bisect_right(history, compacted, key=mod_revision_of) - 1
        if visible < 0:
            return
        keep_from = bisect_left(history, compacted, key=mod_revision_of)
        if keep_from > visible and not history[visible].is_tombstone:
            keep_from = visible
        obsolete.extend(kv.position for kv in history[:keep_from])
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

    # -- transactions, inside

    def _decided(self, succeeded: bool, operations: Sequence[Operation]) -> _Decided:
        """Evaluate all compares against the state before the transaction: nested ones don't see its writes."""
        if not any(type(op) is Txn for op in operations):
            return _Decided(succeeded, operations)
        decided: list[Operation | _Decided] = []
        for op in operations:
            if isinstance(op, Txn):
                holds = self._all_hold(op.compares)
                decided.append(self._decided(holds, op.success if holds else op.failure))
            else:
                decided.append(op)
        return _Decided(succeeded, decided)

    def _all_hold(self, compares: Sequence[Compare]) -> bool:
        return all(map(self._holds, compares))

    def _holds(self, compare: Compare) -> bool:
        if not compare.range_end:
            return satisfies(self._live.get(compare.key, NO_KEY), compare)
        kvs, count = self._select(compare.key, compare.range_end, 0, 0)
        if not count:
            return satisfies(NO_KEY, compare)
        return all(satisfies(kv, compare) for kv in kvs)

    def _check(self, decided: _Decided) -> None:
        """Refuse what would fail half way."""
        for op in decided.operations:
            kind = type(op)
            if kind is Put:
                assert isinstance(op, Put)
                self._check_put(op)
            elif isinstance(op, Range):
                self._check_revision(op.revision)
            elif isinstance(op, _Decided):
                self._check(op)

    def _check_put(self, op: Put) -> None:
        if (op.ignore_value or op.ignore_lease) and op.key not in self._live:
            raise KeyNotFound
        if op.lease:
            self.lessor.get(op.lease)

    def _check_revision(self, revision: int) -> None:
        if revision > self.revision:
            raise FutureRevision
        if 0 < revision < self.compacted_revision:
            raise Compacted

    def _apply(self, decided: _Decided) -> list[Answer]:
        answers: list[Answer] = []
        for op in decided.operations:
            if isinstance(op, Put):
                answers.append(self._put(op))
            elif isinstance(op, DeleteRange):
                answers.append(self._delete_range(op))
            elif isinstance(op, Range):
                answers.append(self._range(op))
            elif isinstance(op, _Decided):
                inner = self._apply(op)
                answers.append(TxnAnswer(op.succeeded, 0, inner))
        return answers

    def _finish(self) -> None:
        if self._sub_revision:
            self.revision += 1
            self._sub_revision = 0

    def _revision_now(self) -> int:
        """What a reader inside the running transaction sees: its own changes count."""
        return self.revision + 1 if self._sub_revision else self.revision

    def _put(self, op: Put) -> PutAnswer:
        key, value, lease, prev_kv, ignore_value, ignore_lease = op
        revision = created = self.revision + 1
        version = 1
        previous = self._live.get(key)
        # A delete in the same transaction may have taken what an ignore flag would keep; etcd panics on that.
        if previous is not None:
            if ignore_value:
                value = previous.value
            if ignore_lease:
                lease = previous.lease
            created = previous.create_revision
            version = previous.version + 1
            if previous.lease:
                self.lessor.detach(previous.lease, key)
        if lease:
            self.lessor.attach(lease, key)
        sub_revision, note, wall_s = self._sub_revision, self._note, self._wall_s
        kv = _tuple(KeyValue, (key, created, revision, version, lease, value, sub_revision, note, wall_s))
        self._record(kv, previous)
        return PutAnswer(previous) if prev_kv else _PUT_DONE

    def _delete_range(self, op: DeleteRange) -> DeleteAnswer:
        kvs, _ = self._select(op.key, op.range_end, 0, 0)
        for kv in kvs:
            if kv.lease:
                self.lessor.detach(kv.lease, kv.key)
            self._delete(kv)
        return DeleteAnswer(len(kvs), kvs if op.prev_kv else [])

    def _delete(self, previous: KeyValue) -> None:
        revision = self.revision + 1
        tombstone = KeyValue(previous.key, 0, revision, 0, 0, b"", self._sub_revision, self._note, self._wall_s)
        self._record(tombstone, previous)

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
        if previous is not None:
            self.live_bytes -= len(key) + len(previous.value)
        if kv.version:
            self._live[key] = kv
            self.live_bytes += size
        else:
            self._live.pop(key, None)
        self._events.append(kv)
        self.history_bytes += size
        self._sub_revision += 1

    # -- ranges, inside

    def _range(self, op: Range) -> RangeAnswer:
        revision_now = self._revision_now()
        filtered = bool(op.min_mod_revision or op.max_mod_revision or op.min_create_revision or op.max_create_revision)
        limit = op.limit
        if filtered or op.sort_order == "descend" or (op.sort_order == "ascend" and op.sort_target != "key"):
            limit = 0
        elif limit > 0:
            limit += 1
        kvs, count = self._select(op.key, op.range_end, op.revision, limit)
        if op.count_only:
            return RangeAnswer([], False, count, revision_now)
        if filtered or op.sort_order != "none" or op.sort_target != "key":
            kvs = order_and_filter(kvs, op)
        more = 0 < op.limit < len(kvs)
        if more:
            kvs = kvs[: op.limit]
        if op.keys_only:
            kvs = [kv._replace(value=b"") for kv in kvs]
        return RangeAnswer(kvs, more, count, revision_now)

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
