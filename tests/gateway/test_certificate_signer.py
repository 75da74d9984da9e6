"""What the cluster's authority signs, and for whom: a kubelets' signer gives nobody else's certificate away."""

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from actors.controllers.certificate.actor import SigningRefused
from actors.gateway.certificate_signer import (
    CLIENT_SIGNER,
    KUBELET_CLIENT_SIGNER,
    KUBELET_SERVING_SIGNER,
    CertificateSigner,
)
from actors.gateway.credential_files import CredentialFiles
from actors.gateway.credentials import ensure_credentials

DNS, ADDRESS = x509.DNSName("node-1"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signer")
    ensure_credentials(CredentialFiles(folder), "signer-test")
    return CertificateSigner(folder)


def request(user, *groups, names=()):
    attributes = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, group) for group in groups]
    attributes += [x509.NameAttribute(x509.NameOID.COMMON_NAME, user)] if user else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (CLIENT_SIGNER, request("eve", "system:masters")),
        (KUBELET_CLIENT_SIGNER, request("eve", "system:masters")),
        (KUBELET_CLIENT_SIGNER, request("system:node:a", "system:nodes", "system:masters")),
        (KUBELET_CLIENT_SIGNER, request("system:node:a")),
        (KUBELET_CLIENT_SIGNER, request("kubernetes-admin", "system:nodes")),
        (KUBELET_CLIENT_SIGNER, request("", "system:nodes")),
        (KUBELET_CLIENT_SIGNER, request("system:node:a", "system:nodes", names=[DNS])),
        (KUBELET_SERVING_SIGNER, request("system:node:a", "system:nodes")),
        (KUBELET_SERVING_SIGNER, request("system:node:a", "system:masters", names=[DNS])),
        (KUBELET_SERVING_SIGNER, request("system:node:a", "system:nodes", names=[x509.RFC822Name("a@b")])),
        (CLIENT_SIGNER, b"-----BEGIN CERTIFICATE REQUEST-----\nYQ==\n-----END CERTIFICATE REQUEST-----\n"),
    ],
)
def test_refused(signer, name, asked):
    with pytest.raises(SigningRefused):
        signer.sign(asked, ["client auth"], 3600, name)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (CLIENT_SIGNER, request("jane", "devs")),
        (KUBELET_CLIENT_SIGNER, request("system:node:a", "system:nodes")),
        (KUBELET_SERVING_SIGNER, request("system:node:a", "system:nodes", names=[DNS, ADDRESS])),
    ],
)
def test_signed(signer, name, asked):
    made = x509.load_pem_x509_certificate(signer.sign(asked, ["client auth"], 3600, name))
    assert made.not_valid_after_utc < datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1, minutes=1)


def test_a_lifetime_that_makes_no_sense(signer):
    with pytest.raises(SigningRefused, match="unable to sign"):
        signer.sign(request("jane"), ["client auth"], -(10**6), CLIENT_SIGNER)
