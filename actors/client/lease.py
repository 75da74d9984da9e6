"""Leadership with fencing, over a ``coordination.k8s.io`` Lease.

A leader that takes over deletes its predecessor's Lease object and creates its own. Writes that carry the lease's
`fence` are refused by the API server, within the write's own transaction, once the object is another's: what a
predecessor still has on its way can't be committed after the takeover. So a view that is read after `acquire` misses no
write of any predecessor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.meta import format_micro_time, revision_of, uid_of
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError
from actors.client.client import Client
from broker.context import RequestError

RESOURCE: Final = "coordination.k8s.io/v1/leases"
LEASE_DURATION_S: Final = 15
RENEW_EVERY_S: Final = 10.0
ACQUIRE_RETRY_S: Final = 0.05


class LeaseLost(Exception):
    """Another has taken over; this one must stop."""


class FencedLease:
    """A named lease, held by this incarnation of the actor from `acquire` on."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._ctx = client.ctx
        self._namespace = namespace
        self._name = name
        self._identity = f"{self._ctx.name}_{self._ctx.incarnation}"
        self._uid = ""
        self.revision = 0
        """The store's when the lease was taken: a view of this or a newer one shows all that predecessors did."""

    @property
    def fence(self) -> Mapping[str, Any]:
        """The value for an operation's ``fence`` option. Only after `acquire`."""
        return {"namespace": self._namespace, "name": self._name, "uid": self._uid}

    async def acquire(self) -> None:
        """Take the lease over from whoever has it, and keep it renewed in the background."""
        transitions = 0
        while not self._uid:
            try:
                held = await self._client.get(RESOURCE, self._name, self._namespace)
                transitions = held["spec"].get("leaseTransitions", 0) + 1
                options = {"preconditions": {"uid": uid_of(held)}}
                await self._client.delete(RESOURCE, self._name, self._namespace, options=options)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
            try:
                created = await self._client.create(RESOURCE, self._lease(transitions))
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
                await self._ctx.sleep(ACQUIRE_RETRY_S * (1 + self._ctx.random.random()))
            else:
                self._uid, self.revision = uid_of(created), revision_of(created)
        self._ctx.spawn(self._renew(), f"lease {self._name}")

    def _lease(self, transitions: int) -> Object:
        now = format_micro_time(self._ctx.wall_s())
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_DURATION_S,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }

    async def _renew(self) -> None:
        while True:
            await self._ctx.sleep(RENEW_EVERY_S)
            patch = {"spec": {"renewTime": format_micro_time(self._ctx.wall_s())}}
            try:
                await self._client.patch(RESOURCE, self._name, patch, self._namespace, options={"fence": self.fence})
            except ApiError as error:
                if error.code in (404, 409):
                    await self._check()
            except RequestError:
                continue  # nobody answered; the fence holds meanwhile, and the next renewal may succeed

    async def _check(self) -> None:
        """Raise `LeaseLost` if the lease is another's; a refusal alone does not say so."""
        with contextlib.suppress(RequestError):
            try:
                held = await self._client.get(RESOURCE, self._name, self._namespace)
            except ApiError as error:
                if error.code == 404:
                    raise LeaseLost(f"{self._namespace}/{self._name} is gone") from error
                return
            if uid_of(held) != self._uid:
                raise LeaseLost(f"{self._namespace}/{self._name} is no longer held")
