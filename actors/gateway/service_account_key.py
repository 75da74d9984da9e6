"""The key that service account tokens are signed with: ES256, in a file of the cluster's credentials.

The library that signs is loaded, and the file read, when the first token is asked for.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

#: Both halves of a signature have so many bytes.
HALF_BYTES: Final = 32


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class ServiceAccountKey:
    """Signs and verifies (`actors.apimachinery.json_web_token.TokenKey`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def available(self) -> bool:
        """Whether the file is there."""
        return "_key" in self.__dict__ or self._path.exists()

    @cached_property
    def _key(self) -> Any:
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        return load_pem_private_key(self._path.read_bytes(), None)

    @cached_property
    def key_id(self) -> str:
        """Derived from the public key, as Kubernetes derives it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _encoded(hashlib.sha256(public).digest())

    def header(self) -> Mapping[str, str]:
        """What tokens begin with."""
        return {"alg": "ES256", "kid": self.key_id}

    def sign(self, content: bytes) -> bytes:
        """The signature, both halves one after the other (RFC 7518)."""
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        r, s = utils.decode_dss_signature(self._key.sign(content, ec.ECDSA(SHA256())))
        return bytes(r.to_bytes(HALF_BYTES) + s.to_bytes(HALF_BYTES))

    def verify(self, content: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        if len(signature) != 2 * HALF_BYTES:
            return False
        halves = int.from_bytes(signature[:HALF_BYTES]), int.from_bytes(signature[HALF_BYTES:])
        try:
            self._key.public_key().verify(utils.encode_dss_signature(*halves), content, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def key_set(self) -> dict[str, Any]:
        """The public key, as a JSON Web Key Set."""
        numbers = self._key.public_key().public_numbers()
        coordinates = {axis: _encoded(getattr(numbers, axis).to_bytes(HALF_BYTES)) for axis in ("x", "y")}
        key = {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", **coordinates}
        return {"keys": [key]}
