"""Who gets in and what they may: the real kubectl and raw requests against a live cluster."""

import base64
import datetime
import http.client
import json
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    home = tmp_path_factory.mktemp("access")
    cluster = LiveCluster(home, "access-test", 1)
    cluster.up()
    try:
        made = Kubectl(home, cluster)
        made("wait", "--for=jsonpath={.metadata.name}=default", "serviceaccount/default", "--timeout=20s")
        yield made
    finally:
        cluster.down()


def key_pair():
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key, pem


def named(user, *groups):
    attributes = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(x509.NameOID.COMMON_NAME, user)])


def with_certificate(kubectl, certificate_file, key_file, path):
    context = ssl.create_default_context(cafile=next(kubectl.home.glob("*/gateway/ca.crt")))
    context.load_cert_chain(certificate_file, key_file)
    connection = http.client.HTTPSConnection(
        kubectl.address.hostname, kubectl.address.port, context=context, timeout=20
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def status_of(answer):
    code, content = answer
    status = json.loads(content)
    assert status["kind"] == "Status"
    assert status["code"] == code
    return code, status["reason"]


def settle(check):
    """Until it is so, for some seconds."""
    until = time.monotonic() + 5
    while not check() and time.monotonic() < until:
        time.sleep(0.05)
    assert check()


def test_nobody_sees_health_and_version_only(kubectl):
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert kubectl.http("GET", path)[0] == 200
    for path in ("/", "/api", "/apis", "/api/v1/pods", "/metrics", "/openapi/v3", "/openid/v1/jwks", "/nothing"):
        assert status_of(kubectl.http("GET", path)) == (401, "Unauthorized")


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Bearer a.b.c", "Basic YTpi", "Bearer " + "x" * 9000])
def test_a_wrong_token(kubectl, header):
    assert status_of(kubectl.http("GET", "/api/v1/pods", headers={"Authorization": header})) == (401, "Unauthorized")
    assert kubectl.http("GET", "/version", headers={"Authorization": header})[0] == 401


def test_tokens_of_service_accounts(kubectl):
    kubectl("create", "serviceaccount", "bot")
    kubectl("create", "rolebinding", "bot-views", "--clusterrole=view", "--serviceaccount=default:bot")
    token = kubectl("create", "token", "bot").strip()
    settle(lambda: kubectl.http("GET", "/api/v1/namespaces/default/pods", token=token)[0] == 200)
    refused = kubectl.http("GET", "/api/v1/namespaces/default/secrets", token=token)
    assert status_of(refused) == (403, "Forbidden")
    assert json.loads(refused[1])["message"] == (
        'secrets is forbidden: User "system:serviceaccount:default:bot" cannot list resource "secrets" in API group "" '
        'in the namespace "default"'
    )
    as_bot = ("--token", token, "--server", kubectl.server, "--certificate-authority", str(kubectl.ca))
    bare = ("--kubeconfig", "/dev/null")
    assert "system:serviceaccount:default:bot" in kubectl(*bare, *as_bot, "auth", "whoami")
    assert "pods" in kubectl(*bare, *as_bot, "auth", "can-i", "--list")
    assert kubectl(*bare, *as_bot, "auth", "can-i", "list", "pods").strip() == "yes"
    assert kubectl.run(*bare, *as_bot, "auth", "can-i", "delete", "pods").stdout.strip() == "no"
    watch = kubectl.http("GET", "/api/v1/namespaces/default/pods?watch=1&timeoutSeconds=1", token=token)
    assert watch[0] == 200
    watch = kubectl.http("GET", "/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=1", token=token)
    assert status_of(watch) == (403, "Forbidden")
    log = kubectl.http("GET", "/api/v1/namespaces/kube-system/pods/p/log", token=token)
    assert status_of(log) == (403, "Forbidden")
    assert status_of(kubectl.http("GET", "/metrics", token=token)) == (403, "Forbidden")
    assert kubectl.http("GET", "/apis", token=token)[0] == 200
    keys = json.loads(kubectl.http("GET", "/openid/v1/jwks", token=token)[1])["keys"]
    assert keys[0]["alg"] == "ES256"
    document = json.loads(kubectl.http("GET", "/.well-known/openid-configuration", token=token)[1])
    assert document["issuer"] == "https://kubernetes.default.svc.cluster.local"
    kubectl("delete", "serviceaccount", "bot")
    settle(lambda: kubectl.http("GET", "/api/v1/namespaces/default/pods", token=token)[0] == 401)


def test_a_token_verifies_with_the_published_key(kubectl):
    token = kubectl("create", "token", "default", "--audience=vault", "--duration=15m").strip()
    head, body, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    published = json.loads(kubectl.http("GET", "/openid/v1/jwks", token=kubectl.token)[1])["keys"][0]
    assert json.loads(head) == {"alg": "ES256", "kid": published["kid"]}
    x, y = (
        int.from_bytes(base64.urlsafe_b64decode(published[axis] + "=" * (-len(published[axis]) % 4))) for axis in "xy"
    )
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    halves = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    key.verify(encode_dss_signature(*halves), token.rpartition(".")[0].encode(), ec.ECDSA(hashes.SHA256()))
    claims = json.loads(body)
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 900
    # It is not for this API.
    assert status_of(kubectl.http("GET", "/api", token=token)) == (401, "Unauthorized")


def test_impersonation(kubectl):
    kubectl("create", "clusterrole", "as-jane", "--verb=impersonate", "--resource=users", "--resource-name=jane")
    kubectl("create", "clusterrolebinding", "as-jane", "--clusterrole=as-jane", "--user=joe")
    kubectl("create", "rolebinding", "jane", "--clusterrole=view", "--user=jane")
    settle(lambda: kubectl("auth", "can-i", "list", "pods", "--as=jane").strip() == "yes")
    assert kubectl.run("auth", "can-i", "list", "secrets", "--as=jane").stdout.strip() == "no"
    who = kubectl(
        "auth", "whoami", "--as=jane", "--as-group=devs", "--as-uid=7", "--as-user-extra=scopes=a", "-o", "json"
    )
    assert json.loads(who)["status"]["userInfo"] == {
        "username": "jane",
        "uid": "7",
        "groups": ["devs", "system:authenticated"],
        "extra": {"scopes": ["a"]},
    }
    for name, allowed in (("jane", True), ("admin", False)):
        certificate, key = signed(kubectl, "joe", f"joe-{name}")
        context = ssl.create_default_context(cafile=kubectl.ca)
        context.load_cert_chain(certificate, key)
        address = kubectl.address.hostname, kubectl.address.port
        connection = http.client.HTTPSConnection(*address, context=context, timeout=20)
        connection.request("GET", "/api/v1/namespaces/default/pods", headers={"Impersonate-User": name})
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        if allowed:
            assert response.status == 200
        else:
            assert answer["message"] == (
                'users "admin" is forbidden: User "joe" cannot impersonate resource "users" in API group "" at the '
                "cluster scope"
            )
    masters = kubectl.http("GET", "/api", token=kubectl.token, headers={"Impersonate-Group": "system:masters"})
    assert status_of(masters) == (500, "InternalError")


def signed(kubectl, user, name, *groups):
    """A certificate by way of a CertificateSigningRequest; the files of certificate and key."""
    key, pem = key_pair()
    request = x509.CertificateSigningRequestBuilder().subject_name(named(user, *groups)).sign(key, hashes.SHA256())
    manifest = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
            "expirationSeconds": 86400,
        },
    }
    kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    assert "approved" in kubectl("certificate", "approve", name)
    read = ("get", "csr", name, "-o", "jsonpath={.status.certificate}{.status.conditions[?(@.type=='Failed')].message}")
    settle(lambda: kubectl(*read))
    files = kubectl.home / f"{name}.crt", kubectl.home / f"{name}.key"
    content = kubectl(*read)
    if "not allowed" in content:
        raise PermissionError(content)
    files[0].write_bytes(base64.b64decode(content))
    files[1].write_bytes(pem)
    return files


def test_certificates_that_the_cluster_signs(kubectl):
    certificate, key = signed(kubectl, "carol", "carol", "devs")
    code, answer = with_certificate(kubectl, certificate, key, "/api/v1/namespaces/default/pods")
    assert (code, answer["message"].split(" cannot")[0]) == (403, 'pods is forbidden: User "carol"')
    kubectl("create", "rolebinding", "devs", "--clusterrole=view", "--group=devs")
    settle(lambda: with_certificate(kubectl, certificate, key, "/api/v1/namespaces/default/pods")[0] == 200)
    lasts = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    assert lasts < datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    with pytest.raises(PermissionError, match="system:masters group is not allowed"):
        signed(kubectl, "eve", "eve", "system:masters")
    shown = kubectl("get", "csr", "carol", "-o", "json")
    spec = json.loads(shown)["spec"]
    assert (spec["username"], spec["groups"]) == ("kubernetes-admin", ["system:masters", "system:authenticated"])


def test_a_certificate_of_another_authority(kubectl, tmp_path):
    key, pem = key_pair()
    now = datetime.datetime.now(datetime.UTC)
    authority = named("podchain-access-test-ca")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(named("kubernetes-admin", "system:masters"))
        .issuer_name(authority)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    (tmp_path / "c").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "k").write_bytes(pem)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):  # TLS itself refuses it
        with_certificate(kubectl, tmp_path / "c", tmp_path / "k", "/api/v1/pods")
    assert kubectl.http("GET", "/healthz")[0] == 200


def test_every_namespace_has_the_authority_and_an_account(kubectl):
    kubectl("create", "namespace", "fresh")
    read = (
        "get",
        "configmap",
        "kube-root-ca.crt",
        "-n",
        "fresh",
        "--ignore-not-found",
        "-o",
        r"jsonpath={.data.ca\.crt}",
    )
    settle(lambda: kubectl(*read) == kubectl.ca.read_text())
    assert kubectl("get", "serviceaccount", "-n", "fresh", "-o", "name").strip() == "serviceaccount/default"
