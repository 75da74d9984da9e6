"""The store actor: the protocol of `store.protocol` around the data model (`store.mvcc`) and a log (`store.log`).

Writes are committed in groups. A handler only checks a request and puts it on the pending batch; once every message
that is waiting was handled, the batch is applied in order, the log takes all of its changes in one commit, and only
then are the requests answered and the changes published. Under load the groups grow by themselves, because messages
pile up while the disk syncs. A large group is two commits: those who are answered first work on while the second waits
for the disk, where else the store and its clients would wait for one another in turn.

Reads (RANGE, WATCH, STATUS) are answered at once from committed state: nothing is applied outside a commit, so what a
reader sees is durable. When the disk has no room for a batch, it is taken back and refused (`store.alarm`). If the log
fails otherwise, the actor crashes rather than go on with a state the disk may not have; its
requesters repeat themselves to the next incarnation, and every write of theirs carries a precondition.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Coroutine
from itertools import accumulate
from typing import Any, Final

from broker.context import Context
from broker.kept_answers import ANSWER_KEPT_BYTES_MAX
from broker.message import MalformedMessage, Message, Request, pack, unpack
from store import protocol
from store.alarm import LEASE_COST_BYTES, NOSPACE, QUOTA_BYTES, SpaceAlarm, txn_cost
from store.answered import AnsweredRequests
from store.compaction import Compactor
from store.errors import LeaseTTLTooLarge, NoSpace, RequestTooLarge, StoreError
from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.log import Log, LogFull
from store.mvcc import Mvcc
from store.publication import PUBLISHED_EVENTS_MAX, piece_end
from store.reads import Reads
from store.retention import HistoryLimits, Retention
from store.transaction import TXN_BYTES_MAX, Txn, txn_bytes
from store.wire import InvalidRequest, log_body, read_integers, read_txns, txn_answer

PROGRESS_SLEEP_MIN_S: Final = 0.01
#: How often leases are looked at (etcd: every half second).
LEASE_CHECK_S: Final = 0.5

#: Fewer transactions than this are not worth a commit of their own.
COMMIT_HALF_MIN: Final = 32

_LEASE_ID_BOUND: Final = 2**63

#: What became of a write: its reply's body and blobs, or why it was refused.
_Outcome = tuple[Any, list[bytes]] | StoreError
#: A write that waits for the commit: changes the data model and answers the reply's body and blobs, or is refused with
#: a `StoreError`.
_Apply = Callable[[], tuple[Any, list[bytes]]]
#: The transactions of a TXN request, each with its note.
_Txns = list[tuple[Txn, str]]
#: Who asked (nobody for a lease's expiry), and the write.
_Pending = tuple[Request | None, _Apply | _Txns]


async def run(ctx: Context, log: Log, history: HistoryLimits | None = None, quota_bytes: int = QUOTA_BYTES) -> None:
    """Serve the store until the actor is stopped. Raises `LogError` when the log can't be read or written."""
    store = StoreActor(ctx, log, quota_bytes)
    store.start()
    ctx.spawn(store.expire_leases(), "leases")
    ctx.spawn(store.compact_automatically(Retention(history or HistoryLimits())), "compaction")
    await store.publish_progress()


class StoreActor:
    """State of one incarnation."""

    def __init__(self, ctx: Context, log: Log, quota_bytes: int = QUOTA_BYTES) -> None:
        self._ctx = ctx
        self._log = log
        self._mvcc = Mvcc()
        self._alarm = SpaceAlarm(log, quota_bytes)
        self._reads = Reads(ctx, self._mvcc, log, self._alarm)
        self._compactor = Compactor(ctx, self._mvcc, log, self._alarm)
        self.compact_automatically = self._compactor.compact_automatically
        self._pending: list[_Pending] = []
        self._answered = AnsweredRequests()
        self._lease_records: list[LeaseRecord] = []
        self._published_s = 0.0

    def start(self) -> None:
        """Load the log, serve every method, and tell subscribers where the store is."""
        content = self._log.load()
        self._mvcc.restore(content.changes, content.leases, content.compacted_revision, self._ctx.monotonic_s())
        self._alarm.start(content.nospace)
        handlers: dict[str, Callable[[Request], None]] = {
            protocol.TXN: self._on_txn,
            protocol.TXN_ONCE.format(self._ctx.incarnation): self._on_txn,
            protocol.RANGE: self._reading(self._reads.range),
            protocol.WATCH: self._reading(self._reads.watch),
            protocol.STATUS: self._reading(self._reads.status),
            protocol.HASH: self._reading(self._reads.hash),
            protocol.LEASE_TTL: self._reading(self._reads.lease_ttl),
            protocol.LEASES: self._reading(self._reads.leases),
            protocol.VERSIONS: self._reading(self._reads.versions),
            protocol.LEASE_KEEPALIVE: self._reading(self._lease_keepalive),
            protocol.ALARM: self._reading(self._set_alarm),
            protocol.COMPACT: self._on_compact,
            protocol.DEFRAGMENT: self._on_defragment,
            protocol.LEASE_GRANT: self._writing(self._lease_grant),
            protocol.LEASE_REVOKE: self._writing(self._lease_revoke),
        }
        for method, handler in handlers.items():
            self._ctx.serve(method, handler)
        self._publish([], self._mvcc.revision)

    # -- writes

    def _on_txn(self, request: Request) -> None:
        if self._is_repeat(request):
            return
        message = request.message
        try:
            txns = read_txns(_body_of(message), message.blobs)
        except StoreError as error:
            request.fail(error.code, str(error))
        else:
            self._await_commit(request, txns)

    def _apply_txns(self, request: Request, txns: _Txns, wall_s: float) -> tuple[Any, list[bytes]]:
        is_large = sum(map(len, request.message.blobs)) > TXN_BYTES_MAX
        body: list[Any] = []
        blobs: list[bytes] = []
        for txn, note in txns:
            try:
                if is_large and txn_bytes(txn) > TXN_BYTES_MAX:
                    raise RequestTooLarge
                if self._alarm.watchful:
                    self._alarm.admit(txn_cost(txn))
                answer = self._mvcc.checked_txn(txn, note, wall_s)
            except StoreError as error:
                body.append([None, self._mvcc.revision, [error.code, str(error)]])
            else:
                body.append(txn_answer(answer, txn, blobs))
        return body, blobs

    def _lease_grant(self, body: Any) -> _Apply:
        lease_id, ttl_s = read_integers(body, "id", "ttl_s")
        if not -_LEASE_ID_BOUND < lease_id < _LEASE_ID_BOUND:
            raise InvalidRequest("a lease id has 64 bits")
        if ttl_s >= _LEASE_ID_BOUND:
            raise LeaseTTLTooLarge

        def apply() -> tuple[Any, list[bytes]]:
            self._alarm.admit(LEASE_COST_BYTES)
            chosen = lease_id
            while chosen == 0 or (not lease_id and chosen in self._mvcc.lessor):
                chosen = self._ctx.random.getrandbits(63)
            record = self._mvcc.grant(chosen, ttl_s, self._ctx.monotonic_s())
            self._lease_records.append(record)
            return {"id": record.id, "ttl_s": record.ttl_s, "revision": self._mvcc.revision}, []

        return apply

    def _lease_revoke(self, body: Any) -> _Apply:
        (lease_id,) = read_integers(body, "id")
        return lambda: self._apply_revoke(lease_id, "")

    def _apply_revoke(self, lease_id: int, note: str) -> tuple[Any, list[bytes]]:
        self._lease_records.append(self._mvcc.revoke(lease_id, note, self._ctx.wall_s()))
        return {"revision": self._mvcc.revision}, []

    def _writing(self, prepare: Callable[[Any], _Apply]) -> Callable[[Request], None]:
        """The handler of a method that changes something: checked now, carried out at the commit."""

        def handle(request: Request) -> None:
            if self._is_repeat(request):
                return
            try:
                apply = prepare(_body_of(request.message))
            except StoreError as error:
                request.fail(error.code, str(error))
                return
            self._await_commit(request, apply)

        return handle

    def _is_repeat(self, request: Request) -> bool:
        """Whether this request was answered before, with more than the fabric keeps; then it is answered again."""
        answered = self._answered.get(request.id)
        if answered is not None:
            request.reply_encoded(*answered)
        return answered is not None

    def _await_commit(self, request: Request | None, write: _Apply | _Txns) -> None:
        if not self._pending:
            self._ctx.after_drain(self._commit)
        self._pending.append((request, write))

    def _commit(self) -> None:
        """Commit what is pending, in two halves if it is much: the first go on while the second wait for the disk."""
        pending, self._pending = self._pending, []
        half = _half_of(pending)
        if half:
            self._commit_batch(pending[:half])
            del pending[:half]
        self._commit_batch(pending)

    def _commit_batch(self, pending: list[_Pending]) -> None:
        """Apply the batch, make it durable, answer it, publish it: in this order."""
        before = self._mvcc.revision
        try:
            outcomes, changes = self._apply_and_keep(pending)
        except LogFull:
            # Once more with the alarm raised: what only reads or deletes is let through if there is a reserve.
            self._alarm.activate()
            try:
                outcomes, changes = self._apply_and_keep(pending)
            except LogFull:
                outcomes, changes = [NoSpace()] * len(pending), []
        for (request, _), outcome in zip(pending, outcomes, strict=True):
            if request is not None:
                self._answer(request, outcome)
        if changes:
            self._publish(changes, before)

    def _apply_and_keep(self, pending: list[_Pending]) -> tuple[list[_Outcome], list[KeyValue]]:
        """What became of each write, and all changes. Raises `LogFull`, and has changed nothing then."""
        mvcc = self._mvcc
        before, place, bytes_before = mvcc.revision, mvcc.events_count, mvcc.history_bytes
        outcomes: list[_Outcome] = []
        wall_s = self._ctx.wall_s()
        for request, write in pending:
            try:
                if isinstance(write, list):
                    assert request is not None
                    outcomes.append(self._apply_txns(request, write, wall_s))
                else:
                    outcomes.append(write())
            except StoreError as error:
                outcomes.append(error)
        changes = mvcc.events_from(place)
        leases, self._lease_records = self._lease_records, []
        if changes or leases:
            try:
                self._log.append(changes, leases)
            except LogFull:
                mvcc.undo(before)
                raise
            mvcc.settle()
            self._alarm.committed(len(changes), mvcc.history_bytes - bytes_before)
        return outcomes, changes

    def _answer(self, request: Request, outcome: _Outcome) -> None:
        if isinstance(outcome, StoreError):
            request.fail(outcome.code, str(outcome))
            return
        body, blobs = outcome
        encoded = pack(body)
        if blobs or len(encoded) > ANSWER_KEPT_BYTES_MAX:  # smaller ones the fabric remembers
            self._answered.add(request.id, encoded, blobs)
        request.reply_encoded(encoded, blobs)

    # -- publications

    def _publish(self, changes: list[KeyValue], prev: int) -> None:
        """Publish changes that follow `prev`, in pieces that never split a revision; a progress mark if none."""
        start = 0
        while True:
            end = piece_end(changes, start, PUBLISHED_EVENTS_MAX)
            piece = changes[start:end]
            through = piece[-1].mod_revision if piece else prev
            self._ctx.publish(protocol.LOG_TOPIC, log_body(prev, piece, through), [kv.value for kv in piece])
            prev = through
            start = end
            if start >= len(changes):
                break
        self._published_s = self._ctx.monotonic_s()

    async def publish_progress(self) -> None:
        """Publish a progress mark whenever nothing was published for `PROGRESS_S`, for ever."""
        while True:
            idle_s = self._ctx.monotonic_s() - self._published_s
            if idle_s >= protocol.PROGRESS_S:
                self._publish([], self._mvcc.revision)
                idle_s = 0.0
            # The floor keeps a rounding error from turning into a sleep too short to move the clock.
            await self._ctx.sleep(max(protocol.PROGRESS_S - idle_s, PROGRESS_SLEEP_MIN_S))

    # -- reads

    def _reading(self, answer: Callable[[Any], tuple[Any, list[bytes]]]) -> Callable[[Request], None]:
        """The handler of a method that is answered at once."""

        def handle(request: Request) -> None:
            try:
                body, blobs = answer(_body_of(request.message))
            except StoreError as error:
                request.fail(error.code, str(error))
            else:
                request.reply(body, blobs)

        return handle

    # -- leases and compaction

    def _lease_keepalive(self, body: Any) -> tuple[Any, list[bytes]]:
        (lease_id,) = read_integers(body, "id")
        ttl_s = self._mvcc.lessor.keep_alive(lease_id, self._ctx.monotonic_s())
        return {"ttl_s": ttl_s, "revision": self._mvcc.revision}, []

    async def expire_leases(self) -> None:
        """Revoke leases whose time is over, for ever."""
        while True:
            await self._ctx.sleep(LEASE_CHECK_S)
            for lease_id in self._mvcc.lessor.expired(self._ctx.monotonic_s()):
                self._await_commit(None, self._expiry_of(lease_id))

    def _expiry_of(self, lease_id: int) -> _Apply:
        note = protocol.LEASE_EXPIRED_NOTE.format(lease_id)

        def apply() -> tuple[Any, list[bytes]]:
            if self._mvcc.lessor.get(lease_id).expires_s > self._ctx.monotonic_s():
                return None, []  # kept alive after it was found expired
            return self._apply_revoke(lease_id, note)

        return apply

    def _on_compact(self, request: Request) -> None:
        if self._is_repeat(request):
            return
        try:
            body = _body_of(request.message)
            (revision,) = read_integers(body, "revision")
            self._compactor.compact(revision)
        except StoreError as error:
            request.fail(error.code, str(error))
            return
        answer = {"revision": self._mvcc.revision}
        if body.get("physical"):
            self._ctx.spawn(self._answer_after(self._compactor.purge(), request, answer), "purge")
        else:
            self._answer(request, (answer, []))
            self._ctx.spawn(self._compactor.purge(), "purge")

    def _on_defragment(self, request: Request) -> None:
        if not self._is_repeat(request):
            answer = {"revision": self._mvcc.revision}
            self._ctx.spawn(self._answer_after(self._compactor.defragment(), request, answer), "defragment")

    async def _answer_after(self, work: Coroutine[Any, Any, None], request: Request, answer: Any) -> None:
        try:
            await work
        except StoreError as error:
            self._answer(request, error)
        else:
            self._answer(request, (answer, []))

    def _set_alarm(self, body: Any) -> tuple[Any, list[bytes]]:
        """Raise or lift NOSPACE; answers which alarms that changed."""
        if type(body) is not dict or type(body.get("raised")) is not bool:
            raise InvalidRequest("the request is a mapping with the truth of raised")
        changed = self._alarm.raised != body["raised"]
        try:
            if changed and body["raised"]:
                self._alarm.activate()
            elif changed:
                self._alarm.deactivate()
        except LogFull as error:
            raise NoSpace from error
        return {"alarms": [NOSPACE] if changed else [], "revision": self._mvcc.revision}, []


def _half_of(pending: list[_Pending]) -> int:
    """How many of the writes are half of the transactions; 0 when either half would be too small."""
    ends = list(accumulate(len(write) if isinstance(write, list) else 1 for _, write in pending))
    whole = ends[-1]
    place = bisect_left(ends, whole / 2)
    if place and whole - 2 * ends[place - 1] <= 2 * ends[place] - whole:  # before it is as near to the middle as after
        place -= 1
    return place + 1 if min(ends[place], whole - ends[place]) >= COMMIT_HALF_MIN else 0


def _body_of(message: Message) -> Any:
    """A request's body; a body that can't be decoded is refused like any other bad request."""
    try:
        return unpack(message.raw_body)
    except (MalformedMessage, TypeError) as error:  # TypeError: a mapping with keys that can't be keys
        raise InvalidRequest(f"the body is not MessagePack: {error}") from error
