"""The real kubectl against a live cluster, through the gateway."""

import json
import os
import signal
import socket
import ssl
import time
import zlib

import pytest
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    home = tmp_path_factory.mktemp("gateway")
    cluster = LiveCluster(home, "gateway-test", 2)
    cluster.up()
    try:
        yield Kubectl(home, cluster)
    finally:
        cluster.down()


GENERATORS = [
    "namespace shop",
    "configmap cm --from-literal=a=b",
    "secret generic s --from-literal=p=q",
    "serviceaccount bot",
    "role r --verb=get --resource=pods",
    "rolebinding rb --role=r --serviceaccount=default:bot",
    "clusterrole cr --verb=get --resource=nodes",
    "clusterrolebinding crb --clusterrole=cr --user=u",
    "quota q --hard=pods=100",
    "poddisruptionbudget pdb --selector=app=other --min-available=1",
    "priorityclass pc --value=5",
    "ingress ing --rule=a.example/x=web:80",
    "service clusterip gen --tcp=80:80",
    "cronjob cj --image=busybox --schedule=*/5_*_*_*_* -- date",
    "job j --image=busybox -- true",
]


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda text: text.split()[0])
def test_create_generators_send_what_the_gateway_reads(kubectl, generator):
    words = [word.replace("_", " ") for word in generator.split()]
    assert "created" in kubectl("create", *words)


def test_a_deployment_from_creation_to_deletion(kubectl):
    kubectl("create", "deployment", "web", "--image=nginx:1.25", "--replicas=2")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "2/2" in kubectl("get", "deployments", "web", "-o", "wide")
    kubectl("set", "image", "deployment/web", "nginx=nginx:1.26")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "2         <none>" in kubectl("rollout", "history", "deployment/web")
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={..image}") == "nginx:1.25"
    kubectl("scale", "deployment/web", "--replicas=3")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=30s")
    assert "ScalingReplicaSet" in kubectl("describe", "deployment", "web")
    kubectl("logs", "deployment/web", "--tail=1", "--timestamps")
    kubectl("delete", "deployment", "web")
    assert 'deployments.apps "web" not found' in kubectl.run("get", "deployment", "web").stderr


def test_apply_diff_label_annotate_patch(kubectl):
    manifest = "examples/nginx-deployment.yaml"
    assert "created" in kubectl("apply", "-f", manifest)
    assert "unchanged" in kubectl("apply", "-f", manifest)
    assert kubectl("diff", "-f", manifest) == ""
    name = "deployment/nginx-deployment"
    kubectl("label", name, "x=y")
    kubectl("annotate", name, "k=v")
    kubectl("patch", name, "-p", '{"spec":{"minReadySeconds":1}}')
    kubectl("patch", name, "--type=json", "-p", '[{"op":"replace","path":"/spec/minReadySeconds","value":2}]')
    kubectl("patch", name, "--type=merge", "-p", '{"metadata":{"labels":{"m":"n"}}}')
    found = json.loads(kubectl("get", name, "-o", "json"))
    assert (found["metadata"]["labels"]["x"], found["metadata"]["labels"]["m"]) == ("y", "n")
    assert found["spec"]["minReadySeconds"] == 2
    refused = kubectl.run("apply", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nnope: 1\n")
    assert refused.returncode != 0
    assert 'unknown field "nope"' in refused.stderr
    kubectl("delete", "-f", manifest)


def test_nodes_cordon_drain_taint(kubectl):
    kubectl("create", "deployment", "moving", "--image=nginx", "--replicas=2")
    kubectl("wait", "--for=condition=Available", "deployment/moving", "--timeout=30s")
    kubectl("drain", "node-1", "--ignore-daemonsets", "--force", "--timeout=40s")
    assert "SchedulingDisabled" in kubectl("get", "node", "node-1")
    kubectl("uncordon", "node-1")
    kubectl("taint", "node", "node-1", "a=b:NoSchedule")
    kubectl("taint", "node", "node-1", "a-")
    kubectl("delete", "deployment", "moving")


def test_questions_about_the_api(kubectl):
    assert "deployments" in kubectl("api-resources")
    assert "apps/v1" in kubectl("api-versions")
    assert "maxSurge" in kubectl("explain", "deployment.spec.strategy", "--recursive")
    assert "kubernetes-admin" in kubectl("auth", "whoami")
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "v1.37" in kubectl("version")


def test_a_watch_from_a_revision_tells_everything_since_and_ends_in_time(kubectl):
    base = "/api/v1/namespaces/default/configmaps"
    _, listed = kubectl.http("GET", base, token=kubectl.token)
    revision = json.loads(listed)["metadata"]["resourceVersion"]
    kubectl("create", "configmap", "watched")
    kubectl("label", "configmap", "watched", "a=b")
    kubectl("delete", "configmap", "watched")
    path = f"{base}?watch=1&resourceVersion={revision}&timeoutSeconds=1"
    started = time.monotonic()
    status, content = kubectl.http("GET", path, token=kubectl.token)
    assert status == 200
    assert 0.9 < time.monotonic() - started < 10
    events = [json.loads(line) for line in content.splitlines()]
    kinds = [event["type"] for event in events if event["object"]["metadata"]["name"] == "watched"]
    assert kinds == ["ADDED", "MODIFIED", "DELETED"]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(revisions)
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    _, content = kubectl.http("GET", f"/api/v1/nodes?{query}", token=kubectl.token)
    events = [json.loads(line) for line in content.splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["ADDED", "ADDED", "BOOKMARK"]
    assert events[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_who_is_let_in(kubectl):
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert kubectl.http("GET", path)[0] == 200
    for path in ("/api", "/apis", "/api/v1/pods", "/openapi/v3", "/"):
        for token in (None, "wrong"):
            status, content = kubectl.http("GET", path, token=token)
            assert (status, json.loads(content)["reason"]) == (401, "Unauthorized")
    assert kubectl.http("GET", "/api/v1/pods", token=kubectl.token)[0] == 200
    for file in kubectl.home.glob("*/gateway/*"):
        assert file.stat().st_mode & 0o077 == 0, file


def test_what_breaks_the_limits_gets_a_status(kubectl):
    json_type = {"Content-Type": "application/json"}
    status, content = kubectl.http("POST", "/api/v1/namespaces", b"x" * 4_000_000, kubectl.token, json_type)
    assert (status, json.loads(content)["reason"]) == (413, "RequestEntityTooLarge")
    for body, content_type, code in (
        (b"{", "application/json", 400),
        (b"[" * 5000 + b"]" * 5000, "application/json", 400),
        (b"a: &a [x]\nb: *a", "application/yaml", 400),
        (b"k8s\0\xff\xff", "application/vnd.kubernetes.protobuf", 400),
        (b"x", "text/plain", 415),
    ):
        status, content = kubectl.http(
            "POST", "/api/v1/namespaces", body, kubectl.token, {"Content-Type": content_type}
        )
        assert (status, json.loads(content)["kind"]) == (code, "Status"), content
    assert kubectl.http("GET", "/readyz")[0] == 200


def test_health_checks_one_by_one_and_in_words(kubectl):
    assert kubectl.http("GET", "/livez")[1] == b"ok"
    assert kubectl.http("GET", "/readyz?verbose")[1] == b"[+]ping ok\n[+]etcd ok\nreadyz check passed\n"
    assert kubectl.http("GET", "/readyz/etcd")[0] == 200
    assert kubectl.http("GET", "/healthz/nope")[0] == 401
    assert b"excluded" in kubectl.http("GET", "/healthz?verbose&exclude=etcd")[1]
    assert "readyz check passed" in kubectl("get", "--raw", "/readyz?verbose")


def test_metrics_have_kubernetes_names(kubectl):
    kubectl("get", "pods", "-A")
    text = kubectl("get", "--raw", "/metrics")
    listed = 'apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",'
    assert f'{listed}scope="cluster",subresource="",verb="LIST",version="v1"}}' in text
    for name in (
        'apiserver_request_duration_seconds_bucket{component="apiserver"',
        'apiserver_current_inflight_requests{request_kind="readOnly"}',
        'apiserver_storage_objects{resource="nodes"} 2.0',
        "kubernetes_build_info{",
        "process_resident_memory_bytes",
    ):
        assert name in text
    assert kubectl.http("GET", "/metrics")[0] == 401


def test_large_answers_are_compressed_for_those_who_can_read_them(kubectl):
    gzip = {"Accept-Encoding": "gzip"}
    plain = kubectl.http("GET", "/openapi/v3/apis/apps/v1", token=kubectl.token)[1]
    packed = kubectl.http("GET", "/openapi/v3/apis/apps/v1", None, kubectl.token, gzip)[1]
    assert zlib.decompress(packed, 31) == plain
    assert kubectl.http("GET", "/api/v1/nodes", None, kubectl.token, gzip)[1].startswith(b"{")


def test_headers_that_are_too_long_and_what_is_no_http_get_a_status(kubectl):
    status, content = kubectl.http("GET", "/api", None, kubectl.token, {"X": "x" * 20_000})
    assert (status, json.loads(content)["code"]) == (431, 431)
    context = ssl.create_default_context(cafile=next(kubectl.home.glob("*/gateway/ca.crt")))
    with (
        socket.create_connection((kubectl.address.hostname, kubectl.address.port), 10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"HELLO\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 400")
    assert b'"kind":"Status"' in answer


def test_several_gateways_share_a_port_and_one_may_be_killed(tmp_path):
    cluster = LiveCluster(tmp_path, "gateways-test", 1)
    cluster.up("--gateways", "2")
    try:
        kubectl = Kubectl(tmp_path, cluster)

        def pids() -> set[int]:
            found = json.loads(cluster.podchain("ps", "-o", "json"))
            return {actor["pid"] for actor in found if actor["name"].startswith("gateway") and actor["pid"]}

        def serving() -> set[str]:
            """Gateways are told apart by what each has counted."""
            text = (kubectl.http("GET", "/metrics", token=kubectl.token)[1] for _ in range(12))
            return {line for page in text for line in page.decode().splitlines() if line.startswith("process_start")}

        deadline_s = time.monotonic() + 30
        while len(serving()) < 2:
            assert time.monotonic() < deadline_s
        for pid in sorted(pids()):
            os.kill(pid, signal.SIGKILL)
            deadline_s = time.monotonic() + 30
            while kubectl.run("get", "nodes").returncode or pid in pids():
                assert time.monotonic() < deadline_s
    finally:
        cluster.down()
