"""Events do not stay for ever: each is written with a lease of the store, and goes when that ends.

As in Kubernetes (``--event-ttl``), an event is there for an hour after it was last written. Events of a minute, up to a
thousand, share a lease: the store deletes the keys of a lease in one transaction, which must not become too large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from broker.context import Context, RequestError
from store.protocol import LEASE_GRANT

COLLECTIONS: Final = frozenset({"events", "events.k8s.io/events"})
TTL_S: Final = 3600
#: A lease is given to new events for this long, and to so many of them.
REUSED_FOR_S: Final = 60.0
REUSED_TIMES: Final = 1000

Ready = Callable[[int | RequestError], None]
"""Is given the lease, or why the store did not grant one."""


class EventLeases:
    """The lease that events are written with now."""

    def __init__(self, ctx: Context, store: str) -> None:
        self._ctx = ctx
        self._store = store
        self._lease = 0
        self._granted_s = 0.0
        self._used = 0
        self._waiting: list[Ready] = []

    def when_ready(self, ready: Ready) -> None:
        """Call with a lease: at once when there is one, else when the store has granted it."""
        age_s = self._ctx.monotonic_s() - self._granted_s
        if self._lease and age_s < REUSED_FOR_S and self._used < REUSED_TIMES:
            self._used += 1
            ready(self._lease)
            return
        self._waiting.append(ready)
        if len(self._waiting) == 1:
            self._ctx.spawn(self._grant(), "event lease")

    def forget(self, lease: int) -> None:
        """The store doesn't know a lease: give it to nobody any more."""
        if lease == self._lease:
            self._lease = 0

    async def _grant(self) -> None:
        try:
            reply = await self._ctx.request(self._store, LEASE_GRANT, {"id": 0, "ttl_s": TTL_S + int(REUSED_FOR_S)})
        except RequestError as error:
            granted: int | RequestError = error
        else:
            granted = self._lease = reply.body["id"]
            self._granted_s = self._ctx.monotonic_s()
        waiting, self._waiting = self._waiting, []
        self._used = len(waiting)
        for ready in waiting:
            ready(granted)
