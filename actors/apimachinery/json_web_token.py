"""JSON Web Tokens, as far as service accounts need them: compact form, signed by a key that is somebody else's."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Protocol

import orjson


class TokenKey(Protocol):
    """The key that tokens are signed with. Where it is kept is not the API server's business."""

    def available(self) -> bool:
        """Whether there is a key."""

    def header(self) -> Mapping[str, str]:
        """The algorithm and the key's id, as ``alg`` and ``kid``."""

    def sign(self, content: bytes) -> bytes:
        """The signature of a token's signing input."""

    def verify(self, content: bytes, signature: bytes) -> bool:
        """Whether it is the signature of that."""


class MalformedToken(ValueError):
    """It is no token of this form."""


def encoded(content: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """The reverse. Raises `MalformedToken`."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedToken(str(error)) from None


def signed(claims: Mapping[str, Any], key: TokenKey) -> str:
    """A token that says `claims`."""
    content = f"{encoded(orjson.dumps(dict(key.header())))}.{encoded(orjson.dumps(claims))}"
    return f"{content}.{encoded(key.sign(content.encode()))}"


def verified(token: str, key: TokenKey) -> dict[str, Any]:
    """The claims of a token that the key has signed. Raises `MalformedToken`."""
    content, _, signature = token.rpartition(".")
    head, _, body = content.partition(".")
    try:
        header, claims = orjson.loads(decoded(head)), orjson.loads(decoded(body))
    except orjson.JSONDecodeError as error:
        raise MalformedToken(str(error)) from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise MalformedToken("header and claims are objects")
    known = key.header()
    if header.get("alg") != known["alg"] or header.get("kid", known["kid"]) != known["kid"]:
        raise MalformedToken("it is signed with another key")
    if not key.verify(content.encode(), decoded(signature)):
        raise MalformedToken("the signature is wrong")
    return claims
