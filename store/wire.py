"""The store's transactions and answers in the form of `store.protocol`.

What comes in is not trusted: every field is checked, and `InvalidRequest` says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from store.errors import StoreError
from store.key_value import KeyValue
from store.protocol import DELETE, PUT
from store.transaction import (
    NOTE_CHARS_MAX,
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
    key_values_of,
)

#: A transaction nested deeper is refused before the interpreter's stack is.
NESTING_MAX: Final = 16
_TARGETS: Final = frozenset(("mod", "create", "version", "lease", "value"))
_OPERATORS: Final = frozenset(("=", "!=", "<", ">"))
_RANGE_TYPES: Final[Mapping[str, type]] = {
    "key": bytes,
    "range_end": bytes,
    "limit": int,
    "revision": int,
    "sort_order": str,
    "sort_target": str,
    "keys_only": bool,
    "count_only": bool,
    "min_mod_revision": int,
    "max_mod_revision": int,
    "min_create_revision": int,
    "max_create_revision": int,
}
_PUT_FLAGS: Final = frozenset(("prev_kv", "ignore_value", "ignore_lease"))
#: The answer to what most transactions do, one put without further wishes, and its form.
_ONE_PUT: Final = [PutAnswer()]
_ONE_PUT_ROW: Final = [["put"]]
#: Makes a named tuple at half the price of calling its class.
_tuple: Final = tuple.__new__


class InvalidRequest(StoreError):
    """The request is not in the protocol's form."""


def read_txns(body: Any, blobs: Sequence[bytes]) -> list[tuple[Txn, str]]:
    """The transactions of a TXN request, each with its note. Raises `StoreError` as `check_txn` does, too."""
    if type(body) is not list:
        raise InvalidRequest("a TXN request is a list of transactions")
    values = iter(blobs)
    txns = []
    try:
        for row in body:
            match row:
                # What nearly all are, the short way. The types once more, since subclasses match too.
                case [[], [["put", key, lease]], [], note] if key and type(key) is bytes and type(lease) is int:
                    put = _tuple(Put, (key, next(values), lease, False, False, False))
                    txns.append((_tuple(Txn, ((), (put,), ())), _checked_note(note)))
                case _:
                    txns.append(_noted_txn(row, values))
    except StopIteration:
        raise InvalidRequest("there are fewer values than puts") from None
    if next(values, None) is not None:
        raise InvalidRequest("there are more values than puts")
    return txns


def _checked_note(note: Any) -> str:
    if type(note) is not str or len(note) > NOTE_CHARS_MAX:
        raise InvalidRequest(f"a note is text of up to {NOTE_CHARS_MAX} characters")
    return note


def _noted_txn(row: Any, values: Iterator[bytes]) -> tuple[Txn, str]:
    if type(row) is not list or len(row) != 4:
        raise InvalidRequest("a transaction is [compares, success, failure, note]")
    txn = _txn(row[0], row[1], row[2], values, NESTING_MAX)
    check_txn(txn)
    return txn, _checked_note(row[3])


def _txn(compares: Any, success: Any, failure: Any, values: Iterator[bytes], nesting: int) -> Txn:
    if type(compares) is not list or type(success) is not list or type(failure) is not list:
        raise InvalidRequest("a transaction has compares, success and failure lists")
    if not nesting:
        raise InvalidRequest(f"transactions are nested deeper than {NESTING_MAX}")
    parts = (
        [_compare(compare) for compare in compares] if compares else (),
        (_operation(success[0], values, nesting),)
        if len(success) == 1
        else [_operation(op, values, nesting) for op in success],
        [_operation(op, values, nesting) for op in failure] if failure else (),
    )
    return _tuple(Txn, parts)


def _compare(row: Any) -> Compare:
    if type(row) is not list or not 4 <= len(row) <= 5:
        raise InvalidRequest("a compare is [key, target, operator, operand] and perhaps range_end")
    key, target, operator, operand = row[:4]
    range_end = row[4] if len(row) == 5 else b""
    if type(key) is not bytes or type(range_end) is not bytes:
        raise InvalidRequest("a compare's key and range_end are bytes")
    if type(target) is not str or target not in _TARGETS or type(operator) is not str or operator not in _OPERATORS:
        raise InvalidRequest(f"there is no compare {target!r} {operator!r}")
    if type(operand) is not (bytes if target == "value" else int):
        raise InvalidRequest(f"the operand of a compare of {target!r} has the wrong type")
    return Compare(key, target, operator, operand, range_end)  # type: ignore[arg-type]


def _operation(row: Any, values: Iterator[bytes], nesting: int) -> Operation:
    if type(row) is not list or len(row) < 2:
        raise InvalidRequest("an operation is a list of its name and arguments")
    if len(row) == 3 and row[0] == "put":  # what nearly all operations are, before the slower match
        _, key, lease = row
        if type(key) is bytes and type(lease) is int:
            return _tuple(Put, (key, _next_value(values), lease, False, False, False))
    match row:
        case ["put", bytes(key), int(lease), dict(flags)]:
            if not flags.keys() <= _PUT_FLAGS or not all(type(flag) is bool for flag in flags.values()):
                raise InvalidRequest("a put's flags are prev_kv, ignore_value and ignore_lease")
            return Put(key, _next_value(values), lease, **flags)
        case ["range", bytes(key), bytes(range_end), int(limit)]:
            return Range(key, range_end, limit)
        case ["range", bytes(key), bytes(range_end), int(limit), dict(options)]:
            return read_range({**options, "key": key, "range_end": range_end, "limit": limit})
        case ["delete", bytes(key), bytes(range_end)]:
            return DeleteRange(key, range_end)
        case ["delete", bytes(key), bytes(range_end), bool(prev_kv)]:
            return DeleteRange(key, range_end, prev_kv)
        case ["txn", compares, success, failure]:
            return _txn(compares, success, failure, values, nesting - 1)
    raise InvalidRequest(f"not an operation: {row[0]!r} with {len(row) - 1} arguments")


def _next_value(values: Iterator[bytes]) -> bytes:
    value = next(values, None)
    if value is None:
        raise InvalidRequest("there are fewer values than puts")
    return value


def read_range(body: Any) -> Range:
    """A range from its mapping."""
    if type(body) is not dict or type(body.get("key")) is not bytes:
        raise InvalidRequest("a range is a mapping with a key")
    for name, value in body.items():
        wanted = _RANGE_TYPES.get(name)
        if wanted is None or type(value) is not wanted:
            raise InvalidRequest(f"a range has no {name!r} of this type")
    if body.get("sort_order", "none") not in ("none", "ascend", "descend"):
        raise InvalidRequest("there is no such sort_order")
    if body.get("sort_target", "key") not in ("key", "version", "create", "mod", "value"):
        raise InvalidRequest("there is no such sort_target")
    return Range(**body)


def read_integers(body: Any, *names: str) -> list[int]:
    """The integers of these names from a mapping."""
    if type(body) is not dict or not all(type(body.get(name)) is int for name in names):
        raise InvalidRequest(f"the request is a mapping with the integer(s) {', '.join(names)}")
    return [body[name] for name in names]


def txn_answer(answer: TxnAnswer, asked: Txn, blobs: list[bytes]) -> list[Any]:
    """The form of a transaction's answer; the values go to `blobs`."""
    if answer.answers == _ONE_PUT:
        return [answer.succeeded, answer.revision, _ONE_PUT_ROW]
    operations = asked.success if answer.succeeded else asked.failure
    answers = [_answer(inner, op, blobs) for inner, op in zip(answer.answers, operations, strict=True)]
    return [answer.succeeded, answer.revision, answers]


def _answer(answer: Answer, asked: Operation, blobs: list[bytes]) -> list[Any]:
    if isinstance(answer, TxnAnswer):
        assert isinstance(asked, Txn)
        return ["txn", *txn_answer(answer, asked, blobs)]
    blobs.extend(kv.value for kv in key_values_of(answer))
    if isinstance(answer, PutAnswer):
        if isinstance(asked, Put) and asked.prev_kv:
            return ["put", None if answer.prev_kv is None else answer.prev_kv[:5]]
        return ["put"]
    if isinstance(answer, RangeAnswer):
        return ["range", *range_answer(answer)]
    assert isinstance(answer, DeleteAnswer)
    if isinstance(asked, DeleteRange) and asked.prev_kv:
        return ["delete", answer.deleted, [kv[:5] for kv in answer.prev_kvs]]
    return ["delete", answer.deleted]


def range_answer(answer: RangeAnswer) -> list[Any]:
    """The key-values, more and count of a range."""
    return [[kv[:5] for kv in answer.kvs], answer.more, answer.count]


def log_body(prev: int, changes: Sequence[KeyValue], through: int) -> list[Any]:
    """Body of a publication on the log topic, or of the answer to WATCH."""
    events = [
        (PUT if version else DELETE, key, create_revision, mod_revision, version, lease, note, wall_s)
        for key, create_revision, mod_revision, version, lease, _, _, note, wall_s in changes
    ]
    return [prev, events, through]
