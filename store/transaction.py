"""What can be asked of the key space: ranges, puts, deletes and transactions, with etcd's meaning and etcd's checks.

A `range_end` that is empty means the one key; ``b"\\0"`` means every key from `key` on; anything else is the first key
that is not meant: ``b"p0"`` with the key ``b"p/"`` for all keys with that prefix, as ``0`` is the byte after ``/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, Union

from store.errors import DuplicateKey, EmptyKey, LeaseProvided, TooManyOperations, ValueProvided
from store.key_value import KeyValue

#: etcd's --max-txn-ops.
OPERATIONS_MAX: Final = 128
#: etcd's --max-request-bytes.
TXN_BYTES_MAX: Final = 1536 * 1024
#: Characters of a transaction's note.
NOTE_CHARS_MAX: Final = 1024
FROM_KEY: Final = b"\0"

Target = Literal["mod", "create", "version", "lease", "value"]
Operator = Literal["=", "!=", "<", ">"]
SortOrder = Literal["none", "ascend", "descend"]
SortTarget = Literal["key", "version", "create", "mod", "value"]


class Compare(NamedTuple):
    """A precondition: what is there now, compared with an operand. Over a range, it has to hold for every key there.

    A key that does not exist compares as zeros; comparing its value is always false.
    """

    key: bytes
    target: Target
    operator: Operator
    operand: int | bytes
    range_end: bytes = b""


class Put(NamedTuple):
    """Write a key."""

    key: bytes
    value: bytes = b""
    lease: int = 0
    prev_kv: bool = False
    ignore_value: bool = False
    """Keep the value that is there, which must exist."""
    ignore_lease: bool = False
    """Keep the lease that is there; the key must exist."""


class Range(NamedTuple):
    """Read keys. Limits and filters work as in etcd: the count is that of the keys before any of them."""

    key: bytes
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    """Read the state that this revision left; 0 for now."""
    sort_order: SortOrder = "none"
    sort_target: SortTarget = "key"
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0


class DeleteRange(NamedTuple):
    """Delete keys."""

    key: bytes
    range_end: bytes = b""
    prev_kv: bool = False


class Txn(NamedTuple):
    """If every compare holds, carry out `success`, else `failure`: at once, as one revision."""

    compares: Sequence[Compare] = ()
    success: Sequence[Operation] = ()
    failure: Sequence[Operation] = ()


Operation: TypeAlias = Union[Put, Range, DeleteRange, Txn]  # noqa: UP007 - Txn contains operations


class PutAnswer(NamedTuple):
    """What became of a put."""

    prev_kv: KeyValue | None = None


@dataclass(slots=True)
class RangeAnswer:
    """What a range found."""

    kvs: list[KeyValue]
    more: bool
    """Whether the limit cut keys off."""
    count: int
    """Keys in the range, whatever limit and filters left."""
    revision: int
    """The store's revision when it was read."""


class DeleteAnswer(NamedTuple):
    """What a delete removed."""

    deleted: int
    prev_kvs: list[KeyValue]


class TxnAnswer(NamedTuple):
    """What became of a transaction."""

    succeeded: bool
    revision: int
    """The store's revision after it; 0 in the answer of a nested one, as etcd has it."""
    answers: Sequence[Answer]


Answer: TypeAlias = Union[PutAnswer, RangeAnswer, DeleteAnswer, TxnAnswer]  # noqa: UP007 - see Operation


def txn_bytes(txn: Txn) -> int:
    """The sizes of all keys and values in a transaction."""
    size = sum(len(compare.key) for compare in txn.compares)
    for op in (*txn.success, *txn.failure):
        if isinstance(op, Txn):
            size += txn_bytes(op)
        else:
            size += len(op.key) + (len(op.value) if isinstance(op, Put) else len(op.range_end))
    return size


def check_txn(txn: Txn, operations_max: int = OPERATIONS_MAX) -> None:
    """Refuse what no state of the store could make valid. Raises `StoreError`."""
    compares, success, failure = txn
    if len(success) == 1 and not compares and not failure and type(success[0]) is Put:  # by far the most
        _check_operation(success[0], 0)
        return
    _check_requests(txn, operations_max)
    if len(success) > 1 or (success and type(success[0]) is Txn):
        _check_overlaps(success)
    if len(failure) > 1 or (failure and type(failure[0]) is Txn):
        _check_overlaps(failure)


def _check_requests(txn: Txn, operations_max: int) -> None:
    compares, success, failure = txn
    largest = max(len(compares), len(success), len(failure))
    if largest > operations_max:
        raise TooManyOperations
    for compare in compares:
        if not compare.key:
            raise EmptyKey
    for op in success:
        _check_operation(op, operations_max - largest)
    for op in failure:
        _check_operation(op, operations_max - largest)


def _check_operation(op: Operation, operations_left: int) -> None:
    if type(op) is Txn:
        _check_requests(op, operations_left)
        return
    if not op[0]:  # every other operation begins with its key
        raise EmptyKey
    if type(op) is Put:
        _, value, lease, _, ignore_value, ignore_lease = op
        if ignore_value and value:
            raise ValueProvided
        if ignore_lease and lease:
            raise LeaseProvided


class _Interval(NamedTuple):
    """Keys that a delete names. One from a key on covers nothing here: etcd's overlap check does not see it either."""

    start: bytes
    end: bytes

    def covers(self, key: bytes) -> bool:
        return self.start <= key < self.end if self.end else key == self.start


def _check_overlaps(operations: Sequence[Operation]) -> tuple[dict[bytes, None], list[_Interval]]:
    """The keys put and the intervals deleted, here and below. Raises `DuplicateKey` when they overlap.

    The order is etcd's and matters: this level's deletes come first, then each nested transaction (whose own deletes
    only count for what follows it), then this level's puts. The branches of one transaction exclude one another.
    """
    deletes = [_Interval(op.key, op.range_end) for op in operations if isinstance(op, DeleteRange)]
    puts: dict[bytes, None] = {}
    for op in operations:
        if not isinstance(op, Txn):
            continue
        then_puts, then_deletes = _check_overlaps(op.success)
        else_puts, else_deletes = _check_overlaps(op.failure)
        _add_puts(puts, then_puts, {}, deletes)
        _add_puts(puts, else_puts, then_puts, deletes)
        deletes += then_deletes
        deletes += else_deletes
    for op in operations:
        if isinstance(op, Put):
            _add_puts(puts, (op.key,), {}, deletes)
    return puts, deletes


def _add_puts(
    puts: dict[bytes, None],
    added: Sequence[bytes] | dict[bytes, None],
    excluded: dict[bytes, None],
    deletes: list[_Interval],
) -> None:
    for key in added:
        if (key in puts and key not in excluded) or any(interval.covers(key) for interval in deletes):
            raise DuplicateKey
        puts[key] = None


def key_values_of(answer: Answer) -> Iterator[KeyValue]:
    """Every key-value in an answer, in the order the protocol sends their values."""
    if isinstance(answer, RangeAnswer):
        yield from answer.kvs
    elif isinstance(answer, DeleteAnswer):
        yield from answer.prev_kvs
    elif isinstance(answer, PutAnswer):
        if answer.prev_kv is not None:
            yield answer.prev_kv
    else:
        for inner in answer.answers:
            yield from key_values_of(inner)
