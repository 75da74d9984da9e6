"""URLs: ``url(self).getHost()``, ``isURL(self)``. Absolute URIs and paths, as Go's ``ParseRequestURI`` takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.apimachinery.custom_resources.formats import has_format

#: RFC 3986, appendix B.
_PARTS: Final = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_PORT: Final = re.compile(r"(.*?)(?::(\d*))?", re.DOTALL)


def _is_url(text: str) -> bool:
    return has_format(text, "uri")


def _url(text: str) -> dict[str, str]:
    if not _is_url(text):
        raise ValueError("URL parse error during conversion from string")
    return {"k8sURL": text}


def _parts(url: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Scheme, host with port, path, query."""
    found = _PARTS.fullmatch(url["k8sURL"])
    if found is None:
        raise ValueError("no such overload: not a URL")
    scheme, host, path, query = (part or "" for part in found.groups())
    return scheme, host.rpartition("@")[2], path, query


def _host_and_port(url: Mapping[str, str]) -> tuple[str, str]:
    host = _parts(url)[1]
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        return name, port.removeprefix(":")
    found = _PORT.fullmatch(host)
    return (found.group(1), found.group(2) or "") if found is not None else (host, "")


def _query(url: Mapping[str, str]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for pair in _parts(url)[3].split("&"):
        if pair:
            name, _, value = pair.partition("=")
            values.setdefault(_unescaped(name), []).append(_unescaped(value))
    return values


def _unescaped(text: str) -> str:
    text = text.replace("+", " ")
    content = re.sub(rb"%([0-9a-fA-F]{2})", lambda found: bytes([int(found.group(1), 16)]), text.encode())
    return content.decode(errors="replace")


URL_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "isURL": _is_url,
    "url": _url,
    "getScheme": lambda url: _parts(url)[0],
    "getHost": lambda url: _parts(url)[1],
    "getHostname": lambda url: _host_and_port(url)[0],
    "getPort": lambda url: _host_and_port(url)[1],
    "getEscapedPath": lambda url: _parts(url)[2],
    "getQuery": _query,
}
