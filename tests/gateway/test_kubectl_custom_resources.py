"""Custom resources through the real kubectl."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from real_kubectl import Kubectl, needs_kubectl

from actors.testing.live_cluster import LiveCluster

pytestmark = needs_kubectl

DEFINITION = "examples/crontab-crd.yaml"
NIGHTLY = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: nightly, labels: {tier: gold}}
spec:
  cronSpec: "@daily"
  ports: [{name: http, port: 80}]
  template: {anything: [goes]}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    home = tmp_path_factory.mktemp("crd")
    cluster = LiveCluster(home, "crd-test", 1)
    cluster.up()
    try:
        yield home, cluster
    finally:
        cluster.down()


@pytest.fixture(scope="module")
def kubectl(cluster):
    home, live = cluster
    kubectl = Kubectl(home, live)
    assert "created" in kubectl("apply", "-f", DEFINITION)
    kubectl("wait", "--for=condition=established", "crd/crontabs.stable.example.com", "--timeout=10s")
    assert "crontab.stable.example.com/nightly created" in kubectl("apply", "-f", "-", stdin=NIGHTLY)
    return kubectl


def test_get_with_the_definitions_columns_and_names(kubectl):
    for name in ("crontabs", "crontab", "ct", "crontabs.stable.example.com", "crontabs.v1.stable.example.com"):
        header, row = kubectl("get", name).splitlines()
        assert header.split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
        assert row.split()[:3] == ["nightly", "@daily", "1"]
    assert kubectl("get", "ct", "-o", "wide").splitlines()[1].split()[3] == "busybox"
    assert "crontab.stable.example.com/nightly" in kubectl("get", "all")
    assert kubectl("get", "ct", "-l", "tier=gold", "-o", "name") == "crontab.stable.example.com/nightly\n"
    assert kubectl("get", "ct", "--field-selector", "spec.image=nginx", "-o", "name") == ""
    found = json.loads(kubectl("get", "ct", "nightly", "-o", "json"))
    assert found["spec"]["template"] == {"anything": ["goes"]}


def test_apply_again_patch_label_scale_and_delete(kubectl):
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=NIGHTLY)
    assert "configured" in kubectl("apply", "-f", "-", stdin=NIGHTLY.replace("@daily", "@hourly"))
    kubectl("patch", "ct", "nightly", "--type=merge", "-p", '{"spec":{"image":"nginx"}}')
    kubectl("patch", "ct", "nightly", "--type=json", "-p", '[{"op":"remove","path":"/spec/template"}]')
    kubectl("label", "ct", "nightly", "x=y")
    kubectl("annotate", "ct", "nightly", "k=v")
    kubectl("scale", "ct/nightly", "--replicas=4")
    assert kubectl("get", "ct", "nightly", "-o", "jsonpath={.spec.replicas},{.spec.image}") == "4,nginx"
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}],"replicas":4}}'
    kubectl("patch", "ct", "nightly", "--subresource=status", "--type=merge", "-p", status)
    kubectl("wait", "--for=condition=Ready", "ct/nightly", "--timeout=5s")
    described = kubectl("describe", "ct", "nightly")
    assert "Cron Spec:  @hourly" in described
    kubectl("create", "-f", "-", stdin=NIGHTLY.replace("nightly", "passing"))
    assert "deleted" in kubectl("delete", "ct", "passing")


def test_server_side_apply_diff_and_replace(kubectl):
    config = NIGHTLY.replace("nightly", "served")
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=config)
    other = config.replace("{name: http, port: 80}", "{name: https, port: 443}")
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    names = kubectl("get", "ct", "served", "-o", "jsonpath={.spec.ports[*].name}")
    assert names == "http https"
    refused = kubectl.run("apply", "--server-side", "--field-manager=x", "-f", "-", stdin=other.replace("443", "444"))
    assert 'conflict with "other"' in refused.stderr
    differing = kubectl.run("diff", "-f", "-", stdin=config.replace("@daily", "@weekly"))
    assert (differing.returncode, "+  cronSpec: '@weekly'" in differing.stdout) == (1, True)
    assert "replaced" in kubectl("replace", "-f", "-", stdin=config.replace("@daily", "@yearly"))
    kubectl("delete", "ct", "served")


def test_a_rule_of_the_definition_refuses(kubectl):
    refused = kubectl.run("apply", "-f", "-", stdin=NIGHTLY.replace("nightly", "many").replace("port: 80", "port: 0"))
    assert 'spec.ports[0]: Invalid value: "object": a port is not 0' in refused.stderr
    broken = Path(DEFINITION).read_text().replace("self.port != 0", "self.prot != 0").replace("crontab", "newtab")
    refused = kubectl.run("create", "-f", "-", stdin=broken.replace("CronTab", "NewTab").replace("[ct]", "[nt]"))
    assert "compilation failed: ERROR: <input>: undefined field 'prot'" in refused.stderr


def test_what_is_wrong_is_said_as_kubernetes_says_it(kubectl):
    bad = NIGHTLY.replace("nightly", "bad")
    refused = kubectl.run("apply", "-f", "-", stdin=bad.replace('"@daily"', "5"))
    assert 'spec.cronSpec in body must be of type string: "integer"' in refused.stderr
    refused = kubectl.run("apply", "-f", "-", stdin=bad.replace("cronSpec", "cron"))
    assert 'unknown field "spec.cron"' in refused.stderr
    warned = kubectl.run("apply", "--validate=warn", "-f", "-", stdin=bad.replace("ports", "doors"))
    assert warned.returncode == 0
    assert 'Warning: unknown field "spec.doors"' in warned.stderr


def test_explain(kubectl):
    text = kubectl("explain", "crontabs.spec")
    assert "What is to be run, and when." in text
    assert "cronSpec\t<string> -required-" in text
    assert "replicas\t<integer>" in kubectl("explain", "ct", "--recursive")
    assert "ct" in next(line for line in kubectl("api-resources").splitlines() if line.startswith("crontabs"))
    assert "stable.example.com/v1" in kubectl("api-versions")


def test_watch_with_table(kubectl):
    command = [kubectl.path, "--kubeconfig", kubectl.file, "--cache-dir", kubectl.cache, "get", "ct", "-w"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout.readline().split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
            watching.stdout.readline()
            kubectl("create", "-f", "-", stdin=NIGHTLY.replace("nightly", "seen"))
            line = watching.stdout.readline()
            while not line.startswith("seen"):
                line = watching.stdout.readline()
            assert line.split()[1] == "@daily"
        finally:
            watching.terminate()


def test_the_own_command_line_knows_custom_resources(kubectl, cluster):
    _, live = cluster
    assert live.podchain("get", "ct").splitlines()[0].split() == ["NAME", "SPEC", "REPLICAS", "AGE"]
    assert "What is to be run, and when." in live.podchain("explain", "ct.spec")
    assert "Cron Spec" in live.podchain("describe", "ct", "nightly")
    assert "crontabs" in live.podchain("api-resources")


def test_a_deleted_definition_is_gone_at_once(kubectl):
    other = kubectl.file.parent / "other.yaml"
    text = Path(DEFINITION).read_text()
    other.write_text(text.replace("crontab", "cowtab").replace("CronTab", "CowTab").replace("[ct]", "[cw]"))
    kubectl("create", "-f", str(other))
    kubectl("wait", "--for=condition=established", "-f", str(other), "--timeout=10s")
    cow = NIGHTLY.replace("CronTab", "CowTab")
    kubectl("create", "-f", "-", stdin=cow)
    assert "nightly" in kubectl("get", "cw")
    kubectl("delete", "-f", str(other), "--timeout=20s")
    assert "could not find the requested resource" in kubectl.run("get", "cowtabs").stderr
    began = time.monotonic()
    kubectl("create", "-f", str(other))
    kubectl("wait", "--for=condition=established", "-f", str(other), "--timeout=10s")
    assert kubectl("get", "cowtabs") == ""
    assert time.monotonic() - began < 20
