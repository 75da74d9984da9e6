"""A Secret's data as bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any


def secret_bytes(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """The values of a Secret's (or of a ConfigMap's binary) data, decoded; what isn't base64 is taken as empty."""
    return {key: decoded(text) for key, text in (secret.get("data") or {}).items()}


def decoded(text: str) -> bytes:
    """Base64 to bytes."""
    try:
        return base64.b64decode(text or "")
    except (binascii.Error, ValueError):
        return b""
