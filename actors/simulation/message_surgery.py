"""Messages of the API server's protocol, cut and forged: what a fault makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.operation import OPERATE, WATCH
from broker.message import KIND_FAILURE, KIND_REPLY, NO_CAUSE, VERSION, frames_of, pack, unpack

WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")

#: Refusals: HTTP status, Kubernetes' reason, and its words.
REFUSALS: Final[Mapping[str, tuple[int, str, str]]] = {
    "conflict": (409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    "too-many-requests": (429, "TooManyRequests", "the server has received too many requests"),
    "error-after-commit": (500, "InternalError", "an error on the server has prevented the request from succeeding"),
}


def writes_in(frames: Sequence[bytes]) -> list[list[Any]]:
    """The writes of a batch, as on the wire."""
    return [operation for operation in unpack(frames[1]) if operation[0] in WRITES]


def first_operations(frames: Sequence[bytes], keep: int) -> list[bytes]:
    """A batch that holds only its first operations."""
    operations = unpack(frames[1])[:keep]
    blobs = sum(1 for operation in operations if operation[7])
    return [frames[0], pack(operations), *frames[2 : 2 + blobs]]


def refusal(server: str, message_id: str, frames: Sequence[bytes], fault: str) -> list[bytes]:
    """The answer to a batch of which nothing is done."""
    results = [_status(fault) for _ in unpack(frames[1])]
    return frames_of((VERSION, KIND_REPLY, message_id, OPERATE, server, NO_CAUSE), [pack(results)])


def expired(server: str, message_id: str) -> list[bytes]:
    """The answer to a watch that is too old."""
    body = pack(["Expired", "too old resource version"])
    return frames_of((VERSION, KIND_FAILURE, message_id, WATCH, server, NO_CAUSE), [body])


def spoilt_reply(frames: Sequence[bytes]) -> list[bytes]:
    """The answer to a batch with every result replaced by an internal error."""
    return [frames[0], pack([_status("error-after-commit") for _ in unpack(frames[1])])]


def corrupted(frames: Sequence[bytes]) -> list[bytes]:
    """A message that cannot be read."""
    return [frames[0][:-1], *frames[1:]]


def _status(fault: str) -> list[Any]:
    code, reason, text = REFUSALS[fault]
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return [code, 0, [], {**status, "message": text, "reason": reason, "code": code}, None]
