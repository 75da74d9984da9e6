"""Leases: keys that live as long as somebody keeps them alive.

Time is told to the lessor, not read: every call that needs it takes `now_s` of a clock that never jumps. After a
restart each lease starts its full time to live anew, as in etcd when a new leader takes over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from store.errors import LeaseExists, LeaseNotFound, LeaseTTLTooLarge

#: The longest lease etcd grants.
TTL_MAX_S: Final = 9_000_000_000
#: Shorter leases are granted this long: etcd's 1.5 election timeouts of a second, rounded up.
TTL_MIN_S: Final = 2


class LeaseRecord(NamedTuple):
    """What is kept on disk of a lease; `ttl_s` 0 says that it was revoked."""

    id: int
    ttl_s: int


@dataclass(slots=True)
class Lease:
    """A lease that is alive."""

    id: int
    ttl_s: int
    """Granted time to live."""
    expires_s: float
    keys: dict[bytes, None] = field(default_factory=dict)
    """Keys attached to it (a dict as an ordered set)."""


class Lessor:
    """All leases and what is attached to them."""

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}

    def __contains__(self, lease_id: int) -> bool:
        return lease_id in self._leases

    def __len__(self) -> int:
        return len(self._leases)

    def get(self, lease_id: int) -> Lease:
        """The lease. Raises `LeaseNotFound`."""
        lease = self._leases.get(lease_id)
        if lease is None:
            raise LeaseNotFound
        return lease

    def ids(self) -> list[int]:
        """Ids of all leases, those that expire first in front (etcd's order)."""
        return [lease.id for lease in sorted(self._leases.values(), key=lambda lease: (lease.expires_s, lease.id))]

    def check_grant(self, lease_id: int, ttl_s: int) -> None:
        """Refuse what `grant` would refuse. Raises `LeaseNotFound` for id 0, `LeaseExists`, `LeaseTTLTooLarge`."""
        if lease_id == 0:
            raise LeaseNotFound
        if ttl_s > TTL_MAX_S:
            raise LeaseTTLTooLarge
        if lease_id in self._leases:
            raise LeaseExists

    def grant(self, lease_id: int, ttl_s: int, now_s: float) -> Lease:
        """Begin a lease. Raises as `check_grant` does."""
        self.check_grant(lease_id, ttl_s)
        ttl_s = max(ttl_s, TTL_MIN_S)
        lease = Lease(lease_id, ttl_s, now_s + ttl_s)
        self._leases[lease_id] = lease
        return lease

    def put_back(self, lease: Lease) -> None:
        """Undo `remove`."""
        self._leases[lease.id] = lease

    def keep_alive(self, lease_id: int, now_s: float) -> int:
        """Start the lease's time anew; answers its time to live. Raises `LeaseNotFound`."""
        lease = self.get(lease_id)
        lease.expires_s = now_s + lease.ttl_s
        return lease.ttl_s

    def expired(self, now_s: float) -> list[int]:
        """Ids of the leases whose time is over, in the order it ended."""
        over = [lease for lease in self._leases.values() if lease.expires_s <= now_s]
        return [lease.id for lease in sorted(over, key=lambda lease: (lease.expires_s, lease.id))]

    def remove(self, lease_id: int) -> list[bytes]:
        """End a lease; answers the keys attached to it, sorted. Raises `LeaseNotFound`."""
        keys = sorted(self.get(lease_id).keys)
        del self._leases[lease_id]
        return keys

    def attach(self, lease_id: int, key: bytes) -> None:
        """Tie a key's life to a lease that exists."""
        self._leases[lease_id].keys[key] = None

    def detach(self, lease_id: int, key: bytes) -> None:
        """Undo `attach`; a lease that is gone has no keys to lose."""
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.keys.pop(key, None)
