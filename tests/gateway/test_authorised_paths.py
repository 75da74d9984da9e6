"""Every path and method that discovery tells of, tried by a service account with the role `view` in one namespace.

What it is let do, and what not, must be what a SubjectAccessReview says of the verb: by HTTP and by WebSocket, on
subresources, for dry runs and watches of one object. ``PODCHAIN_LONG=1`` tries all, otherwise some drawn by a seed.
"""

import http.client
import json
import os
import random
import ssl

import pytest
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl
LONG = bool(os.environ.get("PODCHAIN_LONG"))
TRIED = 10_000 if LONG else 350
ACCOUNT = "system:serviceaccount:one:viewer"
DISCOVERY = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}
WATCH = "?watch=1&timeoutSeconds=1"
#: Verb, method, whether it is of one object, and what follows the path.
WAYS = [
    ("list", "GET", False, ""),
    ("list", "HEAD", False, ""),
    ("watch", "GET", False, WATCH),
    ("watch", "GET", True, WATCH),
    ("watch", "GET", False, WATCH + "&fieldSelector=metadata.name%3Dx"),
    ("get", "GET", True, ""),
    ("get", "HEAD", True, ""),
    ("create", "POST", False, ""),
    ("create", "POST", False, "?dryRun=All"),
    ("update", "PUT", True, ""),
    ("patch", "PATCH", True, ""),
    ("patch", "PATCH", True, "?dryRun=All"),
    ("delete", "DELETE", True, ""),
    ("delete", "DELETE", True, "?dryRun=All"),
    ("deletecollection", "DELETE", False, ""),
    ("deletecollection", "DELETE", False, "?dryRun=All"),
]
STREAM = "?stdout=1&command=ls&ports=80"
PARTS = [(verb, method, True, STREAM) for verb, method, of_one, _ in WAYS if of_one and verb not in ("watch", "delete")]
PARTS += [("create", "POST", True, STREAM), ("delete", "DELETE", True, ""), ("get", "WEBSOCKET", True, STREAM)]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    home = tmp_path_factory.mktemp("authorised")
    cluster = LiveCluster(home, "authorised-test", 0)
    cluster.up()
    try:
        made = Kubectl(home, cluster)
        for namespace in ("one", "two"):
            made("create", "namespace", namespace)
        made("create", "serviceaccount", "viewer", "-n", "one")
        made("create", "rolebinding", "viewer", "-n", "one", "--clusterrole=view", "--serviceaccount=one:viewer")
        yield made
    finally:
        cluster.down()


class Caller:
    def __init__(self, kubectl, token):
        context = ssl.create_default_context(cafile=kubectl.ca)
        self.connection = http.client.HTTPSConnection(
            kubectl.address.hostname, kubectl.address.port, context=context, timeout=20
        )
        self.token = token

    def __call__(self, method, path, body=None, headers=None):
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        stated = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, **(headers or {})}
        self.connection.request(method, path, body, stated)
        response = self.connection.getresponse()
        content = response.read()
        return response.status, content


def everything(admin):
    for root in ("/api", "/apis"):
        for group in json.loads(admin("GET", root, headers=DISCOVERY)[1])["items"]:
            for version in group["versions"]:
                name = group["metadata"].get("name", "")
                base = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
                for resource in version["resources"]:
                    for namespace in ("one", "two") if resource["scope"] == "Namespaced" else ("",):
                        place = f"{base}/namespaces/{namespace}" if namespace else base
                        yield from ways(f"{place}/{resource['resource']}", name, resource, namespace)


def ways(place, group, resource, namespace):
    for verb, method, of_one, rest in WAYS:
        asked = {"verb": verb, "group": group, "resource": resource["resource"], "namespace": namespace}
        asked["name"] = "x" if of_one or "metadata.name" in rest else ""
        yield method, (f"{place}/x" if of_one else place) + rest, asked
    for part in (each["subresource"] for each in resource.get("subresources", ())):
        for verb, method, _, rest in PARTS:
            asked = {"verb": verb, "group": group, "resource": resource["resource"], "namespace": namespace}
            yield method, f"{place}/x/{part}{rest}", {**asked, "subresource": part, "name": "x"}


def may(admin, asked):
    spec = {
        "user": ACCOUNT,
        "groups": ["system:serviceaccounts:one", "system:authenticated"],
        "resourceAttributes": asked,
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    code, answer = admin("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", json.dumps(body))
    assert code == 201
    return json.loads(answer)["status"]["allowed"]


def test_every_path_is_authorised_at_its_verb(kubectl):
    admin = Caller(kubectl, kubectl.token)
    viewer = Caller(kubectl, kubectl("create", "token", "viewer", "-n", "one").strip())
    known = list(everything(admin))
    assert len(known) > 1500
    chosen = random.Random(1).sample(known, min(TRIED, len(known)))
    # Whatever is drawn, these are tried.
    chosen += [each for each in known if each[1].startswith("/api/v1/namespaces/one/pods")]
    chosen += [each for each in known if "metrics.k8s.io" in each[1]]
    let_in = 0
    for method, path, asked in chosen:
        headers = WEBSOCKET if method == "WEBSOCKET" else {}
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        code, content = viewer(method.replace("WEBSOCKET", "GET"), path, body, headers)
        # The WebSocket of a stream is opened by a GET, and does what a POST would.
        allowed = may(admin, asked) and (
            asked.get("subresource") not in ("exec", "attach", "portforward") or may(admin, {**asked, "verb": "create"})
        )
        assert code not in (101, 401), (method, path)
        assert code < 500, (method, path, content)
        assert (code != 403) == allowed, (method, path, code, content)
        let_in += allowed
    assert len(chosen) / 20 < let_in < len(chosen) / 2


@pytest.mark.parametrize(
    ("path", "code"),
    [("/", 403), ("/metrics", 403), ("/logs", 403), ("/apis", 200), ("/openapi/v3", 200), ("/openid/v1/jwks", 200)],
)
def test_paths_that_are_no_resources(kubectl, path, code):
    assert Caller(kubectl, kubectl("create", "token", "viewer", "-n", "one").strip())("GET", path)[0] == code


def test_no_upgrade_without_credentials(kubectl):
    for token in ("", "wrong"):
        for part in ("exec", "attach", "portforward"):
            path = f"/api/v1/namespaces/one/pods/x/{part}{STREAM}"
            assert Caller(kubectl, token)("GET", path, headers=WEBSOCKET)[0] == 401


def test_secrets_are_in_no_file_that_others_read_and_in_no_log(kubectl):
    token = kubectl("create", "token", "viewer", "-n", "one").strip()
    Caller(kubectl, token)("GET", "/api/v1/namespaces/two/pods")
    Caller(kubectl, token + "x")("GET", "/api/v1/namespaces/two/pods")
    cluster = kubectl.home / "authorised-test"
    assert cluster.stat().st_mode & 0o077 == 0
    hidden = [token.encode(), token.rpartition(".")[2].encode(), kubectl.token.encode()]
    keys = cluster / "gateway"
    for file in (each for each in cluster.rglob("*") if each.is_file()):
        if file.parent == keys:
            assert file.stat().st_mode & 0o077 == 0, file
        else:
            content = file.read_bytes()
            assert not any(secret in content for secret in hidden), file
