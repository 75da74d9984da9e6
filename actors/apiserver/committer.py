"""Group commit: every transaction that arises while waiting messages are handled goes to the store in one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.apiserver.entry import Entry
from actors.apiserver.follower import STORE
from broker.context import Context, RequestError, RequestFailed
from store.protocol import TXN, WATCH

Compare = list[Any]
StoreOp = list[Any]


@dataclass(slots=True)
class TxnAnswer:
    """What became of one transaction."""

    succeeded: bool
    revision: int
    entries: list[Entry] = field(default_factory=list)
    """The state of each key that was read, in order."""


@dataclass(slots=True)
class Txn:
    """One transaction. `done` is told the answer, or the error when there is none and the outcome is unknown."""

    compares: list[Compare]
    success: list[StoreOp]
    failure: list[StoreOp]
    blobs: list[bytes]
    note: str
    done: Callable[[TxnAnswer | RequestError], None]


def read_op(key: bytes) -> StoreOp:
    """Reads one key."""
    return ["range", key, b"", 0]


class Committer:
    """Collects transactions and sends them; several requests may be under way."""

    def __init__(self, ctx: Context, after_answers: Callable[[], None], store: str = STORE) -> None:
        self._ctx = ctx
        self._store = store
        self._after_answers = after_answers
        self._waiting: list[Txn] = []

    def submit(self, txn: Txn) -> None:
        """Have a transaction carried out with the next batch."""
        if not self._waiting:
            self._ctx.after_drain(self._flush)
        self._waiting.append(txn)

    def find_note(self, key: bytes, revision: int, done: Callable[[str | None], None]) -> None:
        """Tell the note of the transaction that wrote a key at a revision, or None when that isn't known any more."""
        self._ctx.spawn(self._find_note(key, revision, done), "note")

    async def _find_note(self, key: bytes, revision: int, done: Callable[[str | None], None]) -> None:
        note = None
        try:
            reply = await self._ctx.request(self._store, WATCH, {"since": revision - 1})
        except RequestError:
            pass
        else:
            for event in reply.body[1]:
                if event[1] == key and event[3] == revision:
                    note = event[6]
                    break
        done(note)
        self._after_answers()

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        self._ctx.spawn(self._send(batch), "commit")

    async def _send(self, batch: Sequence[Txn]) -> None:
        body = [[txn.compares, txn.success, txn.failure, txn.note] for txn in batch]
        blobs = [blob for txn in batch for blob in txn.blobs]
        try:
            reply = await self._ctx.request(self._store, TXN, body, blobs)
        except RequestError as error:
            for txn in batch:
                txn.done(error)
        else:
            values = iter(reply.blobs)
            for txn, (succeeded, revision, answers) in zip(batch, reply.body, strict=True):
                if succeeded is None:
                    txn.done(RequestFailed(*answers))
                    continue
                ops = txn.success if succeeded else txn.failure
                entries = []
                for op, answer in zip(ops, answers, strict=True):
                    if op[0] == "range":
                        pairs = answer[1]
                        found = [Entry(next(values), pair[2], pair[1]) for pair in pairs]
                        entries.append(found[0] if found else Entry(None, revision, 0))
                txn.done(TxnAnswer(succeeded, revision, entries))
        self._after_answers()
