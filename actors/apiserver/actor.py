"""The API server actor.

    OPERATE --> batch --> registry --> write (plan, commit, plan again) --> committer --> store
                             |                                                              |
                             +-----> reads <---- watch cache <---- follower <---- the store's log
                                                     |
    WATCH ------------------------------------> watching (streams) ----> publications

`registry` begins operations; what each does to an object is planned by pure functions in the modules named after the
verbs (`create`, `update`, `delete`, `binding`, `scale`, `eviction`). `write` carries plans to the store through
`committer`, which groups transactions. `follower` keeps the `watch_cache` at the store's heels; reads are answered from
it, and `watching` tells its changes to the streams. Everything runs in callbacks on one loop: nothing here waits for a
message while others are waiting to be handled.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from actors.apimachinery.json_web_token import TokenKey
from actors.apimachinery.operation import OPERATE, STORED_OBJECTS, WATCH, operations_from_wire
from actors.apimachinery.status import ApiError
from actors.apiserver.access import Access
from actors.apiserver.batch import OPERATIONS_MAX, Batch
from actors.apiserver.bootstrap import create_missing
from actors.apiserver.call import Call
from actors.apiserver.committer import Committer
from actors.apiserver.definitions import Definitions
from actors.apiserver.event_leases import EventLeases
from actors.apiserver.faults import ApiFaults, DisturbedRegistry
from actors.apiserver.follower import STORE, Follower
from actors.apiserver.reads import Reader
from actors.apiserver.reviews import Reviews
from actors.apiserver.role_reconciliation import RoleReconciliation
from actors.apiserver.served_resources import ServedResources
from actors.apiserver.service_account_tokens import ServiceAccountTokens
from actors.apiserver.watch_cache import WINDOW_EVENTS_MAX, Change, WatchCache
from actors.apiserver.watching import Watching
from actors.apiserver.write import Writer
from broker.context import Context
from broker.message import MalformedMessage, Request

#: Committed writes are told here, for `trace` (see `actors.tracer.record`).
TRACE_TOPIC: Final = "trace"
COMMIT: Final = "commit"


async def run(
    ctx: Context,
    window_events_max: int = WINDOW_EVENTS_MAX,
    store: str = STORE,
    token_key: TokenKey | None = None,
) -> None:
    """Serve the API until the actor is stopped.

    `store` is the name of the store actor, or of one of its copies; without a `token_key` there are no tokens of
    service accounts.
    """
    server = ApiServer(ctx, window_events_max, store, token_key)
    await server.start()
    await asyncio.Event().wait()


class ApiServer:
    """One incarnation of the API server."""

    def __init__(
        self,
        ctx: Context,
        window_events_max: int = WINDOW_EVENTS_MAX,
        store: str = STORE,
        token_key: TokenKey | None = None,
    ) -> None:
        self._ctx = ctx
        self.cache = WatchCache(window_events_max)
        self.resources = ServedResources(self.cache)
        self.watching = Watching(ctx, self.resources, self.cache)
        self.faults = ApiFaults(ctx, self.cache)
        self.access = Access(self.cache)
        self.follower = Follower(ctx, self.cache, self._on_changes, self._on_reload, store)
        committer = Committer(ctx, self._publish_trace, store)
        reader = Reader(ctx, self.cache, self.follower, store)
        self.registry = DisturbedRegistry(
            ctx, self.faults, self.resources, self.cache, Writer(self.cache, committer, EventLeases(ctx, store)), reader
        )
        self.registry.on_commit = self._on_commit
        self.definitions = Definitions(ctx, self.registry, self.cache)
        self.registry.vet = self.access.vet
        tokens = ServiceAccountTokens(self.cache, token_key)
        self.registry.answers = Reviews(self.access.authorizer, tokens).answers
        self.roles = RoleReconciliation(ctx, self.registry, self.cache)
        self._trace: list[list[Any]] = []

    async def start(self) -> None:
        """Load the cache, see that what is built in exists, and begin to serve."""
        await self.follower.start()
        self.resources.reload()
        await create_missing(self._ctx, self.registry)
        await self._see_roles()
        self.roles.reconcile_built_in()
        self._ctx.serve(OPERATE, self._on_operate)
        self._ctx.serve(STORED_OBJECTS, lambda request: request.reply(self.cache.counts()))
        self._ctx.serve(WATCH, self._on_watch)
        self.watching.say_hello()
        self.definitions.start()

    def _on_changes(self, changes: list[Change]) -> None:
        self.resources.on_changes(changes)
        self.access.on_changes(changes)
        self.roles.on_changes(changes)
        self.watching.on_changes(changes)
        self.definitions.on_changes(changes)
        if self.faults.resets(changes):
            self.watching.say_hello()

    def _on_reload(self) -> None:
        self.resources.reload()
        self.access.forget()
        self.watching.on_reload()
        self.definitions.start_over()

    async def _see_roles(self) -> None:
        """Wait until the cache shows what was created: before that, nobody would have any rights."""
        fresh = False
        while not fresh:
            reached: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self.follower.when_fresh(reached.set_result)
            fresh = await reached

    def _on_operate(self, request: Request) -> None:
        try:
            operations = operations_from_wire(request.body, request.blobs)
        except (ValueError, TypeError, MalformedMessage) as error:
            request.fail("BadRequest", str(error))
            return
        if len(operations) > OPERATIONS_MAX:
            request.fail("BadRequest", f"a batch has {OPERATIONS_MAX} operations at most")
            return
        Batch(request, operations, self.registry, self.access, self._ctx.wall_s()).start()

    def _on_watch(self, request: Request) -> None:
        try:
            self.access.check_watch(request)
        except ApiError as error:
            request.fail(error.reason, error.message)
            return
        if not self.faults.expires(request):
            self.watching.on_watch(request, self.follower)

    def _on_commit(self, call: Call, revision: int, path: str) -> None:
        """Note a committed write for `trace`."""
        operation, request = call.operation, call.request
        namespace, _, name = path.rpartition("/")
        sender = request.sender if request is not None else self._ctx.name
        cause = operation.cause
        if request is not None and not cause.id:
            cause = request.cause
        done_s = self._ctx.wall_s()
        received_s = request.received_s if request is not None else done_s
        self._trace.append(
            [
                COMMIT,
                call.id,
                sender,
                *cause.wire(),
                operation.verb,
                operation.resource,
                operation.subresource,
                namespace,
                name,
                revision,
                received_s,
                done_s,
            ]
        )

    def _publish_trace(self) -> None:
        if self._trace:
            rows, self._trace = self._trace, []
            self._ctx.publish(TRACE_TOPIC, rows)
