"""What others need to verify service accounts' tokens: OpenID Connect's discovery document, and the public key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import orjson
from aiohttp import web

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
KEYS_PATH: Final = "/openid/v1/jwks"
ISSUER: Final = "https://kubernetes.default.svc.cluster.local"


class PublicKeys(Protocol):
    """Knows the keys that tokens are verified with."""

    def key_set(self) -> Mapping[str, Any]:
        """A JSON Web Key Set."""


def issuer_document(path: str, host: str, keys: PublicKeys) -> web.Response | None:
    """The document of that path; None for other paths."""
    if path == DISCOVERY_PATH:
        document: dict[str, Any] = {
            "issuer": ISSUER,
            "jwks_uri": f"https://{host}{KEYS_PATH}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return _answer(document, "application/json")
    if path == KEYS_PATH:
        return _answer(keys.key_set(), "application/jwk-set+json")
    return None


def _answer(document: Mapping[str, Any], content_type: str) -> web.Response:
    headers = {"Content-Type": content_type, "Cache-Control": "public, max-age=3600"}
    return web.Response(body=orjson.dumps(dict(document)), headers=headers)
