"""Asks the store, and says no in etcd's words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from broker.context import Context, RequestFailed, RequestTimeout
from broker.message import Reply
from store import protocol
from store.etcd_api.answers import Row, txn_result
from store.etcd_api.refusal import refusal_of
from store.etcd_api.watch_hub import STORE

#: etcd gives a request 5 s and twice its election timeout (1 s); the store's commits take milliseconds.
TIMEOUT_S = 7.0


class StoreClient:
    """The store, for the API's handlers. Every method raises `Refusal`."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def ask(
        self, method: str, body: Any = None, blobs: Sequence[bytes] = (), timeout_s: float = TIMEOUT_S
    ) -> Reply:
        """One request."""
        try:
            return await self._ctx.request(STORE, method, body, blobs, timeout_s=timeout_s)
        except (RequestFailed, RequestTimeout) as error:
            raise refusal_of(error) from error

    async def pause(self) -> None:
        """Let others run."""
        await self._ctx.sleep(0)

    async def revision(self) -> int:
        """The store's present revision."""
        revision: int = (await self.ask(protocol.STATUS)).body["revision"]
        return revision

    async def txn(self, row: Row, values: Sequence[bytes]) -> tuple[bool, int, Sequence[Row], Iterator[bytes]]:
        """One transaction: whether its compares held, the revision, the answers and their values."""
        reply = await self.ask(protocol.TXN, [[*row, ""]], values)
        return (*txn_result(reply.body[0]), iter(reply.blobs))
