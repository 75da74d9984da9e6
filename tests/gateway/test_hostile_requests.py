"""Requests that mean harm: each is refused with a Status, nothing of them is stored, and the server stays up."""

import contextlib
import json
import socket
import ssl
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_kubectl import Kubectl, needs_kubectl

from actors.gateway.http_server import LINE_BYTES_MAX
from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    cluster = LiveCluster(home, "hostile-test", 0)
    cluster.up()
    try:
        made = Kubectl(home, cluster)
        made("create", "clusterrole", "writer", "--verb=create,get,list", "--resource=configmaps")
        made("create", "rolebinding", "writer", "--clusterrole=writer", "--serviceaccount=default:default")
        made.settled = names(made)
        made.cluster = cluster
        yield made
    finally:
        cluster.down()


def names(kubectl):
    code, content = kubectl.http("GET", CONFIG_MAPS, token=kubectl.token)
    assert code == 200
    return {item["metadata"]["name"] for item in json.loads(content)["items"]} - {"kube-root-ca.crt"}


@pytest.fixture(autouse=True)
def unharmed(kubectl):
    yield
    assert kubectl.http("GET", "/readyz")[0] == 200
    assert names(kubectl) == kubectl.settled


def refused(answer, *codes):
    code, content = answer
    assert code in codes, content
    status = json.loads(content)
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)
    return status


def post(kubectl, body, content_type="application/json", path=CONFIG_MAPS):
    return kubectl.http("POST", path, body, kubectl.token, {"Content-Type": content_type})


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/default/../kube-system/secrets",
        "/api/v1/namespaces/default/configmaps/..",
        "/api/v1/namespaces/default/configmaps/../../kube-system/secrets",
        "/api/v1/namespaces/default%2f..%2fkube-system/secrets",
        "/api/v1/namespaces/default/configmaps/%2e%2e/secrets",
        "/api/v1//namespaces/default/secrets",
        "//api/v1/namespaces/default/secrets",
        "/healthz/../api/v1/secrets",
        "/version/../api/v1/secrets",
        "/api/v1/namespaces/default/secrets/",
        "/api/v1/namespaces/default/secrets%00",
        "/api/v1/namespaces/default/secrets;a=b",
        "/api/v1/namespaces/default/secrets?x=%ff",
        "/api/v1/namespaces/%ff/secrets",
        "/api/v1/namespaces/default/secrets#/../configmaps",
    ],
)
def test_path_tricks_give_no_more_than_the_path_itself(kubectl, path):
    token = kubectl("create", "token", "default").strip()
    refused(kubectl.http("GET", path, token=token), 400, 403, 404)
    answer = kubectl.http("GET", path)
    refused(answer, 400, 401, 404)


def test_oversized_bodies(kubectl):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"x": "y" * 3_500_000}}
    with contextlib.suppress(ConnectionError, ssl.SSLError):  # it may hang up on what is too much
        refused(post(kubectl, json.dumps(body)), 413)
    body["data"]["x"] = "y" * 2_000_000
    refused(post(kubectl, json.dumps(body)), 422)  # a ConfigMap's own limit
    body["metadata"]["annotations"] = {"x": body.pop("data")["x"]}
    refused(post(kubectl, json.dumps(body)), 413, 422)


@pytest.mark.parametrize("depth", [200, 100_000])
def test_deep_bodies(kubectl, depth):
    for opening, closing in (('{"a":', "}"), ("[", "]")):
        nested = opening * depth + "1" + closing * depth
        body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep","annotations":' + nested + "}}"
        refused(post(kubectl, body), 400, 422)
    refused(post(kubectl, "{a: " * depth + "1" + "}" * depth, "application/yaml"), 400)


YAML_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (YAML_BOMB, "application/yaml"),
        (
            "{apiVersion: v1, kind: ConfigMap, data: !!python/object/apply:os.getpid []}",
            "application/yaml",
        ),
        ("\x00\x01", "application/yaml"),
        ("{", "application/json"),
        ("null", "application/json"),
        ("[]", "application/json"),
        ('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\\ud800"}}', "application/json"),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\xff"}}', "application/json"),
        ('{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}}', "application/json"),
        (b"", "application/vnd.kubernetes.protobuf"),
        (b"k8s\x00", "application/vnd.kubernetes.protobuf"),
        (b"k8s\x00\x0a\xff\xff\xff\xff\x0f", "application/vnd.kubernetes.protobuf"),
        (b"k8s\x00" + b"\x12\x80\x80\x80\x80\x08" * 50, "application/vnd.kubernetes.protobuf"),
        (b"x", "application/x-www-form-urlencoded"),
    ],
)
def test_bodies_that_are_nothing(kubectl, body, content_type):
    refused(post(kubectl, body, content_type), 400, 415, 422)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.booleans())
def test_random_protobuf(kubectl, content, with_envelope):
    envelope = b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12" + bytes([min(len(content), 127)]) + content[:127]
    body = b"k8s\x00" + (envelope if with_envelope else content)
    refused(post(kubectl, body, "application/vnd.kubernetes.protobuf"), 400, 415, 422)


def connect(kubectl):
    context = ssl.create_default_context(cafile=kubectl.ca)
    raw = socket.create_connection((kubectl.address.hostname, kubectl.address.port), timeout=10)
    return context.wrap_socket(raw, server_hostname=kubectl.address.hostname)


def test_slow_clients_keep_nobody_waiting(kubectl):
    """Many connections that never finish their headers, or their bodies, while others are served."""
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {kubectl.token}\r\n"
    connections = [connect(kubectl) for _ in range(40)]
    try:
        for index, connection in enumerate(connections):
            connection.sendall(head.encode() if index % 2 else f"{head}Content-Length: 1000\r\n\r\n{{".encode())
        started = time.monotonic()
        for connection in connections[::5]:
            connection.sendall(b"X")
            assert kubectl.http("GET", "/api/v1/namespaces", token=kubectl.token)[0] == 200
        assert time.monotonic() - started < 8
    finally:
        for connection in connections:
            connection.close()


def test_connections_that_say_nothing_cost_little(kubectl):
    """asyncio's own buffers would be 256 KiB for each."""
    cluster = kubectl.cluster

    def gateway_bytes():
        return next(a["memory"] for a in json.loads(cluster.podchain("ps", "-o", "json")) if a["name"] == "gateway")

    before = gateway_bytes()
    connections = [
        socket.create_connection((kubectl.address.hostname, kubectl.address.port), timeout=10) for _ in range(300)
    ]
    try:
        assert kubectl.http("GET", "/readyz")[0] == 200
        assert gateway_bytes() - before < len(connections) * 150_000
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"GET /api HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http(kubectl, request_text):
    connection = connect(kubectl)
    answer = b""
    try:
        # Of what is too much it need not read the rest: it may hang up while that is sent, or has answered by then.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(request_text)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            answer = connection.recv(65536)
    finally:
        connection.close()
    if answer or len(request_text) < LINE_BYTES_MAX:
        assert answer.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4")), answer


def test_strange_headers(kubectl):
    for headers in (
        {"Impersonate-User": "\xe9"},
        {"Impersonate-User": "a", "Impersonate-Extra-%ff": "x"},
        {"User-Agent": "\xff\xfe"},
        {"Accept": "a" * 5000},
        {"Content-Type": "\xff"},
    ):
        code, content = kubectl.http("GET", "/api/v1/namespaces", token=kubectl.token, headers=headers)
        assert code < 500, content
    for query in ("labelSelector=%ff", "fieldSelector=%ed%a0%80", "limit=%00", "resourceVersion=%ff", "continue=%ff"):
        refused(kubectl.http("GET", f"/api/v1/namespaces?{query}", token=kubectl.token), 400)
