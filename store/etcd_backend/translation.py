"""Our operations as etcd's messages, and etcd's answers as ours: pure functions.

Ranges and deletes that reach over the note's key (`store.etcd_backend.note`) become two operations each, so that the
key stays unseen: a range is followed by the count of that key, a delete is cut in two around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from store.etcd_api import messages
from store.etcd_backend.note import AFTER_NOTE_KEY, NOTE_KEY, includes_note, read_note
from store.key_value import KeyValue
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
)
from store.wire import InvalidRequest

_OPERATORS: Final = {"=": 0, ">": 1, "<": 2, "!=": 3}
_TARGETS: Final = {"version": 0, "create": 1, "mod": 2, "value": 3, "lease": 4}
_OPERANDS: Final = {
    "version": "version",
    "create": "create_revision",
    "mod": "mod_revision",
    "value": "value",
    "lease": "lease",
}
_ORDERS: Final = {"none": 0, "ascend": 1, "descend": 2}
_SORT_TARGETS: Final = {"key": 0, "version": 1, "create": 2, "mod": 3, "value": 4}
_DELETE: Final = 1


def check_reserved(txn: Txn) -> None:
    """Refuse a transaction that would write the note's key itself. Raises `InvalidRequest`."""
    for op in (*txn.success, *txn.failure):
        if isinstance(op, Txn):
            check_reserved(op)
        elif not isinstance(op, Range) and op.key == NOTE_KEY and not getattr(op, "range_end", b""):
            raise InvalidRequest(f"the key {NOTE_KEY.decode()} is reserved")


# Requests


def txn_request(txn: Txn) -> Any:
    """A transaction."""
    return messages.TxnRequest(
        compare=[_compare(compare) for compare in txn.compares],
        success=[request for op in txn.success for request in _operation(op)],
        failure=[request for op in txn.failure for request in _operation(op)],
    )


def _compare(compare: Compare) -> Any:
    return messages.Compare(
        key=compare.key,
        range_end=compare.range_end,
        result=_OPERATORS[compare.operator],
        target=_TARGETS[compare.target],
        **{_OPERANDS[compare.target]: compare.operand},
    )


def _operation(op: Operation) -> Iterator[Any]:
    if isinstance(op, Put):
        yield messages.RequestOp(
            request_put=messages.PutRequest(
                key=op.key,
                value=op.value,
                lease=op.lease,
                prev_kv=op.prev_kv,
                ignore_value=op.ignore_value,
                ignore_lease=op.ignore_lease,
            )
        )
    elif isinstance(op, Range):
        for request in range_requests(op):
            yield messages.RequestOp(request_range=request)
    elif isinstance(op, DeleteRange):
        for key, end in _without_note(op):
            request = messages.DeleteRangeRequest(key=key, range_end=end, prev_kv=op.prev_kv)
            yield messages.RequestOp(request_delete_range=request)
    else:
        yield messages.RequestOp(request_txn=txn_request(op))


def range_requests(op: Range) -> list[Any]:
    """A range, followed by the count of the note's key if the range has it."""
    around = includes_note(op.key, op.range_end)
    limit = max(op.limit, 0)
    request = messages.RangeRequest(
        key=op.key,
        range_end=op.range_end,
        limit=limit + 1 if around and limit else limit,
        revision=op.revision,
        sort_order=_ORDERS[op.sort_order],
        sort_target=_SORT_TARGETS[op.sort_target],
        keys_only=op.keys_only,
        count_only=op.count_only,
        min_mod_revision=op.min_mod_revision,
        max_mod_revision=op.max_mod_revision,
        min_create_revision=op.min_create_revision,
        max_create_revision=op.max_create_revision,
    )
    if not around:
        return [request]
    return [request, messages.RangeRequest(key=NOTE_KEY, revision=op.revision, count_only=True)]


def _without_note(op: DeleteRange) -> list[tuple[bytes, bytes]]:
    """The parts of a deleted range on both sides of the note's key."""
    if not includes_note(op.key, op.range_end):
        return [(op.key, op.range_end)]
    parts = []
    if op.key < NOTE_KEY:
        parts.append((op.key, NOTE_KEY))
    if op.range_end == FROM_KEY or op.range_end > AFTER_NOTE_KEY:
        parts.append((AFTER_NOTE_KEY, op.range_end))
    return parts


# Answers


def key_value(kv: Any) -> KeyValue:
    """A key-value."""
    return KeyValue(kv.key, kv.create_revision, kv.mod_revision, kv.version, kv.lease, kv.value)


def txn_answer(response: Any, asked: Txn, *, nested: bool = False) -> TxnAnswer:
    """What became of a transaction; `asked` is what it was before its note was added."""
    operations = asked.success if response.succeeded else asked.failure
    responses = iter(response.responses)
    answers = [_answer(op, responses) for op in operations]
    return TxnAnswer(response.succeeded, 0 if nested else response.header.revision, answers)


def _answer(op: Operation, responses: Iterator[Any]) -> Answer:
    if isinstance(op, Put):
        put = next(responses).response_put
        return PutAnswer(key_value(put.prev_kv) if put.HasField("prev_kv") else None)
    if isinstance(op, Range):
        found = next(responses).response_range
        around = includes_note(op.key, op.range_end)
        notes = next(responses).response_range.count if around else 0
        return range_answer(found, op, notes, 0)
    if isinstance(op, DeleteRange):
        parts = [next(responses).response_delete_range for _ in _without_note(op)]
        return DeleteAnswer(sum(part.deleted for part in parts), [key_value(kv) for p in parts for kv in p.prev_kvs])
    return txn_answer(next(responses).response_txn, op, nested=True)


def range_answer(response: Any, asked: Range, notes: int, revision: int) -> RangeAnswer:
    """What a range found; `notes` is the count of the note's key in it (0 or 1)."""
    kvs = [key_value(kv) for kv in response.kvs]
    more = response.more
    if includes_note(asked.key, asked.range_end):
        kvs = [kv for kv in kvs if kv.key != NOTE_KEY]
        if 0 < asked.limit < len(kvs):
            kvs, more = kvs[: asked.limit], True
    return RangeAnswer(kvs, more, response.count - notes, revision)


# Events


def changes_of(events: Iterable[Any], received_s: float) -> list[KeyValue]:
    """The changes that a watch told, without the notes' own; each with the note and time of its revision.

    The events of a revision have to be complete. `received_s` is the time of changes that tell none.
    """
    told = list(events)
    notes = {event.kv.mod_revision: read_note(event.kv.value) for event in told if event.kv.key == NOTE_KEY}
    changes: list[KeyValue] = []
    revision = sub_revision = 0
    for event in told:
        kv = event.kv
        if kv.key == NOTE_KEY:
            continue
        sub_revision = sub_revision + 1 if kv.mod_revision == revision else 0
        revision = kv.mod_revision
        note, wall_s = notes.get(revision) or ("", 0.0)
        if event.type == _DELETE:
            change = KeyValue(kv.key, 0, revision, 0, 0, b"", sub_revision, note, wall_s or received_s)
        else:
            change = KeyValue(*key_value(kv)[:6], sub_revision, note, wall_s or received_s)
        changes.append(change)
    return changes


def previous_of(events: Sequence[Any]) -> list[KeyValue | None]:
    """For each change that `changes_of` makes of these events, what was there before."""
    return [
        key_value(event.prev_kv) if event.HasField("prev_kv") else None for event in events if event.kv.key != NOTE_KEY
    ]
