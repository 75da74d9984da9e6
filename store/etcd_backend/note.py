"""Notes of writes, kept in etcd beside the writes.

etcd's events carry nothing but keys and values, and a note has to reach every copy of the store actor together with
the changes it belongs to. So each transaction that changes something also puts one more key, `NOTE_KEY`, whose value
has the note and the time; a watch shows it in the same revision as the changes. Readers of the store never see it.

A transaction of which it isn't certain that it changes anything (it only deletes, or only has nested transactions) must
not make a revision just for its note: `note_operations` then puts it under the condition that something will change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from broker.message import MalformedMessage, pack, unpack
from store.transaction import OPERATIONS_MAX, Compare, DeleteRange, Operation, Put, Txn

NOTE_KEY: Final = b"/podchain/note"
AFTER_NOTE_KEY: Final = NOTE_KEY + b"\0"
_FROM_KEY: Final = b"\0"


def note_value(note: str, wall_s: float) -> bytes:
    """What `NOTE_KEY` is set to."""
    return pack([note, wall_s])


def read_note(value: bytes) -> tuple[str, float]:
    """The reverse of `note_value`; what somebody else wrote reads as no note."""
    try:
        note, wall_s = unpack(value)
    except (MalformedMessage, TypeError, ValueError):
        return "", 0.0
    if not isinstance(note, str) or not isinstance(wall_s, float):
        return "", 0.0
    return note, wall_s


def includes_note(key: bytes, range_end: bytes) -> bool:
    """Whether a range has the note's key in it."""
    if not range_end:
        return key == NOTE_KEY
    return key <= NOTE_KEY and (range_end == _FROM_KEY or range_end > NOTE_KEY)


def with_note(txn: Txn, value: bytes) -> Txn:
    """The transaction, putting the note in whichever branch changes something. A branch that is full goes without."""
    return Txn(txn.compares, _noted(txn.success, value), _noted(txn.failure, value))


def _noted(operations: Sequence[Operation], value: bytes) -> Sequence[Operation]:
    if len(operations) >= OPERATIONS_MAX:
        return operations
    return [*operations, *note_operations(operations, value)]


def note_operations(operations: Sequence[Operation], value: bytes) -> list[Operation]:
    """What puts the note if, and only if, these operations change something: at most one operation.

    Compares of nested transactions are made before anything is carried out, so the conditions see the same state.
    """
    put: list[Operation] = [Put(NOTE_KEY, value)]
    if any(isinstance(op, Put) for op in operations):
        return put
    for at, op in enumerate(operations):
        rest = operations[at + 1 :]
        if isinstance(op, DeleteRange):
            exists = [Compare(op.key, "version", ">", 0, op.range_end)]
            return [Txn(exists, put, note_operations(rest, value))]
        if isinstance(op, Txn):
            then = note_operations([*op.success, *rest], value)
            otherwise = note_operations([*op.failure, *rest], value)
            return [Txn(op.compares, then, otherwise)] if then or otherwise else []
    return []
