"""One request of operations: carried out in order, answered together.

"In order" is what a client can notice: an operation waits for the earlier ones of its batch that write what it looks
at. The rest goes side by side, so that a thousand creates are one transaction batch at the store.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from actors.apimachinery.operation import Operation, operation_id
from actors.apimachinery.status import ApiError, internal_error
from actors.apiserver.call import Call
from actors.apiserver.registry import Registry
from actors.apiserver.write import Outcome
from broker.message import Request

#: A request has no more operations.
OPERATIONS_MAX = 10_000


class Batch:
    """The operations of one request under way."""

    def __init__(
        self,
        request: Request,
        operations: Sequence[Operation],
        registry: Registry,
        now_s: float,
    ) -> None:
        self._request = request
        self._operations = operations
        self._registry = registry
        self._now_s = now_s
        self._outcomes: list[Outcome | None] = [None] * len(operations)
        self._next = 0
        self._left = len(operations)
        self._writing: dict[bytes, int] = {}
        self._unkeyed = 0
        self._advancing = False

    def advance(self) -> None:
        """Begin every operation that may begin."""
        if self._advancing:
            return
        self._advancing = True
        while self._next < len(self._operations):
            index = self._next
            try:
                own_id = operation_id(self._request.id, index)
                call = self._registry.resolve(self._operations[index], own_id, self._now_s, self._request)
            except ApiError as error:
                self._next += 1
                self._finish(index, (), Outcome.of_error(error))
                continue
            keys = self._registry.keys_of(call)
            if self._must_wait(keys):
                break
            self._next += 1
            self._begin(index, call, keys)
        self._advancing = False
        if not self._left and not self._request.answered:
            self._reply()

    def _must_wait(self, keys: tuple[bytes, ...] | None) -> bool:
        if keys is None:
            return bool(self._writing) or bool(self._unkeyed)
        return any(key in self._writing for key in keys)

    def _begin(self, index: int, call: Call, keys: tuple[bytes, ...] | None) -> None:
        writes = call.operation.verb not in ("get", "list")
        held = (keys or ())[:1] if writes else ()  # the namespace of a create is looked at, not written
        for key in held:
            self._writing[key] = self._writing.get(key, 0) + 1
        if writes and not held:
            self._unkeyed += 1

        def done(outcome: Outcome) -> None:
            if writes and not held:
                self._unkeyed -= 1
            self._finish(index, held, outcome)
            self.advance()

        try:
            self._registry.begin(call, done)
        except ApiError as error:
            done(Outcome.of_error(error))
        except Exception as error:  # a fault of ours on one object must not take the others' operations down
            traceback.print_exc()
            if self._outcomes[index] is None:
                done(Outcome.of_error(internal_error(f"{type(error).__name__}: {error}")))

    def _finish(self, index: int, held: tuple[bytes, ...], outcome: Outcome) -> None:
        if self._outcomes[index] is not None:
            raise RuntimeError(f"operation {index} of {self._request.id} ended twice")
        self._outcomes[index] = outcome
        self._left -= 1
        for key in held:
            self._writing[key] -= 1
            if not self._writing[key]:
                del self._writing[key]

    def _reply(self) -> None:
        body: list[Any] = []
        blobs: list[bytes] = []
        for outcome in self._outcomes:
            if outcome is None:
                raise RuntimeError("a batch is answered when all of it is done")
            body.append([outcome.code, outcome.revision, list(outcome.revisions), outcome.status, outcome.extra])
            blobs.extend(outcome.blobs)
        self._request.reply(body, blobs)
