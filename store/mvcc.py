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
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from store.comparison import NO_KEY, satisfies
from store.errors import Compacted, FutureRevision, KeyNotFound
from store.key_space import KeySpace
from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.ordering import order_and_filter
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


class Mvcc(KeySpace):
    """The key space with its history, and what can be asked of it."""

    # -- reading

    def range(self, op: Range) -> RangeAnswer:
        """Read keys. Raises `EmptyKey`, `Compacted`, `FutureRevision`."""
        check_txn(Txn((), (op,)))
        self._check_revision(op.revision)
        return self._range(op)

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
        if len(operations) == 1 and type(operation := operations[0]) is Put:  # by far the most
            if operation.lease or operation.ignore_value or operation.ignore_lease:
                self._check_put(operation)
            self._note = note
            self._wall_s = wall_s
            put = self._put(operation)
            self._sub_revision = 0
            self.revision += 1
            return _tuple(TxnAnswer, (succeeded, self.revision, [put]))
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
