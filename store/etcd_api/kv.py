"""The KV service."""

from __future__ import annotations

from typing import Any

from store import protocol
from store.etcd_api import messages
from store.etcd_api.answers import Identity, delete_response, put_response, range_response, txn_response
from store.etcd_api.refusal import KEY_NOT_FOUND, Refusal, check_size
from store.etcd_api.requests import delete_operation, is_read_only, put_operation, range_request, txn_row
from store.etcd_api.store_client import StoreClient

#: A physical compaction may take long.
COMPACTION_TIMEOUT_S = 300.0


class KV:
    """Reads and writes. Methods have their gRPC names; each takes a request and answers a response."""

    def __init__(self, store: StoreClient, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    async def Range(self, request: Any) -> Any:
        """Read keys."""
        reply = await self._store.ask(protocol.RANGE, range_request(request))
        revision, kvs, more, count = reply.body
        return range_response(self._identity.header(revision), kvs, more, count, iter(reply.blobs))

    async def Put(self, request: Any) -> Any:
        """Write a key."""
        check_size(request.ByteSize())
        values: list[bytes] = []
        row = [[], [put_operation(request, values)], []]
        try:
            _, revision, answers, found = await self._store.txn(row, values)
        except Refusal as refusal:
            if request.lease and refusal.message == KEY_NOT_FOUND:  # a put on its own looks at its lease first
                await self._store.ask(protocol.LEASE_TTL, {"id": request.lease})
            raise
        return put_response(self._identity.header(revision), answers[0], found)

    async def DeleteRange(self, request: Any) -> Any:
        """Delete keys."""
        check_size(request.ByteSize())
        _, revision, answers, found = await self._store.txn([[], [delete_operation(request)], []], ())
        return delete_response(self._identity.header(revision), answers[0], found)

    async def Txn(self, request: Any) -> Any:
        """Carry out a transaction. One that only reads may be of any size, as in etcd."""
        if not is_read_only(request):
            check_size(request.ByteSize())
        values: list[bytes] = []
        row = txn_row(request, values)
        succeeded, revision, answers, found = await self._store.txn(row, values)
        return txn_response(self._identity.header(revision), succeeded, revision, answers, found)

    async def Compact(self, request: Any) -> Any:
        """Give up history."""
        body = {"revision": request.revision, "physical": request.physical}
        reply = await self._store.ask(protocol.COMPACT, body, timeout_s=COMPACTION_TIMEOUT_S)
        return messages.CompactionResponse(header=self._identity.header(reply.body["revision"]))
