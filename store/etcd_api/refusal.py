"""How the API refuses: etcd's gRPC codes and texts."""

from __future__ import annotations

from typing import Final

from broker.context import RequestFailed, RequestTimeout
from store import errors, wire
from store.transaction import TXN_BYTES_MAX

INVALID_ARGUMENT: Final = 3
NOT_FOUND: Final = 5
FAILED_PRECONDITION: Final = 9
OUT_OF_RANGE: Final = 11
INTERNAL: Final = 13
UNAVAILABLE: Final = 14


class Refusal(Exception):
    """A call is answered with this status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


TIMED_OUT: Final = "etcdserver: request timed out"
CONNECTION_LOST: Final = "etcdserver: request timed out, possibly due to connection lost"
AUTH_NOT_ENABLED: Final = "etcdserver: authentication is not enabled"
KEY_NOT_FOUND: Final = errors.KeyNotFound.message
INVALID_SORT: Final = "etcdserver: invalid sort option"
COMPACTED: Final = errors.Compacted.message

#: What etcd puts around a write before it measures it, and what gRPC may carry beside a request.
RAFT_OVERHEAD_BYTES: Final = 17
GRPC_OVERHEAD_BYTES: Final = 512 * 1024


def _codes() -> dict[str, int]:
    found: dict[str, int] = {}
    waiting: list[type[errors.StoreError]] = [errors.StoreError, wire.InvalidRequest]
    while waiting:
        error = waiting.pop()
        found[error.code] = error.grpc_code
        waiting += error.__subclasses__()
    return found


_GRPC_CODES: Final = _codes()


def refusal_of(error: RequestFailed | RequestTimeout) -> Refusal:
    """What a failed request to the store means to a client of the API."""
    if isinstance(error, RequestFailed):
        return Refusal(_GRPC_CODES.get(error.code, INTERNAL), error.message)
    return Refusal(UNAVAILABLE, TIMED_OUT)


def failed_txn(code: str, message: str) -> Refusal:
    """What a transaction means that the store refused inside a batch."""
    return Refusal(_GRPC_CODES.get(code, INTERNAL), message)


def check_size(request_bytes: int) -> None:
    """Refuse a write that is larger than etcd takes. Raises `Refusal`."""
    if request_bytes + RAFT_OVERHEAD_BYTES > TXN_BYTES_MAX:
        raise Refusal(INVALID_ARGUMENT, errors.RequestTooLarge.message)
