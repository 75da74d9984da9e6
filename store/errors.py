"""What the store refuses, with etcd's codes and messages."""

from __future__ import annotations

from typing import ClassVar


class StoreError(Exception):
    """A request was refused; nothing was changed by it."""

    code: ClassVar[str] = "InvalidArgument"
    """What a failed request of the store's protocol says."""
    grpc_code: ClassVar[int] = 3
    """The gRPC status code etcd answers with."""
    message: ClassVar[str] = ""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.message)


class Compacted(StoreError):
    """The revision asked for is older than the compacted one."""

    code = "Compacted"
    grpc_code = 11
    message = "etcdserver: mvcc: required revision has been compacted"


class FutureRevision(StoreError):
    """The revision asked for does not exist yet."""

    code = "FutureRevision"
    grpc_code = 11
    message = "etcdserver: mvcc: required revision is a future revision"


class EmptyKey(StoreError):
    """Keys have at least one byte."""

    message = "etcdserver: key is not provided"


class KeyNotFound(StoreError):
    """`ignore_value` and `ignore_lease` need a key that exists."""

    message = "etcdserver: key not found"


class ValueProvided(StoreError):
    """`ignore_value` goes without a value."""

    message = "etcdserver: value is provided"


class LeaseProvided(StoreError):
    """`ignore_lease` goes without a lease."""

    message = "etcdserver: lease is provided"


class TooManyOperations(StoreError):
    """A transaction has at most `OPERATIONS_MAX` compares, and as many operations a branch."""

    message = "etcdserver: too many operations in txn request"


class DuplicateKey(StoreError):
    """A transaction would put a key twice, or put and delete it."""

    message = "etcdserver: duplicate key given in txn request"


class RequestTooLarge(StoreError):
    """A transaction is larger than `transaction.TXN_BYTES_MAX`."""

    code = "RequestTooLarge"
    message = "etcdserver: request is too large"


class NoSpace(StoreError):
    """The space quota is used up or the disk is full: reads and deletes go on, other writes wait for an operator."""

    code = "NoSpace"
    grpc_code = 8
    message = "etcdserver: mvcc: database space exceeded"


class LeaseNotFound(StoreError):
    """No such lease, or it has expired."""

    code = "LeaseNotFound"
    grpc_code = 5
    message = "etcdserver: requested lease not found"


class LeaseExists(StoreError):
    """A lease of this id was granted already."""

    code = "LeaseExists"
    grpc_code = 9
    message = "etcdserver: lease already exists"


class LeaseTTLTooLarge(StoreError):
    """A lease lives at most `lease.TTL_MAX_S`."""

    code = "LeaseTTLTooLarge"
    grpc_code = 11
    message = "etcdserver: too large lease TTL"
