"""The Lease service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from store import protocol
from store.etcd_api import messages
from store.etcd_api.answers import Identity
from store.etcd_api.refusal import NOT_FOUND, Refusal
from store.etcd_api.store_client import StoreClient


class Lease:
    """Leases. Methods have their gRPC names."""

    def __init__(self, store: StoreClient, identity: Identity) -> None:
        self._store = store
        self._identity = identity

    async def LeaseGrant(self, request: Any) -> Any:
        """Begin a lease."""
        answer = (await self._store.ask(protocol.LEASE_GRANT, {"id": request.ID, "ttl_s": request.TTL})).body
        header = self._identity.header(answer["revision"])
        return messages.LeaseGrantResponse(header=header, ID=answer["id"], TTL=answer["ttl_s"])

    async def LeaseRevoke(self, request: Any) -> Any:
        """End a lease and delete its keys."""
        answer = (await self._store.ask(protocol.LEASE_REVOKE, {"id": request.ID})).body
        return messages.LeaseRevokeResponse(header=self._identity.header(answer["revision"]))

    async def LeaseKeepAlive(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Start leases' times anew, for as long as the client asks; a lease that is gone has no time left."""
        async for request in requests:
            try:
                answer = (await self._store.ask(protocol.LEASE_KEEPALIVE, {"id": request.ID})).body
            except Refusal as refusal:
                if refusal.code != NOT_FOUND:
                    raise
                answer = {"ttl_s": 0, "revision": await self._store.revision()}
            header = self._identity.header(answer["revision"])
            yield messages.LeaseKeepAliveResponse(header=header, ID=request.ID, TTL=answer["ttl_s"])

    async def LeaseTimeToLive(self, request: Any) -> Any:
        """How long a lease has yet; -1 when there is none."""
        try:
            answer = (await self._store.ask(protocol.LEASE_TTL, {"id": request.ID})).body
        except Refusal as refusal:
            if refusal.code != NOT_FOUND:
                raise
            header = self._identity.header(await self._store.revision())
            return messages.LeaseTimeToLiveResponse(header=header, ID=request.ID, TTL=-1)
        return messages.LeaseTimeToLiveResponse(
            header=self._identity.header(answer["revision"]),
            ID=request.ID,
            TTL=answer["ttl_s"],
            grantedTTL=answer["granted_ttl_s"],
            keys=answer["keys"] if request.keys else [],
        )

    async def LeaseLeases(self, request: Any) -> Any:
        """All leases."""
        answer = (await self._store.ask(protocol.LEASES)).body
        return messages.LeaseLeasesResponse(
            header=self._identity.header(answer["revision"]),
            leases=[messages.LeaseStatus(ID=lease_id) for lease_id in answer["ids"]],
        )
