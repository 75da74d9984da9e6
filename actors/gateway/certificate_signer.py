"""Signs certificates with the cluster's certificate authority. Its libraries are loaded when the first is asked for."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Final

from actors.apimachinery.user import MASTERS, NODE_PREFIX, NODES
from actors.controllers.certificate.actor import SigningRefused
from actors.gateway.credential_files import CredentialFiles

#: A certificate is good from a little before it is signed: clocks differ.
BACKDATED_S: Final = 300
CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
KUBELET_SIGNERS: Final = (KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER)

_KEY_USAGES: Final = {
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
}
_EXTENDED: Final = {"client auth": "CLIENT_AUTH", "server auth": "SERVER_AUTH"}


class CertificateSigner:
    """Holds the key (`actors.controllers.certificate.actor.Signer`)."""

    def __init__(self, folder: Path) -> None:
        self._files = CredentialFiles(folder)

    def sign(self, request: bytes, usages: list[str], seconds: int, signer: str) -> bytes:
        """The certificate for a request, both as PEM. Raises `SigningRefused`."""
        try:
            return self._signed(request, usages, seconds, signer)
        except (SigningRefused, OSError):
            raise
        except Exception as error:  # a request is a stranger's: whatever the library finds wrong with it is its fault
            raise SigningRefused(f"unable to sign csr: {type(error).__name__}: {error}") from error

    def _signed(self, request: bytes, usages: list[str], seconds: int, signer: str) -> bytes:
        from cryptography import x509
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.x509.oid import ExtendedKeyUsageOID

        try:
            asked = x509.load_pem_x509_csr(request)
            good = asked.is_signature_valid
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningRefused(f"unable to parse csr: {error}") from None
        if not good:
            raise SigningRefused("unable to verify certificate request signature")
        _check_subject(asked, signer)
        authority = x509.load_pem_x509_certificate(self._files.ca.read_bytes())
        key: Any = serialization.load_pem_private_key(self._files.ca_key.read_bytes(), None)
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(asked.subject)
            .issuer_name(authority.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(seconds=BACKDATED_S))
            .not_valid_after(now + datetime.timedelta(seconds=seconds))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        )
        if _KEY_USAGES.keys() & set(usages):
            builder = builder.add_extension(_key_usage(usages), critical=True)
        purposes = [getattr(ExtendedKeyUsageOID, _EXTENDED[usage]) for usage in usages if usage in _EXTENDED]
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        try:
            names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            pass
        else:
            builder = builder.add_extension(names.value, critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _check_subject(asked: Any, signer: str) -> None:
    """Each signer vouches for some names only. Raises `SigningRefused`.

    Whoever may approve for a kubelets' signer must not get another's certificate from it.
    """
    from cryptography import x509

    def stated(oid: Any) -> list[str]:
        return [each.value for each in asked.subject.get_attributes_for_oid(oid)]

    groups, names = stated(x509.NameOID.ORGANIZATION_NAME), stated(x509.NameOID.COMMON_NAME)
    if signer == CLIENT_SIGNER and MASTERS in groups:
        raise SigningRefused(f"use of {signer} signer with {MASTERS} group is not allowed")
    if signer not in KUBELET_SIGNERS:
        return
    if groups != [NODES]:
        raise SigningRefused(f"organization in the request must be {NODES}")
    if len(names) != 1 or not names[0].startswith(NODE_PREFIX):
        raise SigningRefused(f"subject common name must begin with {NODE_PREFIX}")
    try:
        content = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        content = []
    kinds = {type(each) for each in content}
    if signer == KUBELET_CLIENT_SIGNER and kinds:
        raise SigningRefused("DNS, IP, email and URI subjectAltNames are not allowed")
    if signer == KUBELET_SERVING_SIGNER and (not kinds or kinds - {x509.DNSName, x509.IPAddress}):
        raise SigningRefused("at least one DNS or IP subjectAltName is required, and no others are allowed")


def _key_usage(usages: list[str]) -> Any:
    from cryptography import x509

    flags = {flag: usage in usages for usage, flag in _KEY_USAGES.items()}
    return x509.KeyUsage(key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False, **flags)
