"""Pod addresses: each sandbox gets one of its node's range, unique while it lives (what a CNI plugin's IPAM does)."""

from __future__ import annotations

from ipaddress import IPv4Network


class AddressesExhausted(Exception):
    """The range has no free address."""


class PodAddresses:
    """Hands out the addresses of a range in turn, so that one just freed is not used again at once."""

    def __init__(self, cidr: str) -> None:
        network = IPv4Network(cidr)
        self._base = int(network.network_address)
        self._last = network.num_addresses - 2
        self._next = 2  # .0 is the network, .1 its gateway
        self._taken: dict[str, None] = {}

    def allocate(self) -> str:
        """A free address. Raises `AddressesExhausted`."""
        for _ in range(2, self._last + 1):
            offset = self._next
            self._next = offset + 1 if offset < self._last else 2
            address = self._text(offset)
            if address not in self._taken:
                self._taken[address] = None
                return address
        raise AddressesExhausted("no IP addresses available in range set")

    def take(self, address: str) -> None:
        """Mark an address that is in use already."""
        self._taken[address] = None

    def release(self, address: str) -> None:
        """Give it back."""
        self._taken.pop(address, None)

    def _text(self, offset: int) -> str:
        value = self._base + offset
        return f"{value >> 24 & 255}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def pod_cidr_of(index: int) -> str:
    """The range of the node with that index: 10.244.0.0/24 for the first."""
    return f"10.{244 + index // 256}.{index % 256}.0/24"
