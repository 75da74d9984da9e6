"""IP addresses and networks: ``ip()``, ``cidr()`` and what they can be asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def function(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return function


def _address(value: Any) -> Address:
    text = value["k8sIP"] if isinstance(value, dict) and "k8sIP" in value else value
    if not isinstance(text, str) or "%" in text:
        raise ValueError(f"IP Address {text!r} parse error during conversion from string")
    return ipaddress.ip_address(text)


def _network(value: Any) -> Network:
    text = value["k8sCIDR"] if isinstance(value, dict) and "k8sCIDR" in value else value
    if not isinstance(text, str) or "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    return ipaddress.ip_network(text, strict=False)


def _ip(value: Any) -> dict[str, str]:
    """An address from a text, or that of a network."""
    if isinstance(value, dict) and "k8sCIDR" in value:
        return {"k8sIP": value["k8sCIDR"].partition("/")[0]}
    return {"k8sIP": str(_address(value))}


def _cidr(text: str) -> dict[str, str]:
    network = _network(text)
    return {"k8sCIDR": f"{ipaddress.ip_address(text.partition('/')[0])}/{network.prefixlen}"}


def _contains_cidr(value: Any, other: Any) -> bool:
    outer, inner = _network(value), _network(other)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def _contains_ip(value: Any, other: Any) -> bool:
    return _address(other) in _network(value)


def _of_address(question: Callable[[Address], bool]) -> Callable[[Any], bool]:
    return lambda value: question(_address(value))


NETWORK_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "isIP": _is(_address),
    "isCIDR": _is(_network),
    "ip": _ip,
    "cidr": _cidr,
    "ip.isCanonical": lambda text: str(_address(text)) == text,
    "family": lambda value: _address(value).version,
    "isUnspecified": _of_address(lambda address: address.is_unspecified),
    "isLoopback": _of_address(lambda address: address.is_loopback),
    "isLinkLocalMulticast": _of_address(
        lambda address: address.is_multicast and str(address).startswith(("224.0.0.", "ff02:"))
    ),
    "isLinkLocalUnicast": _of_address(lambda address: address.is_link_local),
    "isGlobalUnicast": _of_address(
        lambda address: (
            not (address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local)
        )
    ),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "masked": lambda value: {"k8sCIDR": str(_network(value))},
    "prefixLength": lambda value: _network(value).prefixlen,
}
