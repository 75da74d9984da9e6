"""Calls to the API server, over the actor's context."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.apimachinery.operation import (
    OPERATE,
    Object,
    Operation,
    Result,
    operations_to_wire,
    results_from_wire,
)
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import HELLO_TOPIC
from actors.apimachinery.user import USER, User
from broker.context import REQUEST_TIMEOUT_S, Context
from broker.message import Publication


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A list's answer."""

    items: list[Object]
    revision: int
    continue_token: str = ""
    remaining: int = 0


class Client:
    """Kubernetes' verbs. Every call raises `ApiError` when refused and `RequestTimeout` when nobody answered."""

    def __init__(self, ctx: Context, target: str = "apiserver", user: User | None = None) -> None:
        self.ctx = ctx
        self.target = target
        self.user = user
        """For whom it asks, when that is not the actor itself; only who may act for others can say so."""
        self._on_server_start: list[Callable[[], None]] = []

    def acting_for(self, user: User) -> Client:
        """The same, asking for a user."""
        return Client(self.ctx, self.target, user)

    def on_server_start(self, callback: Callable[[], None]) -> None:
        """Call back whenever the API server says that it has (re)started."""
        if not self._on_server_start:
            self.ctx.subscribe(HELLO_TOPIC, self._server_started)
        self._on_server_start.append(callback)

    def _server_started(self, publication: Publication) -> None:
        if publication.message.sender == self.target:
            for callback in self._on_server_start:
                callback()

    async def batch(self, operations: Sequence[Operation], *, timeout_s: float = REQUEST_TIMEOUT_S) -> list[Result]:
        """Carry out operations in order, in one message. Failures are in the results, not raised."""
        if not operations:
            return []
        if self.user is not None:
            stated = self.user.wire()
            operations = [replace(op, options={**op.options, USER: stated}) for op in operations]
        body, blobs = operations_to_wire(operations, self.ctx.cause)
        reply = await self.ctx.request(self.target, OPERATE, body, blobs, timeout_s=timeout_s)
        return results_from_wire(reply.body, reply.blobs)

    async def call(self, operation: Operation, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Result:
        """Carry out one operation. Raises `ApiError` when it fails."""
        (result,) = await self.batch([operation], timeout_s=timeout_s)
        if not result.ok:
            raise ApiError(result.status or {"code": result.code})
        return result

    async def get(self, resource: str, name: str, namespace: str = "") -> Object:
        """One object."""
        return (await self.call(Operation("get", resource, namespace, name))).object

    async def list(
        self,
        resource: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        at_least_revision: str = "",
    ) -> ObjectList:
        """Objects of a collection, ordered by namespace and name; of all namespaces when none is given."""
        options: dict[str, Any] = {}
        if label_selector:
            options["labelSelector"] = label_selector
        if field_selector:
            options["fieldSelector"] = field_selector
        if limit:
            options["limit"] = limit
        if continue_token:
            options["continue"] = continue_token
        if at_least_revision:
            options["resourceVersion"] = at_least_revision
        result = await self.call(Operation("list", resource, namespace, options=options))
        return ObjectList(
            list(result.objects),
            result.revision,
            result.extra.get("continue", ""),
            result.extra.get("remainingItemCount", 0),
        )

    async def create(
        self, resource: str, obj: Object, namespace: str = "", *, options: Mapping[str, Any] | None = None
    ) -> Object:
        """Create an object; answers it as stored."""
        namespace = namespace or obj["metadata"].get("namespace", "")
        name = obj["metadata"].get("name", "")
        return (await self.call(Operation("create", resource, namespace, name, "", obj, options or {}))).object

    async def update(
        self,
        resource: str,
        obj: Object,
        *,
        subresource: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Object:
        """Replace an object, or its status; refused with 409 when its resourceVersion is stale."""
        metadata = obj["metadata"]
        operation = Operation(
            "update", resource, metadata.get("namespace", ""), metadata["name"], subresource, obj, options or {}
        )
        return (await self.call(operation)).object

    async def patch(
        self,
        resource: str,
        name: str,
        patch: Any,
        namespace: str = "",
        *,
        patch_type: str = "merge",
        subresource: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> Object:
        """Patch an object: ``merge``, ``json``, ``strategic`` or ``apply``."""
        operation = Operation(
            "patch", resource, namespace, name, subresource, patch, {**(options or {}), "patchType": patch_type}
        )
        return (await self.call(operation)).object

    async def delete(
        self, resource: str, name: str, namespace: str = "", *, options: Mapping[str, Any] | None = None
    ) -> Object:
        """Ask for deletion; answers the object, which is still there while a grace period or finalizers hold it."""
        return (await self.call(Operation("delete", resource, namespace, name, "", None, options or {}))).object
