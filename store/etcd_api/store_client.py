"""Asks the store, and says no in etcd's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, Final

from broker.context import Context, RequestFailed, RequestTimeout
from broker.message import Reply
from store import protocol
from store.etcd_api.answers import Row, txn_result
from store.etcd_api.refusal import CONNECTION_LOST, UNAVAILABLE, Refusal, refusal_of
from store.etcd_api.watch_hub import STORE

#: etcd gives a request 5 s and twice its election timeout (1 s); the store's commits take milliseconds.
TIMEOUT_S: Final = 7.0
#: The store's incarnation is asked for when nothing was heard of it for so long.
INCARNATION_FRESH_S: Final = 0.5


class StoreClient:
    """The store, for the API's handlers. Every method raises `Refusal`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known = ""
        self._known_s = -inf

    async def ask(
        self, method: str, body: Any = None, blobs: Sequence[bytes] = (), timeout_s: float = TIMEOUT_S
    ) -> Reply:
        """One request."""
        try:
            return await self._ctx.request(STORE, method, body, blobs, timeout_s=timeout_s)
        except (RequestFailed, RequestTimeout) as error:
            raise refusal_of(error) from error

    async def _incarnation(self) -> str:
        """The store's, as of a moment ago: whoever writes now and then is not told of crashes long past."""
        if self._ctx.monotonic_s() > self._known_s + INCARNATION_FRESH_S:
            self._known = (await self.ask(protocol.STATUS)).body["incarnation"]
            self._known_s = self._ctx.monotonic_s()
        return self._known

    async def pause(self) -> None:
        """Let others run."""
        await self._ctx.sleep(0)

    async def revision(self) -> int:
        """The store's present revision."""
        revision: int = (await self.ask(protocol.STATUS)).body["revision"]
        return revision

    async def txn(self, row: Row, values: Sequence[bytes]) -> tuple[bool, int, Sequence[Row], Iterator[bytes]]:
        """One transaction: whether its compares held, the revision, the answers and their values.

        It is carried out once or not at all: when the store dies meanwhile, the client is told that nobody knows.
        """
        method = protocol.TXN_ONCE.format(await self._incarnation())
        try:
            reply = await self._ctx.request(STORE, method, [[*row, ""]], values, timeout_s=TIMEOUT_S)
        except RequestFailed as error:
            if error.code != "MethodNotServed":
                raise refusal_of(error) from error
            self._known_s = -inf
            raise Refusal(UNAVAILABLE, CONNECTION_LOST) from error
        except RequestTimeout as error:
            raise refusal_of(error) from error
        self._known_s = self._ctx.monotonic_s()
        return (*txn_result(reply.body[0]), iter(reply.blobs))
