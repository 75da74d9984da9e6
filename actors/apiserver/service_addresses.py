"""Who holds which cluster IP, kept in the store: so that no two API servers give one address to two Services.

An address that a Service holds has a key of its own, with the Service's path as its value. The key is written in the
transaction that gives the Service its address, on the condition that it isn't there, and goes in the one that takes the
Service away. An API server chooses by what it has seen; whether it has seen enough is decided there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, FieldError, invalid
from actors.apiserver.committer import Compare, StoreOp

#: Not below the registry: these are not objects.
ADDRESSES: Final = b"/podchain/serviceips/"
SERVICES: Final = "services"


class AddressTaken(ApiError):
    """422: another Service holds the address."""

    def __init__(self, name: str, address: str) -> None:
        why = f"failed to allocate IP {address}: provided IP is already allocated"
        error = FieldError("FieldValueInvalid", "spec.clusterIPs", why, [address])
        super().__init__(invalid("Service", "", name, [error]).status)
        self.address = address


@dataclass(slots=True)
class Claim:
    """What a transaction does about addresses, beside writing the Service."""

    address: str = ""
    """The one that it takes; empty when it only lets one go."""
    compares: list[Compare] = field(default_factory=list)
    success: list[StoreOp] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)


def address_key(address: str) -> bytes:
    """The key of an address that is held."""
    return ADDRESSES + address.encode()


def claim_of(path: str, before: Object | None, after: Object | None) -> Claim | None:
    """What to do about addresses when a Service changes; None for nothing."""
    old, new = _held(before), _held(after)
    if old == new:
        return None
    claim = Claim(new)
    if new:
        claim.compares.append([address_key(new), "create", "=", 0])
        claim.success.append(["put", address_key(new), 0])
        claim.blobs.append(path.encode())
    if old:
        claim.success.append(["delete", address_key(old), b""])
    return claim


def _held(service: Object | None) -> str:
    """A Service's cluster IP; empty for one without."""
    address = ((service or {}).get("spec") or {}).get("clusterIP") or ""
    return "" if address == "None" else str(address)
