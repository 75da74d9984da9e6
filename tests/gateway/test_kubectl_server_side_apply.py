"""Server-side apply, field managers, protobuf and field validation with the real kubectl."""

import json

import pytest
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {a: b}}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
"""
MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data: {DATA}
"""


def deployment(replicas: int) -> str:
    return DEPLOYMENT.replace("REPLICAS", str(replicas))


def config_map(name: str, data: str) -> str:
    return MAP.replace("NAME", name).replace("DATA", data)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    home = tmp_path_factory.mktemp("apply")
    cluster = LiveCluster(home, "apply-test", 1)
    cluster.up()
    try:
        yield Kubectl(home, cluster)
    finally:
        cluster.down()


def managers(kubectl, *what: str) -> dict[tuple[str, str, str], dict]:
    found = json.loads(kubectl("get", *what, "-o", "json", "--show-managed-fields"))
    entries = found["metadata"].get("managedFields", [])
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries}


def test_conflicts_are_told_and_forced(kubectl):
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=deployment(1))
    kubectl("scale", "deployment/web", "--replicas=2")
    refused = kubectl.run("apply", "--server-side", "-f", "-", stdin=deployment(1))
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        'error: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: '
        ".spec.replicas\nPlease review the fields above--they currently have other managers."
    )
    assert "serverside-applied" in kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=deployment(1)
    )
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "1"
    found = managers(kubectl, "deployment/web")
    assert found["kubectl", "Apply", ""]["f:spec"]["f:replicas"] == {}
    assert ("kubectl", "Update", "scale") not in found


def test_a_diff_shows_what_an_apply_would_change_and_changes_nothing(kubectl):
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map("diffed", 'a: "1"'))
    assert kubectl("diff", "--server-side", "-f", "-", stdin=config_map("diffed", 'a: "1"')) == ""
    changed = kubectl.run("diff", "--server-side", "-f", "-", stdin=config_map("diffed", 'a: "2"'))
    assert changed.returncode == 1
    assert '+  a: "2"' in changed.stdout
    dry = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=config_map("diffed", 'a: "2"'))
    assert "serverside-applied (server dry run)" in dry
    assert kubectl("get", "cm/diffed", "-o", "jsonpath={.data.a}") == "1"


def test_what_is_not_stated_any_more_goes_also_after_client_side_apply(kubectl):
    kubectl("apply", "-f", "-", stdin=config_map("moved", 'a: "1", b: "2"'))
    assert ("kubectl-client-side-apply", "Update", "") in managers(kubectl, "cm/moved")
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map("moved", 'a: "1", b: "2"'))
    found = managers(kubectl, "cm/moved")
    assert ("kubectl-client-side-apply", "Update", "") not in found
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map("moved", 'a: "1"'))
    assert json.loads(kubectl("get", "cm/moved", "-o", "json"))["data"] == {"a": "1"}


def test_two_appliers_share_an_object(kubectl):
    one, other = config_map("shared", 'a: "1"'), config_map("shared", 'b: "2"')
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=one)
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert json.loads(kubectl("get", "cm/shared", "-o", "json"))["data"] == {"a": "1", "b": "2"}
    clash = config_map("shared", 'a: "3"')
    refused = kubectl.run("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=clash)
    assert 'conflict with "one": .data.a' in refused.stderr


def test_every_command_is_its_own_manager(kubectl):
    kubectl("create", "deployment", "made", "--image=nginx")
    kubectl("label", "deployment/made", "x=y")
    kubectl("annotate", "deployment/made", "k=v")
    kubectl("set", "image", "deployment/made", "nginx=nginx:2")
    kubectl("patch", "deployment/made", "-p", '{"spec":{"minReadySeconds":1}}')
    found = managers(kubectl, "deployment/made")
    names = {name for name, operation, _ in found if operation == "Update"}
    assert {"kubectl-create", "kubectl-label", "kubectl-annotate", "kubectl-set", "kubectl-patch"} <= names
    assert found["kubectl-label", "Update", ""] == {"f:metadata": {"f:labels": {"f:x": {}}}}
    assert "f:spec" in found["kubectl-create", "Update", ""]
    assert "." not in found["kubectl-create", "Update", ""]["f:spec"], "the spec of a Deployment is always there"
    hidden = json.loads(kubectl("get", "deployment/made", "-o", "json"))
    assert "managedFields" not in hidden["metadata"]


def test_wrong_objects_are_told_as_by_kubernetes(kubectl):
    twice = config_map("wrong", 'a: "1"') + "foo: 1\n"
    refused = kubectl.run("apply", "--server-side", "--validate=false", "-f", "-", stdin=twice)
    assert refused.stderr == (
        "Error from server: failed to create typed patch object (default/wrong; /v1, Kind=ConfigMap): "
        ".foo: field not declared in schema\n"
    )
    refused = kubectl.run("create", "-f", "-", stdin=twice)
    assert 'strict decoding error: unknown field "foo"' in refused.stderr
    warned = kubectl.run("create", "--validate=warn", "-f", "-", stdin=twice)
    assert (warned.returncode, warned.stderr) == (0, 'Warning: unknown field "foo"\n')


def test_raw_json_that_states_a_field_twice(kubectl):
    path = "/api/v1/namespaces/default/configmaps"
    body = '{"metadata": {"name": "raw"}, "data": {"a": "1", "a": "2"}}'
    json_type = {"Content-Type": "application/json"}
    code, answer = kubectl.http("POST", f"{path}?fieldValidation=Strict", body, kubectl.token, json_type)
    assert code == 400
    assert json.loads(answer)["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a"'
    )
    code, answer = kubectl.http("POST", path, body, kubectl.token, json_type)
    assert (code, json.loads(answer)["data"]) == (201, {"a": "2"})


def test_managers_are_on_lists_and_watches(kubectl):
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map("listed", 'a: "1"'))
    path = "/api/v1/namespaces/default/configmaps"
    _, answer = kubectl.http("GET", path, None, kubectl.token)
    found = {item["metadata"]["name"]: item["metadata"]["managedFields"] for item in json.loads(answer)["items"]}
    assert found["listed"][0]["fieldsV1"] == {"f:data": {"f:a": {}}}
    _, answer = kubectl.http("GET", f"{path}?watch=true&timeoutSeconds=1", None, kubectl.token)
    objects = [json.loads(line)["object"] for line in answer.splitlines()]
    assert all(isinstance(obj["metadata"]["managedFields"], list) for obj in objects if obj["kind"] == "ConfigMap")
