"""The store's answers as etcd's responses: pure translation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from store.etcd_api import messages
from store.etcd_api.refusal import failed_txn
from store.protocol import DELETE

#: A cluster of one has had one election.
RAFT_TERM: Final = 2

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers: stands in every header."""

    cluster_id: int
    member_id: int

    @staticmethod
    def of(cluster_name: str) -> Identity:
        """The same for the same name."""
        digest = hashlib.sha256(cluster_name.encode()).digest()
        return Identity(int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big"))

    def header(self, revision: int) -> Any:
        """A response's header."""
        return messages.ResponseHeader(
            cluster_id=self.cluster_id, member_id=self.member_id, revision=revision, raft_term=RAFT_TERM
        )


def key_value(row: Row, value: bytes) -> Any:
    """A ``kv`` of the store's protocol."""
    key, create_revision, mod_revision, version, lease = row[:5]
    return messages.KeyValue(
        key=key,
        create_revision=create_revision,
        mod_revision=mod_revision,
        version=version,
        lease=lease,
        value=value,
    )


def event(row: Row, value: bytes, previous: Row | None, previous_value: bytes) -> Any:
    """A change. A deletion names its key and its revision only."""
    if row[0] == DELETE:
        change = messages.Event(type=DELETE, kv=messages.KeyValue(key=row[1], mod_revision=row[3]))
    else:
        change = messages.Event(kv=key_value(row[1:6], value))
    if previous is not None:
        change.prev_kv.CopyFrom(key_value(previous, previous_value))
    return change


def range_response(header: Any, kvs: Sequence[Row], more: bool, count: int, values: Iterator[bytes]) -> Any:
    """What a range found."""
    found = [key_value(kv, next(values)) for kv in kvs]
    return messages.RangeResponse(header=header, kvs=found, more=more, count=count)


def txn_result(answer: Row) -> tuple[bool, int, Sequence[Row]]:
    """Whether the compares held, the revision, and the answers of one transaction. Raises `Refusal` if refused."""
    succeeded, revision, answers = answer
    if succeeded is None:
        raise failed_txn(*answers)
    return succeeded, revision, answers


def put_response(header: Any, answer: Row, values: Iterator[bytes]) -> Any:
    """What became of a put."""
    previous = answer[1] if len(answer) > 1 else None
    return messages.PutResponse(header=header, prev_kv=previous and key_value(previous, next(values)))


def delete_response(header: Any, answer: Row, values: Iterator[bytes]) -> Any:
    """What a delete removed."""
    removed = answer[2] if len(answer) > 2 else ()
    return messages.DeleteRangeResponse(
        header=header, deleted=answer[1], prev_kvs=[key_value(kv, next(values)) for kv in removed]
    )


def txn_response(header: Any, succeeded: bool, revision: int, answers: Sequence[Row], values: Iterator[bytes]) -> Any:
    """What became of a transaction, its nested ones included."""
    inside = _TxnRevisions(revision, _changes_something(answers))
    return _txn_response(header, succeeded, answers, values, inside)


class _TxnRevisions:
    """The revision that each answer inside a transaction shows: the new one from its first change on."""

    def __init__(self, after: int, changed: bool) -> None:
        self._after = after
        self._before = after - 1 if changed else after
        self._changed = False

    def header(self, is_change: bool) -> Any:
        self._changed = self._changed or is_change
        return messages.ResponseHeader(revision=self._after if self._changed else self._before)


def _changes_something(answers: Sequence[Row]) -> bool:
    return any(_is_change(answer) or (answer[0] == "txn" and _changes_something(answer[3])) for answer in answers)


def _is_change(answer: Row) -> bool:
    return bool(answer[0] == "put" or (answer[0] == "delete" and answer[1] > 0))


def _txn_response(
    header: Any, succeeded: bool, answers: Sequence[Row], values: Iterator[bytes], inside: _TxnRevisions
) -> Any:
    response = messages.TxnResponse(header=header, succeeded=succeeded)
    for answer in answers:
        kind = answer[0]
        op = response.responses.add()
        if kind == "txn":
            op.response_txn.CopyFrom(_txn_response(messages.ResponseHeader(), answer[1], answer[3], values, inside))
            continue
        inner = inside.header(_is_change(answer))
        if kind == "put":
            op.response_put.CopyFrom(put_response(inner, answer, values))
        elif kind == "range":
            op.response_range.CopyFrom(range_response(inner, answer[1], answer[2], answer[3], values))
        else:
            op.response_delete_range.CopyFrom(delete_response(inner, answer, values))
    return response
