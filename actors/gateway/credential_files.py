"""The files of a cluster's credentials, and TLS with them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CredentialFiles:
    """Where the credentials of a cluster are."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def server(self) -> Path:
        """Certificate and key of the gateway, in one file."""
        return self.folder / "server.pem"

    @property
    def admin_certificate(self) -> Path:
        return self.folder / "admin.crt"

    @property
    def admin_key(self) -> Path:
        return self.folder / "admin.key"

    @property
    def ca_key(self) -> Path:
        """Signs the certificates that are asked for by CertificateSigningRequests."""
        return self.folder / "ca.key"

    @property
    def service_account_key(self) -> Path:
        """Signs the tokens of service accounts."""
        return self.folder / "sa.key"

    @property
    def token(self) -> Path:
        """Bearer token of the administrator. Written last: where it is, the others are too."""
        return self.folder / "token"

    def read_root_ca(self) -> str:
        """The authority's certificate; empty as long as the credentials are being made."""
        return self.ca.read_text() if self.complete else ""

    @property
    def complete(self) -> bool:
        return self.token.exists() and self.ca_key.exists() and self.service_account_key.exists()


def server_tls(files: CredentialFiles) -> ssl.SSLContext:
    """TLS of the server: asks clients for a certificate of the cluster's authority, and takes them without one too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.server)
    context.load_verify_locations(files.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context
