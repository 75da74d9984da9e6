"""What can be asked of the API server, and how it answers: the verbs of Kubernetes' API as messages.

Operations travel in batches: one request (method `OPERATE`) carries any number of them and its reply one result for
each, in order. They are carried out in order, each on its own (one store transaction each); one that fails does not
stop the next. An operation names its resource as ``group/version/plural`` (``apps/v1/deployments``; the core group is
just ``v1/pods``).

Objects travel as blobs: MessagePack of the object, encoded once by whoever wrote it. A stored object does not contain
its ``resourceVersion``; whoever decodes it fills that in from the revision that travels beside the blob
(`decode_object`), as Kubernetes does with etcd's mod_revision.

    request body    [operation, ...]              blobs: the operations' bodies, in order
    operation       [verb, resource, namespace, name, subresource, options, cause, has_body]
    reply body      [result, ...]                 blobs: the results' objects, in order
    result          [code, revision, [object revision, ...], status or None, extra or None]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from broker.message import NO_CAUSE, Cause, pack, unpack

#: Method of the API server: a batch of operations.
OPERATE: Final = "operate"
#: Method of the API server: take part in a watch stream (see `actors.apimachinery.stream`).
WATCH: Final = "watch"
#: Method of the API server: how many objects there are, by collection (``deployments.apps``), for metrics.
STORED_OBJECTS: Final = "stored_objects"

Object = dict[str, Any]
Verb = Literal["get", "list", "create", "update", "patch", "delete", "deletecollection"]

#: A mapping that every operation's options default to.
NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb on one resource.

    Options, by verb (all optional; names as in Kubernetes' query parameters):

    - list, deletecollection: ``labelSelector``, ``fieldSelector``, ``limit``, ``continue``
    - get, list: ``resourceVersion`` (``"0"``: any cached state will do; otherwise the answer is at least as new as
      every write acknowledged before the question)
    - create, update, patch: ``dryRun`` (bool), ``fieldValidation`` (``Strict``, the default, ``Warn``, ``Ignore``),
      ``fieldManager``, ``strictErrors`` (what a strict reader found wrong with the body's text)
    - patch: ``patchType``: ``json``, ``merge``, ``strategic`` (``apply`` is server-side apply)
    - delete, deletecollection: ``propagationPolicy`` (``Background``, ``Foreground``, ``Orphan``),
      ``gracePeriodSeconds``, ``preconditions`` (``{"uid": ..., "resourceVersion": ...}``), ``dryRun``
    - any: ``user``: for whom it is asked (`actors.apimachinery.user`); only who may act for others can say so
    - any write: ``fence`` ``{"namespace": ..., "name": ..., "uid": ...}``: refused (409) unless the
      ``coordination.k8s.io`` Lease of that name still has this uid when the write is committed, checked atomically
    """

    verb: Verb
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    body: Any = None
    """The object or the patch (a dict, or a list for a JSON patch); a Binding for ``pods/binding``; None if none."""
    options: Mapping[str, Any] = field(default_factory=dict)
    cause: Cause = NO_CAUSE
    """Why; filled in by the client from the running code's cause when left out."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one operation."""

    code: int
    """HTTP status code: 200, 201, 202 or an error's."""
    revision: int
    """Store revision of the answer: the write's own, or the state a list shows."""
    objects: tuple[Object, ...] = ()
    """The object, or a list's items, with resourceVersion filled in. A delete gives the object as it was last."""
    status: Object | None = None
    """Kubernetes' Status object when the operation failed."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """``continue``, ``remainingItemCount``, ``warnings`` where they apply."""

    @property
    def ok(self) -> bool:
        return self.code < 400

    @property
    def object(self) -> Object:
        """The one object of a successful operation."""
        return self.objects[0]


def operation_id(request_id: str, index: int) -> str:
    """Id of the index-th operation of a request. Trace records and watch events name operations by it."""
    return f"{request_id}#{index}"


def encode_object(obj: Object) -> bytes:
    """Encode an object for storing or sending, without its resourceVersion."""
    metadata = obj.get("metadata")
    if metadata and "resourceVersion" in metadata:
        metadata = {k: v for k, v in metadata.items() if k != "resourceVersion"}
        obj = {**obj, "metadata": metadata}
    return pack(obj)


def decode_object(blob: bytes, revision: int) -> Object:
    """Decode a stored object and fill in its resourceVersion."""
    obj: Object = unpack(blob)
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


def operations_to_wire(operations: Sequence[Operation], default_cause: Cause) -> tuple[list[Any], list[bytes]]:
    """Body and blobs of a request."""
    body: list[Any] = []
    blobs: list[bytes] = []
    for op in operations:
        cause = op.cause if op.cause.id else default_cause
        has_body = op.body is not None
        body.append(
            [op.verb, op.resource, op.namespace, op.name, op.subresource, dict(op.options), cause.wire(), has_body]
        )
        if has_body:
            blobs.append(pack(op.body))
    return body, blobs


def operations_from_wire(body: Any, blobs: Sequence[bytes]) -> list[Operation]:
    """The operations of a request, bodies decoded. Raises `ValueError` when it is not well formed."""
    if not isinstance(body, list):
        raise ValueError("a batch is a list of operations")  # noqa: TRY004 - what is wrong is the message
    operations: list[Operation] = []
    remaining = iter(blobs)
    for row in body:
        if not isinstance(row, list) or len(row) != 8:
            raise ValueError("an operation has eight fields")
        verb, resource, namespace, name, subresource, options, cause, has_body = row
        if not all(isinstance(text, str) for text in (verb, resource, namespace, name, subresource)):
            raise ValueError("an operation's verb, resource, namespace, name and subresource are strings")
        if not isinstance(options, dict):
            raise ValueError("an operation's options are a mapping")  # noqa: TRY004 - as above
        content = None
        if has_body:
            blob = next(remaining, None)
            if blob is None:
                raise ValueError("an operation's body is missing")
            content = unpack(blob)
        operations.append(
            Operation(verb, resource, namespace, name, subresource, content, options, Cause.from_wire(cause))
        )
    return operations


def results_from_wire(body: Any, blobs: Sequence[bytes]) -> list[Result]:
    """The results of a reply, objects decoded."""
    results: list[Result] = []
    position = 0
    for code, revision, revisions, status, extra in body:
        objects = tuple(decode_object(blobs[position + i], rev) for i, rev in enumerate(revisions))
        position += len(revisions)
        results.append(Result(code, revision, objects, status, extra or {}))
    return results
