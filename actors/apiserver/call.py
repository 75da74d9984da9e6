"""One operation under way in the API server, and what every verb needs to know about it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.apimachinery.depth import check_depth
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError, bad_request, not_found, status_failure
from actors.apimachinery.user import APISERVER_USER, User
from actors.apiserver.storage_key import collection_of, path_of
from actors.apiserver.write import Target
from broker.message import Request

#: A stored object may have this many bytes (etcd's default request limit).
OBJECT_BYTES_MAX: Final = 1_572_864


#: Looks at a new object, and at the old one when it is no creation.
Vet = Callable[["Call", Object, Object | None], None]


@dataclass(slots=True)
class Call:
    """An operation, resolved."""

    operation: Operation
    id: str
    resource: Resource
    now_s: float
    request: Request | None = None
    """The message it came with; None for the server's own."""
    user: User = APISERVER_USER
    """For whom it is done."""
    vet: Vet | None = None
    """Looks at what is about to be written, and may complete it; raises `ApiError` when the user may not write that."""

    @property
    def namespace(self) -> str:
        return self.operation.namespace if self.resource.namespaced else ""

    @property
    def name(self) -> str:
        return self.operation.name

    @property
    def dry_run(self) -> bool:
        return bool(self.operation.options.get("dryRun"))

    @property
    def field_validation(self) -> str:
        return str(self.operation.options.get("fieldValidation") or "Strict")

    def target(self, name: str = "") -> Target:
        """Where the object is stored."""
        return Target.of(collection_of(self.resource), path_of(self.namespace, name or self.operation.name))

    def not_found(self) -> ApiError:
        """404, naming the object."""
        return not_found(self.resource.plural, self.resource.group, self.operation.name)


def derived_uid(operation_id: str, identity: str) -> str:
    """The uid of what an operation creates: the same each time the operation is delivered (a version 8 UUID)."""
    digest = hashlib.blake2b(f"{operation_id}\n{identity}".encode(), digest_size=16).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:]}"


def check_size(blob: bytes) -> None:
    """Raises `ApiError` (413) for an object that is too large to be stored."""
    if len(blob) > OBJECT_BYTES_MAX:
        message = f"Request entity too large: limit is {OBJECT_BYTES_MAX}"
        raise ApiError(status_failure(413, "RequestEntityTooLarge", message))


def object_body(call: Call, api_version: str, kind: str) -> Object:
    """The body as an object of a kind. Raises `ApiError` (400) when it is something else."""
    body = call.operation.body
    if not isinstance(body, dict):
        raise bad_request("the body of the request was in an unknown format - expected an object")
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise bad_request(
            f'{kind} in version "{api_version.rpartition("/")[2]}" cannot be handled as a {kind}: json: cannot '
            f"unmarshal into Go struct field {kind}.metadata of type v1.ObjectMeta"
        )
    check_depth(body)
    stated_version, stated_kind = body.get("apiVersion") or api_version, body.get("kind") or kind
    if stated_version != api_version:
        message = f"the API version in the data ({stated_version}) does not match the expected API version"
        raise bad_request(f"{message} ({api_version})")
    if stated_kind != kind:
        version = api_version.rpartition("/")[2]
        raise bad_request(f'{stated_kind} in version "{version}" cannot be handled as a {kind}')
    if metadata is None or "apiVersion" not in body or "kind" not in body:
        body = {**body, "apiVersion": api_version, "kind": kind, "metadata": metadata or {}}
    return body
