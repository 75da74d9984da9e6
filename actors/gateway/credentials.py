"""Who a cluster's gateway is and whom it lets in: a certificate authority per cluster, and what it has signed.

Everything is kept in files only their owner may read, made once and used again by later starts, so that a kubeconfig
that was handed out stays good for the cluster's life. They are made by ``python -m actors.gateway.credentials FOLDER
CLUSTER``, a process of its own, because the library that signs would stay in the gateway's memory for nothing.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from actors.gateway.credential_files import CredentialFiles

ADMIN_USER: Final = "kubernetes-admin"
ADMIN_GROUP: Final = "system:masters"
VALID_DAYS: Final = 3650
TOKEN_BYTES: Final = 32


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; whoever looks sees the old content or the new."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


def ensure_credentials(files: CredentialFiles, cluster: str) -> None:
    """Make what isn't there yet."""
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if files.complete:
        return
    authority = _Authority.new(cluster)
    local = [
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes"),
        x509.DNSName("kubernetes.default.svc"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    certificate, key = authority.sign("podchain-gateway", "", ExtendedKeyUsageOID.SERVER_AUTH, local)
    write_private(files.ca, _pem(authority.certificate))
    write_private(files.ca_key, _key_pem(authority.key))
    write_private(files.service_account_key, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    write_private(files.server, _pem(certificate) + _key_pem(key))
    certificate, key = authority.sign(ADMIN_USER, ADMIN_GROUP, ExtendedKeyUsageOID.CLIENT_AUTH, [])
    write_private(files.admin_certificate, _pem(certificate))
    write_private(files.admin_key, _key_pem(key))
    write_private(files.token, secrets.token_urlsafe(TOKEN_BYTES).encode())


@dataclass(frozen=True, slots=True)
class _Authority:
    """A certificate authority."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def new(cluster: str) -> _Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"podchain-{cluster}-ca"[:64])])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return _Authority(builder.sign(key, hashes.SHA256()), key)

    def sign(
        self, user: str, group: str, purpose: x509.ObjectIdentifier, names: list[x509.GeneralName]
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate with a new key: the user is its common name, the group its organization."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
        if group:
            attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        authority_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(x509.Name(attributes), self.certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(authority_id, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()), key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


if __name__ == "__main__":
    ensure_credentials(CredentialFiles(Path(sys.argv[1])), sys.argv[2])
