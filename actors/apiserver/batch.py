"""One request of operations: carried out in order, answered together.

"In order" is what a client can notice: an operation waits for the earlier ones of its batch that write what it looks
at. The rest goes side by side, so that a thousand creates are one transaction batch at the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery.operation import Operation, operation_id
from actors.apimachinery.status import ApiError
from actors.apiserver.access import Access
from actors.apiserver.call import Call
from actors.apiserver.registry import Registry
from actors.apiserver.write import Outcome
from broker.message import Request

#: The store keys an operation looks at, the one it writes first; None when it may be any.
Keys = tuple[bytes, ...] | None

#: A request has no more operations.
OPERATIONS_MAX = 10_000


class Batch:
    """The operations of one request under way."""

    def __init__(
        self,
        request: Request,
        operations: Sequence[Operation],
        registry: Registry,
        access: Access,
        now_s: float,
    ) -> None:
        self._request = request
        self._operations = operations
        self._registry = registry
        self._access = access
        self._now_s = now_s
        self._outcomes: list[Outcome | None] = [None] * len(operations)
        self._left = len(operations)
        self._last_writer: dict[bytes, int] = {}
        """Key to the last operation, so far, that writes it."""
        self._last_barrier = -1
        """The last operation, so far, that may write anything."""
        self._followers: dict[int, list[int]] = {}
        """Operation to those that wait for it."""
        self._awaited = [0] * len(operations)
        """How many operations each waits for."""
        self._waiting: dict[int, Call] = {}

    def start(self) -> None:
        """Begin, at once or, with a resource that isn't known here, when the newest definitions are."""
        if all(self._registry.serves(operation.resource) for operation in self._operations):
            self._start()
        else:
            self._registry.when_fresh(self._start)

    def _start(self) -> None:
        """Begin every operation that waits for none; the others follow as those are done."""
        for index, operation in enumerate(self._operations):
            own_id = operation_id(self._request.id, index)
            try:
                user = self._access.admit(self._request.sender, operation)
                call = self._registry.resolve(operation, own_id, self._now_s, self._request, user)
                keys = self._registry.keys_of(call)
            except ApiError as error:
                self._finish(index, Outcome.of_error(error))
                continue
            except Exception as error:  # as in `_begin`
                self._finish(index, Outcome.of_fault(error))
                continue
            self._line_up(index, keys, writes=operation.verb not in ("get", "list"))
            if self._awaited[index]:
                self._waiting[index] = call
            else:
                self._begin(index, call)
        self._reply_when_done()

    def _line_up(self, index: int, keys: Keys, *, writes: bool) -> None:
        """Have the operation wait for the earlier ones that it could notice."""
        if keys is None:
            earlier = {each for each in range(index) if self._outcomes[each] is None}
        else:
            earlier = {self._last_writer[key] for key in keys if key in self._last_writer}
            if self._last_barrier >= 0:
                earlier.add(self._last_barrier)
        for each in sorted(earlier):
            if self._outcomes[each] is None:
                self._followers.setdefault(each, []).append(index)
                self._awaited[index] += 1
        if writes:
            if keys:
                self._last_writer[keys[0]] = index  # the namespace of a create is looked at, not written
            else:
                self._last_barrier = index

    def _begin(self, index: int, call: Call) -> None:
        def done(outcome: Outcome) -> None:
            self._finish(index, outcome)
            self._reply_when_done()

        try:
            self._registry.begin(call, done)
        except ApiError as error:
            done(Outcome.of_error(error))
        except Exception as error:  # a fault of ours on one object must not take the others' operations down
            if self._outcomes[index] is not None:
                raise
            done(Outcome.of_fault(error))

    def _finish(self, index: int, outcome: Outcome) -> None:
        if self._outcomes[index] is not None:
            raise RuntimeError(f"operation {index} of {self._request.id} ended twice")
        self._outcomes[index] = outcome
        self._left -= 1
        for follower in self._followers.pop(index, ()):
            self._awaited[follower] -= 1
            if not self._awaited[follower]:
                self._begin(follower, self._waiting.pop(follower))

    def _reply_when_done(self) -> None:
        if not self._left and not self._request.answered:
            self._reply()

    def _reply(self) -> None:
        body: list[Any] = []
        blobs: list[bytes] = []
        for outcome in self._outcomes:
            if outcome is None:
                raise RuntimeError("a batch is answered when all of it is done")
            body.append([outcome.code, outcome.revision, list(outcome.revisions), outcome.status, outcome.extra])
            blobs.extend(outcome.blobs)
        self._request.reply(body, blobs)
