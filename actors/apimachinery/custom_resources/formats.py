"""The string formats that Kubernetes checks in custom objects (``k8s.io/kube-openapi/pkg/validation/strfmt``)."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from actors.apimachinery.custom_resources.pattern import matches


def _by_pattern(pattern: str) -> Callable[[str], bool]:
    return lambda text: matches(pattern, text)


def _is_address(kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            kind(text)
        except ValueError:
            return False
        return True

    return check


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


_URI: Final = r"^([a-zA-Z][a-zA-Z0-9+.-]*:|/)[^\x00-\x20\x7f]*$"
"""Go's ``url.ParseRequestURI``: absolute, or a path from the root."""


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


_DATE_TIME: Final = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]"
    r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)([.,]\d+)?([Zz]|[+-]\d\d:?\d\d)"
)


def _is_date_time(text: str) -> bool:
    return _DATE_TIME.fullmatch(text) is not None and _is_date(text[:10])


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(text) % 4 == 0


_DURATION: Final = re.compile(
    r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w)"
    r"(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d|w))*|[-+]?0"
)
_HEX: Final = "[0-9a-fA-F]"

_FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "bsonobjectid": _by_pattern(f"^{_HEX}{{24}}$"),
    "uri": _by_pattern(_URI),
    "email": _by_pattern(r"^[^@\s<>]+@[^@\s<>]+$"),
    "hostname": _by_pattern(
        r"^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$"
    ),
    "ipv4": _is_address(ipaddress.IPv4Address),
    "ipv6": _is_address(ipaddress.IPv6Address),
    "cidr": _is_cidr,
    "mac": _by_pattern(f"^{_HEX}{{2}}([:-]{_HEX}{{2}}){{5}}$"),
    "uuid": _by_pattern(f"^{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}$"),
    "uuid3": _by_pattern(f"^{_HEX}{{8}}-?{_HEX}{{4}}-?3{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}$"),
    "uuid4": _by_pattern(f"^{_HEX}{{8}}-?{_HEX}{{4}}-?4{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}$"),
    "uuid5": _by_pattern(f"^{_HEX}{{8}}-?{_HEX}{{4}}-?5{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}$"),
    "hexcolor": _by_pattern(f"^#?({_HEX}{{3}}|{_HEX}{{6}})$"),
    "rgbcolor": _by_pattern(r"^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$"),
    "ssn": _by_pattern(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
    "byte": _is_base64,
    "date": _is_date,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
}


def has_format(text: str, name: str) -> bool:
    """Whether a text has a format. Formats that Kubernetes doesn't know (or doesn't check) every text has."""
    check = _FORMATS.get(name)
    return check is None or check(text)
