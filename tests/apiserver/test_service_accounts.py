"""Service accounts: their tokens, the admission of pods that run as them, and reviews."""

import base64
import hashlib
import hmac

import orjson
import pytest
from api_cluster import Cluster, pod

from actors.apimachinery.operation import Operation
from actors.apimachinery.user import User, node_user, service_account_user
from actors.apiserver import actor as apiserver
from actors.client.client import Client

ISSUER = "https://kubernetes.default.svc.cluster.local"


class SharedSecret:
    """A key of the test's own: HS256."""

    def available(self):
        return True

    def header(self):
        return {"alg": "HS256", "kid": "test"}

    def sign(self, content):
        return hmac.digest(b"secret", content, hashlib.sha256)

    def verify(self, content, signature):
        return hmac.compare_digest(self.sign(content), signature)


class Accounts:
    def __init__(self):
        self.cluster = Cluster()
        self.cluster.simulation.spawn_actor("tokens", lambda ctx: apiserver.run(ctx, token_key=SharedSecret()))
        self.cluster.client = Client(self.cluster.ctx, "tokens")
        self.account("bot")

    def account(self, name, namespace="default", **fields):
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}, **fields}
        return self.cluster.create("v1/serviceaccounts", body, namespace)

    def request(self, account="bot", user=None, **spec):
        self.cluster.settle()
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        operation = Operation("create", "v1/serviceaccounts", "default", account, "token", body)
        (result,) = self.cluster.run(Client(self.cluster.ctx, "tokens", user).batch([operation]))
        return result

    def token(self, *args, **spec):
        result = self.request(*args, **spec)
        assert result.ok, result.status
        return result.object["status"]["token"]

    def review(self, token, **spec):
        self.cluster.settle()
        body = {"spec": {"token": token, **spec}}
        return self.cluster.call("create", "authentication.k8s.io/v1/tokenreviews", body=body).object["status"]


@pytest.fixture
def accounts():
    made = Accounts()
    yield made
    made.cluster.simulation.close()
    assert not made.cluster.simulation.crashes


def claims_of(token):
    body = token.split(".")[1]
    return orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_a_token_says_whose_it_is_and_is_recognised(accounts):
    token = accounts.token(expirationSeconds=600)
    claims = claims_of(token)
    assert claims["sub"] == "system:serviceaccount:default:bot"
    assert (claims["iss"], claims["aud"]) == (ISSUER, [ISSUER])
    assert claims["exp"] - claims["iat"] == 600
    status = accounts.review(token)
    assert status["authenticated"]
    uid = accounts.cluster.get("v1/serviceaccounts", "bot")["metadata"]["uid"]
    expected = service_account_user("default", "bot", uid, status_extra(status)).info()
    assert status["user"] == expected
    assert status["audiences"] == [ISSUER]


def status_extra(status):
    return tuple((key, tuple(values)) for key, values in sorted(status["user"]["extra"].items()))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_changed_token_is_nobodys(accounts, position):
    parts = accounts.token().split(".")
    content = parts[position]
    parts[position] = ("A" if content[0] != "A" else "B") + content[1:]
    assert "authenticated" not in accounts.review(".".join(parts))
    assert "authenticated" not in accounts.review("x")
    assert "authenticated" not in accounts.review("a.b.c")


def test_no_algorithm_is_no_signature(accounts):
    _, body, _ = accounts.token().split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    assert "authenticated" not in accounts.review(f"{header}.{body}.")


def test_a_token_expires(accounts):
    token = accounts.token(expirationSeconds=600)
    accounts.cluster.settle(590)
    assert accounts.review(token)["authenticated"]
    accounts.cluster.settle(11)
    assert accounts.review(token)["error"] == "service account token has expired"


def test_a_token_dies_with_its_account(accounts):
    token = accounts.token()
    assert accounts.review(token)["authenticated"]
    accounts.cluster.call("delete", "v1/serviceaccounts", "default", "bot")
    assert "authenticated" not in accounts.review(token)
    accounts.account("bot")  # another one of that name
    assert "authenticated" not in accounts.review(token)


def test_a_token_is_for_its_audience(accounts):
    token = accounts.token(audiences=["vault"])
    assert "authenticated" not in accounts.review(token)
    assert accounts.review(token, audiences=["vault", "x"])["audiences"] == ["vault"]


def test_a_token_bound_to_a_pod_dies_with_it(accounts):
    cluster = accounts.cluster
    cluster.create("v1/pods", {**pod("p"), "spec": {**pod()["spec"], "serviceAccountName": "bot"}}, "default")
    cluster.bind("p", "n1")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = accounts.token(boundObjectRef=reference)
    extra = accounts.review(token)["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    assert extra["authentication.kubernetes.io/node-name"] == ["n1"]
    cluster.call("delete", "v1/pods", "default", "p", options={"gracePeriodSeconds": 0})
    assert "authenticated" not in accounts.review(token)


@pytest.mark.parametrize(
    ("spec", "code", "part"),
    [
        ({"expirationSeconds": 599}, 422, "may not specify a duration less than 10 minutes"),
        ({"expirationSeconds": 1 << 33}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "none"}}, 404, 'pods "none" not found'),
        ({"boundObjectRef": {"kind": "Service", "apiVersion": "v1", "name": "s"}}, 400, "cannot bind token"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "other"}}, 400, "different serviceaccount"),
    ],
)
def test_tokens_that_are_not_issued(accounts, spec, code, part):
    accounts.cluster.create_pod("other")
    result = accounts.request(**spec)
    assert result.code == code
    assert part in result.status["message"]


def test_a_kubelet_has_tokens_for_its_own_pods_only(accounts):
    cluster = accounts.cluster
    for name, node in (("a", "n1"), ("b", "n2")):
        cluster.create("v1/pods", {**pod(name), "spec": {**pod()["spec"], "serviceAccountName": "bot"}}, "default")
        cluster.bind(name, node)
    kubelet = node_user("n1")
    own = {"kind": "Pod", "apiVersion": "v1", "name": "a"}
    assert accounts.request(user=kubelet, boundObjectRef=own).ok
    assert accounts.request(user=kubelet, boundObjectRef={**own, "name": "b"}).code == 403
    assert accounts.request(user=kubelet).code == 403
    accounts.account("unused")
    assert accounts.request("unused", user=kubelet, boundObjectRef=own).code == 403


# Admission


def test_a_pod_is_given_its_account_and_token(cluster):
    created = cluster.create_pod("p")
    assert created["spec"]["serviceAccountName"] == "default"
    (volume,) = created["spec"]["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert len(volume["name"]) == len("kube-api-access-") + 5
    token, root, namespace = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert root["configMap"]["name"] == "kube-root-ca.crt"
    assert namespace["downwardAPI"]["items"][0]["path"] == "namespace"
    (mount,) = created["spec"]["containers"][0]["volumeMounts"]
    path = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount == {"name": volume["name"], "readOnly": True, "mountPath": path}


def test_who_wants_no_token_gets_none(cluster):
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "quiet"}}
    secrets = [{"name": "registry"}]
    cluster.create(
        "v1/serviceaccounts", {**body, "automountServiceAccountToken": False, "imagePullSecrets": secrets}, "default"
    )
    cluster.settle()
    spec = pod()["spec"]
    quiet = cluster.create("v1/pods", {**pod("a"), "spec": {**spec, "serviceAccountName": "quiet"}}, "default")
    assert "volumes" not in quiet["spec"]
    assert quiet["spec"]["imagePullSecrets"] == secrets
    loud = {**spec, "serviceAccountName": "quiet", "automountServiceAccountToken": True}
    assert cluster.create("v1/pods", {**pod("b"), "spec": loud}, "default")["spec"]["volumes"]
    silent = {**spec, "automountServiceAccountToken": False}
    assert "volumes" not in cluster.create("v1/pods", {**pod("c"), "spec": silent}, "default")["spec"]


def test_an_unknown_account_is_refused(cluster):
    body = {**pod("p"), "spec": {**pod()["spec"], "serviceAccountName": "nobody"}}
    refused = cluster.refused("create", "v1/pods", "default", "p", "", body)
    assert refused.code == 403
    why = 'error looking up service account default/nobody: serviceaccount "nobody" not found'
    assert refused.message == f'pods "p" is forbidden: {why}'


# Reviews


def ask(cluster, plural, spec, namespace="", user=None):
    client = Client(cluster.ctx, user=user)
    operation = Operation("create", f"authorization.k8s.io/v1/{plural}", namespace, body={"spec": spec})
    (result,) = cluster.run(client.batch([operation]))
    return result


def test_reviews_of_rights(cluster):
    pods = {"verb": "list", "resource": "pods", "namespace": "default"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "v"}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
    body = {**role, "roleRef": reference, "subjects": [subject]}
    cluster.create("rbac.authorization.k8s.io/v1/rolebindings", body, "default")
    cluster.settle()
    jane = User("jane", ("system:authenticated",))
    own = ask(cluster, "selfsubjectaccessreviews", {"resourceAttributes": pods}, user=jane)
    assert own.object["status"] == {"allowed": True}
    others = {"user": "joe", "resourceAttributes": pods}
    assert ask(cluster, "subjectaccessreviews", others).object["status"] == {"allowed": False}
    assert ask(cluster, "subjectaccessreviews", others, user=jane).code == 403
    assert ask(cluster, "localsubjectaccessreviews", {**others, "user": "jane"}, "default").object["status"]["allowed"]
    assert ask(cluster, "localsubjectaccessreviews", others, "kube-system").code == 422
    url = {
        "user": "joe",
        "groups": ["system:authenticated"],
        "nonResourceAttributes": {"verb": "get", "path": "/api/x"},
    }
    assert ask(cluster, "subjectaccessreviews", url).object["status"]["allowed"]
    assert ask(cluster, "subjectaccessreviews", {"user": "joe"}).code == 422
    rules = ask(cluster, "selfsubjectrulesreviews", {"namespace": "default"}, user=jane).object["status"]
    assert any("pods" in rule["resources"] for rule in rules["resourceRules"])
    assert any("/version" in rule["nonResourceURLs"] for rule in rules["nonResourceRules"])
    assert rules["incomplete"] is False


def test_a_review_of_oneself(cluster):
    user = User("jane", ("system:authenticated",), "u", (("scopes", ("a",)),))
    operation = Operation("create", "authentication.k8s.io/v1/selfsubjectreviews", body={})
    (result,) = cluster.run(Client(cluster.ctx, user=user).batch([operation]))
    assert result.object["status"]["userInfo"] == user.info()
