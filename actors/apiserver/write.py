"""A write on its way: planned from what is known, committed if the store still has that, planned again if not.

What a write would do is a pure function of the states of the keys it looks at (its `Plan`). It is computed from what
the server knows already. The store's transaction checks that the knowledge was true; when it wasn't, its answer has the
states as they are, and the plan is made again. A plan to refuse, or to write nothing, can't be checked that way: unless
the states are certain, they are read from the store first. So what a client is told never rests on a stale cache.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from actors.apimachinery.operation import Object, Operation, decode_object
from actors.apimachinery.status import ApiError, conflict, internal_error, status_failure
from actors.apiserver.committer import Committer, Compare, StoreOp, Txn, TxnAnswer, read_op
from actors.apiserver.entry import Entry
from actors.apiserver.event_leases import COLLECTIONS as EVENTS
from actors.apiserver.event_leases import EventLeases
from actors.apiserver.service_addresses import SERVICES, AddressTaken, Claim, address_key, claim_of
from actors.apiserver.storage_key import store_key
from actors.apiserver.watch_cache import WatchCache
from broker.context import RequestError, RequestFailed, RequestTimeout

#: A write that keeps losing against others gives up with a conflict.
ATTEMPTS_MAX: Final = 32


@dataclass(slots=True)
class Outcome:
    """The answer to one operation, as it goes on the wire."""

    code: int
    revision: int = 0
    blobs: Sequence[bytes] = ()
    revisions: Sequence[int] = ()
    status: Object | None = None
    extra: dict[str, Any] | None = None

    @staticmethod
    def of_error(error: ApiError, revision: int = 0) -> Outcome:
        """A refusal."""
        return Outcome(error.code, revision, status=error.status)

    @staticmethod
    def of_fault(error: Exception) -> Outcome:
        """A fault of ours, met on one operation: its client gets 500, the log the rest. Others are not concerned."""
        traceback.print_exception(error)
        return Outcome.of_error(internal_error(f"{type(error).__name__}: {error}"))


class Target(NamedTuple):
    """A key that a write looks at."""

    key: bytes
    collection: str
    path: str

    @staticmethod
    def of(collection: str, path: str) -> Target:
        return Target(store_key(collection, path), collection, path)


@dataclass(slots=True)
class Commit:
    """Planned: write (or, with no blob, delete) the first target."""

    blob: bytes | None
    code: int = 200
    answer: bytes | None = None
    """What the answer shows, when it isn't what is written (a Scale, the last state of what is deleted)."""
    object: Object | None = None
    """What `blob` decodes to, the server's own from now on; saves decoding it."""
    extra: dict[str, Any] | None = None


@dataclass(slots=True)
class Answer:
    """Planned: nothing to write."""

    outcome: Outcome


Plan = Commit | Answer


@dataclass(slots=True)
class Write:
    """One operation that may write one object."""

    operation: Operation
    id: str
    targets: list[Target]
    """The object's key, then whatever else the plan looks at; `plan` is given the states in the same order."""
    plan: Callable[[Sequence[Entry]], Plan]
    done: Callable[[Outcome], None]
    watched_by: list[str] = field(default_factory=list)
    """What of each further target must still be as it was: ``mod`` (any change counts), ``create`` (a new object)."""
    committed: Callable[[int, str], None] | None = None
    """Told revision and path of what was written."""
    otherwise: Callable[[ApiError], Write | None] | None = None
    """What to try instead of failing."""
    dry_run: bool = False
    attempts: int = 0
    lease: int = 0
    """What it writes goes with this lease of the store; 0: it stays."""


class Writer:
    """Carries out writes."""

    def __init__(self, cache: WatchCache, committer: Committer, leases: EventLeases) -> None:
        self._cache = cache
        self._committer = committer
        self._leases = leases

    def start(self, write: Write) -> None:
        """Plan from what is known and go on from there."""
        if write.targets[0].collection in EVENTS and write.operation.verb != "delete":
            self._leases.when_ready(lambda lease: self._begin(write, lease))
        else:
            self._begin(write, 0)

    def _begin(self, write: Write, lease: int | RequestError) -> None:
        if isinstance(lease, RequestError):
            write.done(_unreachable(lease))
            return
        write.lease = lease
        states = [self._cache.latest(*target) for target in write.targets]
        self._step(write, states, certain=False)

    def _step(self, write: Write, states: Sequence[Entry], *, certain: bool) -> None:
        try:
            plan = write.plan(states)
        except ApiError as error:
            if certain:
                self._refuse(write, error)
            else:
                self._look(write)
            return
        except Exception as error:  # the transactions of others are in the same batch
            write.done(Outcome.of_fault(error))
            return
        if isinstance(plan, Commit) and not write.dry_run:
            self._commit(write, plan, states)
        elif not certain:
            self._look(write)
        elif isinstance(plan, Commit):
            self._finish(write, plan, states[0].revision)
        else:
            write.done(plan.outcome)

    def _refuse(self, write: Write, error: ApiError) -> None:
        try:
            instead = write.otherwise(error) if write.otherwise is not None else None
        except ApiError as another:
            error, instead = another, None
        if instead is not None:
            self.start(instead)
        else:
            write.done(Outcome.of_error(error, self._cache.revision))

    def _look(self, write: Write) -> None:
        """Read the targets' states from the store."""

        def answered(answer: TxnAnswer | RequestError) -> None:
            if isinstance(answer, TxnAnswer):
                self._learn(write, answer)
                self._step(write, answer.entries, certain=True)
            else:
                write.done(_unreachable(answer))

        self._committer.submit(Txn([], [read_op(target.key) for target in write.targets], [], [], write.id, answered))

    def _learn(self, write: Write, answer: TxnAnswer) -> None:
        for target, entry in zip(write.targets, answer.entries, strict=True):
            self._cache.remember(target.key, entry)

    def _commit(self, write: Write, plan: Commit, states: Sequence[Entry]) -> None:
        target = write.targets[0]
        compares: list[Compare] = [[target.key, "mod", "=", states[0].revision if states[0].exists else 0]]
        for other, aspect, state in zip(write.targets[1:], write.watched_by, states[1:], strict=True):
            seen = state.revision if aspect == "mod" else state.create_revision
            compares.append([other.key, aspect, "=", seen if state.exists else 0])
        success: StoreOp = ["delete", target.key, b""] if plan.blob is None else ["put", target.key, write.lease]
        blobs = [plan.blob] if plan.blob is not None else []
        failure = [read_op(each.key) for each in write.targets]
        claim = _claim_of(target, states[0], plan)
        if claim is not None:
            compares += claim.compares
            blobs += claim.blobs
            failure += [read_op(address_key(claim.address))] if claim.address else []

        if plan.blob is not None and plan.object is not None:
            self._cache.expect(target.key, plan.blob, plan.object)

        def answered(answer: TxnAnswer | RequestError) -> None:
            self._cache.expect_no_more(target.key)
            if isinstance(answer, TxnAnswer):
                self._answered(write, plan, states, answer, claim)
            elif isinstance(answer, RequestFailed) and answer.code == "LeaseNotFound" and not write.attempts:
                write.attempts += 1
                self._leases.forget(write.lease)
                self.start(write)
            else:
                write.done(_unreachable(answer))

        changes = [success, *claim.success] if claim is not None else [success]
        self._committer.submit(Txn(compares, changes, failure, blobs, write.id, answered))

    def _answered(
        self, write: Write, plan: Commit, states: Sequence[Entry], answer: TxnAnswer, claim: Claim | None
    ) -> None:
        if answer.succeeded:
            self._committed(write, plan, states[0], answer.revision)
            return
        if claim is not None and claim.address:
            holder = answer.entries.pop()
            if holder.exists and holder.blob != write.targets[0].path.encode():
                self._learn(write, answer)
                self._refuse(write, AddressTaken(write.operation.name, claim.address))
                return
        self._learn(write, answer)
        target, current = write.targets[0], answer.entries[0]
        if plan.blob is not None and current.blob == plan.blob and current.revision != states[0].revision:
            # The very bytes are there. Either the transaction was carried out before and its answer got lost, or
            # somebody else wrote the same, who must not be taken for oneself: both read 1 and both wrote 2, say.

            def told(note: str | None) -> None:
                if note == write.id:
                    self._finish(write, plan, current.revision)
                else:
                    self._plan_again(write, answer)

            self._committer.find_note(target.key, current.revision, told)
            return
        self._plan_again(write, answer)

    def _plan_again(self, write: Write, answer: TxnAnswer) -> None:
        write.attempts += 1
        if write.attempts >= ATTEMPTS_MAX:
            _, _, plural = write.operation.resource.rpartition("/")
            write.done(Outcome.of_error(conflict(plural, "", write.operation.name), answer.revision))
            return
        self._step(write, answer.entries, certain=True)

    def _committed(self, write: Write, plan: Commit, before: Entry, revision: int) -> None:
        target = write.targets[0]
        obj = plan.object
        if obj is not None:
            obj["metadata"]["resourceVersion"] = str(revision)
        created = before.create_revision if before.exists else revision
        self._cache.remember(target.key, Entry(plan.blob, revision, created if plan.blob is not None else 0, obj))
        if write.committed is not None:
            write.committed(revision, target.path)
        self._finish(write, plan, revision)

    def _finish(self, write: Write, plan: Commit, revision: int) -> None:
        shown = plan.answer if plan.answer is not None else plan.blob
        blobs = [shown] if shown is not None else []
        write.done(Outcome(plan.code, revision, blobs, [revision] * len(blobs), None, plan.extra))


def _claim_of(target: Target, state: Entry, plan: Commit) -> Claim | None:
    if target.collection != SERVICES:
        return None
    after = plan.object
    if after is None and plan.blob is not None:
        after = decode_object(plan.blob, 0)
    return claim_of(target.path, state.object if state.exists else None, after)


def _unreachable(error: RequestError) -> Outcome:
    """The store refused (full, say), or did not answer: then whether the write was carried out is unknown."""
    if isinstance(error, RequestTimeout):
        return Outcome(504, status=status_failure(504, "Timeout", "Timeout: request did not complete within its time"))
    if isinstance(error, RequestFailed):  # the store refused: in its words, which are etcd's, as Kubernetes does
        return Outcome(500, status=status_failure(500, "", error.message))
    return Outcome.of_error(internal_error(str(error)))
