"""The store actor over a real etcd: the protocol of `store.protocol`, all data and all revisions etcd's.

It keeps nothing: a transaction is one etcd transaction, a range one etcd range, and the log is a watch of all keys. So
several copies may serve the same etcd at once, and any of them may die at any time. A request that etcd doesn't answer
stays unanswered here; its requester repeats it, as it would with a store that was restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from broker.context import Context
from broker.message import MalformedMessage, Request, pack
from store import protocol
from store.answered import AnsweredRequests
from store.compaction import COMPACTION_CHECK_S
from store.errors import Compacted, LeaseNotFound, StoreError
from store.etcd_api import messages
from store.etcd_backend.batch_order import predecessors
from store.etcd_backend.config import EtcdConfig
from store.etcd_backend.connection import EtcdConnection
from store.etcd_backend.history import History
from store.etcd_backend.log_follower import LogFollower
from store.etcd_backend.note import note_value, with_note
from store.etcd_backend.refusals import EtcdUnreachable
from store.etcd_backend.translation import (
    changes_of,
    check_reserved,
    previous_of,
    range_answer,
    range_requests,
    txn_answer,
    txn_request,
)
from store.publication import PUBLISHED_EVENTS_MAX
from store.retention import HistoryLimits, Retention
from store.transaction import Range, RangeAnswer, Txn, TxnAnswer
from store.wire import InvalidRequest, log_body, read_integers, read_range, read_txns
from store.wire import range_answer as range_row
from store.wire import txn_answer as txn_row

#: Transactions under way at etcd at once.
PIPELINED_MAX: Final = 256
#: STATUS tells numbers of keys and bytes that are this old at most (they are dear to ask for).
SIZES_AGE_S: Final = 2.0

Answer = tuple[Any, list[bytes]]


async def run(ctx: Context, config: EtcdConfig, history: HistoryLimits | None = None) -> None:
    """Serve the store until the actor is stopped. `history.bytes` has no meaning here: etcd has its own quota."""
    connection = EtcdConnection(ctx, config)
    try:
        store = EtcdStoreActor(ctx, connection)
        await store.start()
        ctx.spawn(store.compact_automatically(history or HistoryLimits()), "compaction")
        await store.follower.follow()
    finally:
        await connection.close()


class EtcdStoreActor:
    """State of one incarnation."""

    def __init__(self, ctx: Context, connection: EtcdConnection) -> None:
        self._ctx = ctx
        self._connection = connection
        self._history = History(connection)
        self.follower = LogFollower(ctx, connection, self._history)
        self._answered = AnsweredRequests()
        self._in_flight: set[str] = set()
        self._places = asyncio.Semaphore(PIPELINED_MAX)
        self._sizes = (0, 0)
        self._sizes_s = float("-inf")

    async def start(self) -> None:
        """Find out where etcd is, serve every method, and tell subscribers. Waits until etcd can be reached."""
        while True:
            try:
                await self.follower.start()
                break
            except EtcdUnreachable:
                continue
        txn_once = protocol.TXN_ONCE.format(self._ctx.incarnation)
        methods: dict[str, Callable[[Any, list[bytes]], Awaitable[Answer]]] = {
            protocol.TXN: self._txn,
            txn_once: self._txn,
            protocol.RANGE: self._range,
            protocol.WATCH: self._watch,
            protocol.STATUS: self._status,
            protocol.COMPACT: self._compact,
            protocol.HASH: self._hash,
            protocol.LEASE_GRANT: self._lease_grant,
            protocol.LEASE_REVOKE: self._lease_revoke,
            protocol.LEASE_KEEPALIVE: self._lease_keepalive,
            protocol.LEASE_TTL: self._lease_ttl,
            protocol.LEASES: self._leases,
        }
        writing = (protocol.TXN, txn_once, protocol.COMPACT, protocol.LEASE_GRANT, protocol.LEASE_REVOKE)
        for method, answer in methods.items():
            self._ctx.serve(method, self._serving(answer, remembers=method in writing))

    def _serving(
        self, answer: Callable[[Any, list[bytes]], Awaitable[Answer]], *, remembers: bool
    ) -> Callable[[Request], None]:
        """The handler of a method; it works on its own, beside others."""

        def handle(request: Request) -> None:
            answered = self._answered.get(request.id)
            if answered is not None:
                request.reply_encoded(*answered)
            elif request.id not in self._in_flight:
                self._in_flight.add(request.id)
                self._ctx.spawn(self._serve(request, answer, remembers), request.method)

        return handle

    async def _serve(
        self, request: Request, answer: Callable[[Any, list[bytes]], Awaitable[Answer]], remembers: bool
    ) -> None:
        try:
            body, blobs = await answer(request.body, request.blobs)
        except StoreError as error:
            request.fail(error.code, str(error))
        except (MalformedMessage, TypeError) as error:
            request.fail("InvalidArgument", f"the body is not as it should be: {error}")
        except EtcdUnreachable:
            pass  # the requester repeats itself
        else:
            encoded = pack(body)
            if remembers:
                self._answered.add(request.id, encoded, blobs)
            request.reply_encoded(encoded, blobs)
        finally:
            self._in_flight.discard(request.id)

    # -- writes

    async def _txn(self, body: Any, blobs: list[bytes]) -> Answer:
        rows = read_txns(body, blobs)
        txns = [txn for txn, _ in rows]
        for txn in txns:
            check_reserved(txn)
        wall_s = self._ctx.wall_s()
        tasks: list[asyncio.Task[TxnAnswer | StoreError]] = []
        for (txn, note), before in zip(rows, predecessors(txns), strict=True):
            asked = with_note(txn, note_value(note, wall_s)) if note else txn
            work = self._carry_out(txn, asked, [tasks[place] for place in before])
            tasks.append(asyncio.ensure_future(work))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        reply: list[Any] = []
        values: list[bytes] = []
        for txn, answer in zip(txns, answers, strict=True):
            if isinstance(answer, StoreError):
                reply.append([None, self.follower.position, [answer.code, str(answer)]])
            elif isinstance(answer, BaseException):
                raise answer
            else:
                reply.append(txn_row(answer, txn, values))
        return reply, values

    async def _carry_out(
        self, txn: Txn, asked: Txn, before: list[asyncio.Task[TxnAnswer | StoreError]]
    ) -> TxnAnswer | StoreError:
        for task in before:
            await task
        async with self._places:
            try:
                return txn_answer(await self._connection.call("KV", "Txn", txn_request(asked)), txn)
            except StoreError as error:
                return error

    async def _compact(self, body: Any, _: list[bytes]) -> Answer:
        (revision,) = read_integers(body, "revision")
        request = messages.CompactionRequest(revision=revision, physical=bool(body.get("physical")))
        answer = await self._connection.call("KV", "Compact", request)
        self._history.compacted = max(self._history.compacted, revision)
        return {"revision": answer.header.revision}, []

    # -- reads

    async def _range(self, body: Any, _: list[bytes]) -> Answer:
        asked = read_range(body)
        found = await self._read(asked)
        return [found.revision, *range_row(found)], [kv.value for kv in found.kvs]

    async def _read(self, asked: Range) -> RangeAnswer:
        requests = range_requests(asked)
        if len(requests) == 1:
            response = await self._connection.call("KV", "Range", requests[0])
            return range_answer(response, asked, 0, response.header.revision)
        txn = Txn((), [asked])
        answer = txn_answer(await self._connection.call("KV", "Txn", txn_request(txn)), txn)
        (found,) = answer.answers
        assert isinstance(found, RangeAnswer)
        found.revision = answer.revision
        return found

    async def _watch(self, body: Any, _: list[bytes]) -> Answer:
        (since,) = read_integers(body, "since")
        prev_kv = bool(body.get("prev_kv"))
        past = await self._history.since(since, PUBLISHED_EVENTS_MAX, prev_kv=prev_kv)
        changes = changes_of(past.events, self._ctx.wall_s())
        answer, values = log_body(since, changes, past.through), [kv.value for kv in changes]
        if prev_kv:
            previous = previous_of(past.events)
            answer.append([kv and kv[:5] for kv in previous])
            values += [kv.value for kv in previous if kv]
        return answer, values

    async def _status(self, _body: Any, _: list[bytes]) -> Answer:
        revision = await self._history.revision()
        if self._ctx.monotonic_s() - self._sizes_s > SIZES_AGE_S:
            self._sizes_s = self._ctx.monotonic_s()
            everything = await self._read(Range(b"\0", b"\0", count_only=True))
            status = await self._connection.call("Maintenance", "Status", messages.StatusRequest())
            self._sizes = (everything.count, status.dbSizeInUse)
        keys, size = self._sizes
        return {
            "revision": revision,
            "compacted": self._history.compacted,
            "keys": keys,
            "bytes": size,
            "incarnation": self._ctx.incarnation,
        }, []

    async def _hash(self, body: Any, _: list[bytes]) -> Answer:
        (revision,) = read_integers(body, "revision")
        answer = await self._connection.call("Maintenance", "HashKV", messages.HashKVRequest(revision=revision))
        compacted = max(answer.compact_revision, 0)
        return {"hash": answer.hash, "revision": answer.header.revision, "compacted": compacted}, []

    # -- leases

    async def _lease_grant(self, body: Any, _: list[bytes]) -> Answer:
        lease_id, ttl_s = read_integers(body, "id", "ttl_s")
        answer = await self._connection.call(
            "Lease", "LeaseGrant", _checked(messages.LeaseGrantRequest, ID=lease_id, TTL=ttl_s)
        )
        return {"id": answer.ID, "ttl_s": answer.TTL, "revision": answer.header.revision}, []

    async def _lease_revoke(self, body: Any, _: list[bytes]) -> Answer:
        (lease_id,) = read_integers(body, "id")
        answer = await self._connection.call("Lease", "LeaseRevoke", _checked(messages.LeaseRevokeRequest, ID=lease_id))
        return {"revision": answer.header.revision}, []

    async def _lease_keepalive(self, body: Any, _: list[bytes]) -> Answer:
        (lease_id,) = read_integers(body, "id")
        answer = await self._connection.keep_alive(lease_id)
        if answer.TTL <= 0:
            raise LeaseNotFound
        return {"ttl_s": answer.TTL, "revision": answer.header.revision}, []

    async def _lease_ttl(self, body: Any, _: list[bytes]) -> Answer:
        (lease_id,) = read_integers(body, "id")
        request = _checked(messages.LeaseTimeToLiveRequest, ID=lease_id, keys=True)
        answer = await self._connection.call("Lease", "LeaseTimeToLive", request)
        if answer.TTL < 0:
            raise LeaseNotFound
        return {
            "ttl_s": answer.TTL,
            "granted_ttl_s": answer.grantedTTL,
            "keys": sorted(answer.keys),
            "revision": answer.header.revision,
        }, []

    async def _leases(self, _body: Any, _: list[bytes]) -> Answer:
        answer = await self._connection.call("Lease", "LeaseLeases", messages.LeaseLeasesRequest())
        return {"ids": sorted(lease.ID for lease in answer.leases), "revision": answer.header.revision}, []

    # -- compaction

    async def compact_automatically(self, limits: HistoryLimits) -> None:
        """Keep no more revisions than the limits say, for ever. Of several copies the first does it."""
        retention = Retention(limits)
        while True:
            await self._ctx.sleep(COMPACTION_CHECK_S)
            try:
                revision = await self._history.revision()
                target = retention.target(revision, self._history.compacted, 0, self._ctx.monotonic_s())
                if target:
                    await self._connection.call("KV", "Compact", messages.CompactionRequest(revision=target))
                    self._history.compacted = max(self._history.compacted, target)
            except (Compacted, EtcdUnreachable):
                continue


def _checked(message: Any, **fields: Any) -> Any:
    """A message; numbers that don't fit are a bad request."""
    try:
        return message(**fields)
    except ValueError as error:
        raise InvalidRequest("a lease id and a TTL have 64 bits") from error
