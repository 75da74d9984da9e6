"""The one loop that all controllers share: informers, work queue, a pure decision, a batch of writes.

A controller is a table of what wakes it and a pure `reconcile(key, view, now) -> Decision`. The loop turns changes into
keys, decides all keys that are ready once the waiting messages are in, and sends the writes of all of them together.
What becomes of a key then:

    all writes succeeded                  done; the answers are shown in the informers at once
    a create collided, a conflict,        comes again with backoff; by then the view shows what was in the way
    any other refusal, no answer
    the thing to delete was gone          counts as success

A loop that has more to do about failed writes than to try again says so in `ControllerLoop.after_failure`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from actors.apimachinery.meta import Key, is_being_deleted
from actors.apimachinery.operation import Object, Operation, Result
from actors.client.client import Client
from actors.client.decision import NOTHING_TO_DO, Decision
from actors.client.events import EventRecorder
from actors.client.informer import IndexFunction, InformerSet
from actors.client.rounds import Rounds, Taken
from broker.context import Context, RequestError
from broker.message import Cause

#: Keys decided in one go.
KEYS_A_ROUND_MAX: Final = 64
#: Writes in one message; more are sent as several, so that the actors behind can work side by side.
WRITES_A_BATCH_MAX: Final = 50
#: Every key is looked at again after this long even when nothing is told of it (times 1 to 2, by chance).
RESYNC_S: Final = 600.0


Objects = list[Object]


class View(Protocol):
    """What a controller sees: the informers' caches, read only."""

    def get(self, resource: str, key: Key) -> Object | None: ...

    def list(self, resource: str, namespace: str | None = None) -> Objects: ...

    def by_index(self, resource: str, index: str, value: str) -> Objects: ...


@dataclass(frozen=True)
class Trigger:
    """A collection the controller watches, and which of its keys a change there concerns."""

    resource: str
    keys: Callable[[Object, View], Iterable[Key]]
    """Called with the new state of an object, and with its old one if that differs."""
    indexes: Mapping[str, IndexFunction] = field(default_factory=dict)


class Controller(Protocol):
    """A controller's pure part."""

    name: str

    @property
    def triggers(self) -> Sequence[Trigger]: ...

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision: ...


class InformerView:
    """A view of whole collections."""

    def __init__(self, informers: InformerSet) -> None:
        self._informers = informers

    def get(self, resource: str, key: Key) -> Object | None:
        return self._informers.of(resource).get(key)

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        informer = self._informers.of(resource)
        return informer.items() if namespace is None else informer.in_namespace(namespace)

    def by_index(self, resource: str, index: str, value: str) -> Objects:
        return self._informers.of(resource).by_index(index, value)


def observe_results(informers: InformerSet, operations: Sequence[Operation], results: Sequence[Result]) -> None:
    """Show the answers of own writes in the informers of whole collections (read your writes)."""
    for op, result in zip(operations, results, strict=True):
        if not result.ok or op.subresource not in ("", "status") or op.options.get("dryRun"):
            continue
        informer = informers.whole(op.resource)
        if informer is None:
            continue
        if op.verb == "delete" and not (result.objects and is_being_deleted(result.object)):
            informer.observe_deleted(Key(op.namespace, op.name), result.revision)
        elif op.verb in ("create", "update", "patch", "delete") and result.objects:
            informer.observe(result.object)


def settled(op: Operation, result: Result) -> bool:
    """Whether an operation needs no further look: it succeeded, or the thing to delete is gone already."""
    return result.ok or (op.verb == "delete" and result.code == 404)


class ControllerLoop:
    """Runs one controller in an actor."""

    def __init__(
        self, ctx: Context, controller: Controller, fence: Mapping[str, Any] | None = None, since: int = 0
    ) -> None:
        """With a `fence` (`actors.client.lease`), no write of it is committed once a successor has begun.

        It begins with a view of the revision `since` or a newer one, however old a replica it reads from.
        """
        self._ctx = ctx
        self._since = since
        self._fence = fence
        self._controller = controller
        self._client = Client(ctx)
        self._recorder = EventRecorder(self._client, controller.name)
        self._informers = InformerSet(self._client)
        self._view = InformerView(self._informers)
        self._rounds = Rounds(ctx, KEYS_A_ROUND_MAX, self._decide)
        self._queue = self._rounds.queue

    async def run(self) -> None:
        """Work for ever."""
        for trigger in self._controller.triggers:
            informer = self._informers.of(trigger.resource)
            for name, function in trigger.indexes.items():
                informer.add_index(name, function)
            informer.on_event(self._enqueuer(trigger))
        await self._informers.start()
        await self._informers.reach(self._since)
        self._rounds.start()
        while True:
            await self._ctx.sleep(RESYNC_S * (1 + self._ctx.random.random()))
            self._resync()

    def _resync(self) -> None:
        for trigger in self._controller.triggers:
            for obj in self._informers.of(trigger.resource).items():
                for key in trigger.keys(obj, self._view):
                    self._queue.add(key, Cause("", 0, self._ctx.wall_s()))

    def _enqueuer(self, trigger: Trigger) -> Callable[[str, Object, Object | None], None]:
        def enqueue(_kind: str, obj: Object, old: Object | None) -> None:
            cause = self._ctx.cause
            for key in trigger.keys(obj, self._view):
                self._queue.add(key, cause)
            if old is not None:
                for key in trigger.keys(old, self._view):
                    self._queue.add(key, cause)

        return enqueue

    def _decide(self, taken: Taken) -> None:
        """Decide the keys that are ready, and send off what they want written."""
        now_s = self._ctx.wall_s()
        decided: list[tuple[Key, Cause, Decision]] = []
        for key, cause in taken:
            decision = self._controller.reconcile(key, self._view, now_s)
            if decision.writes:
                decided.append((key, cause, decision))
            else:
                self._finish(key, cause, decision)
        if decided:
            self._ctx.spawn(self._carry_out(decided), "writes")

    def _finish(self, key: Key, cause: Cause, decision: Decision) -> None:
        """All of a decision is done: events tell of it, and the key rests."""
        with self._ctx.acting_on(cause):
            for note in decision.events:
                self._recorder.record(note)
        self._queue.done(key, cause, decision.requeue_after_s)

    async def _carry_out(self, decided: Sequence[tuple[Key, Cause, Decision]]) -> None:
        operations = [
            op if op.cause.id else _with_cause(op, cause)
            for _, cause, decision in decided
            for op in self._fenced(decision.writes)
        ]
        chunks = [operations[i : i + WRITES_A_BATCH_MAX] for i in range(0, len(operations), WRITES_A_BATCH_MAX)]
        answers = await asyncio.gather(*(self._send(chunk) for chunk in chunks))
        results = [result for answer in answers for result in answer]
        position = 0
        for key, cause, decision in decided:
            mine = results[position : position + len(decision.writes)]
            position += len(decision.writes)
            if all(
                result is not None and settled(op, result) for op, result in zip(decision.writes, mine, strict=True)
            ):
                self._finish(key, cause, decision)
            else:
                self._log_refusals(key, decision.writes, mine)
                self._carry_out_once(self.after_failure(key, self._view, self._ctx.wall_s(), decision.writes, mine))
                self._queue.failed(key, cause)

    def after_failure(
        self, key: Key, view: View, now_s: float, operations: Sequence[Operation], results: Sequence[Result | None]
    ) -> Decision:
        """What to do about writes that failed, besides trying the key again: a hook for subclasses, by default nothing.

        Called each time that not all writes of a key's decision are settled, with all of them and their answers in the
        same order, None where nobody answered. What it decides is carried out once: if its own writes fail, nothing
        comes of them. When the key comes again is the queue's affair, so `requeue_after_s` means nothing here.
        """
        return NOTHING_TO_DO

    def _carry_out_once(self, decision: Decision) -> None:
        for note in decision.events:
            self._recorder.record(note)
        if decision.writes:
            self._ctx.spawn(self._send_once(self._fenced(decision.writes)), "refusal")

    async def _send_once(self, operations: Sequence[Operation]) -> None:
        try:
            results = await self._client.batch(operations)
        except RequestError:
            return  # the next failure tells it again
        observe_results(self._informers, operations, results)

    def _fenced(self, writes: Sequence[Operation]) -> Sequence[Operation]:
        """The writes with the loop's fence, if it has one."""
        if self._fence is None:
            return writes
        return [replace(op, options={**op.options, "fence": self._fence}) for op in writes]

    async def _send(self, operations: Sequence[Operation]) -> Sequence[Result | None]:
        """One message of writes; None for each when nobody answered."""
        try:
            results = await self._client.batch(operations)
        except RequestError as error:
            print(f"{self._controller.name}: {error}", file=sys.stderr)  # noqa: T201 - the actor's log
            return [None] * len(operations)
        observe_results(self._informers, operations, results)
        return results

    def _log_refusals(self, key: Key, operations: Sequence[Operation], results: Sequence[Result | None]) -> None:
        """Say in the actor's log what was refused; conflicts are everyday and not worth a line."""
        for op, result in zip(operations, results, strict=True):
            if result is not None and not settled(op, result) and result.code != 409 and result.status:
                message = f"{self._controller.name}: {key}: {op.verb} {op.resource} {op.name}: "
                print(message + str(result.status.get("message")), file=sys.stderr)  # noqa: T201 - the actor's log


def _with_cause(op: Operation, cause: Cause) -> Operation:
    return Operation(op.verb, op.resource, op.namespace, op.name, op.subresource, op.body, op.options, cause)


async def run_controller(ctx: Context, controller: Controller) -> None:
    """Run a controller as an actor."""
    await ControllerLoop(ctx, controller).run()
