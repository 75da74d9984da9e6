"""An operator written with kopf: a custom resource, finalizers, timers, status; also with faults at the API."""

import json
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import peers
import pytest
from live_gateway import Program

pytest.importorskip("kopf")

OPERATOR = Path(__file__).with_name("kopf_operator.py")
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "greetings.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "greetings", "singular": "greeting", "kind": "Greeting"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"whom": {"type": "string"}}},
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}
EVENTUALLY_S = 90


def eventually(look, wanted):
    deadline_s = time.monotonic() + EVENTUALLY_S
    while (found := look()) != wanted:
        assert time.monotonic() < deadline_s, found
        time.sleep(0.2)


@pytest.fixture(scope="module")
def operator(gateway):
    kubectl = Program(peers.WHEEL, gateway, gateway.namespace())
    kubectl("apply", "-f", "-", stdin=json.dumps(CRD))
    kubectl("wait", "--for=condition=established", "crd/greetings.example.com", "--timeout=30s")
    log = (gateway.home / "kopf.log").open("w")
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "-n", kubectl.namespace, str(OPERATOR)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(gateway.home), "KUBECONFIG": str(gateway.kubeconfig)}
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        yield kubectl
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def live_through(kubectl: Program, name: str) -> None:
    """One Greeting from its creation to its end."""
    greeting = {"apiVersion": "example.com/v1", "kind": "Greeting", "metadata": {"name": name}, "spec": {"whom": "you"}}

    def read(what: str, path: str) -> str:
        return kubectl.run("get", what, "-o", f"jsonpath={{{path}}}", "--ignore-not-found").stdout

    def insist(*words: str, stdin: str | None = None) -> None:
        """As a user under faults: again until it is done."""
        eventually(lambda: kubectl.run(*words, stdin=stdin).returncode, 0)

    insist("apply", "-f", "-", stdin=json.dumps(greeting))
    eventually(lambda: read(f"greeting/{name}", ".status.greeted"), "you")
    assert read(f"greeting/{name}", ".metadata.finalizers") != ""
    eventually(lambda: read(f"cm/greeting-{name}", ".data.text"), "hello you")
    insist("patch", "greeting", name, "--type=merge", "-p", '{"spec":{"whom":"all"}}')
    eventually(lambda: read(f"cm/greeting-{name}", ".data.text"), "hello all")
    eventually(lambda: int(read(f"greeting/{name}", ".status.ticks") or 0) >= 2, True)
    insist("delete", "greeting", name, "--wait=false", "--ignore-not-found")
    eventually(lambda: read(f"greeting/{name}", ".metadata.name"), "")
    eventually(lambda: read(f"cm/farewell-{name}", ".metadata.name"), f"farewell-{name}")
    eventually(lambda: read(f"cm/greeting-{name}", ".metadata.name"), "")  # collected with its owner


def test_an_operator(operator, record_property):
    number = ".".join(version("kopf").split(".")[:2])
    record_property("client", f"kopf {number}\toperator: custom resource, finalizers, timers, status")
    live_through(operator, "plain")


def test_an_operator_under_faults_at_the_api(operator, gateway, record_property):
    """Without conflicts: kopf takes a 409 in answer to its own patch of the status as final, and the status is lost."""
    number = ".".join(version("kopf").split(".")[:2])
    record_property("client", f"kopf {number}\toperator, with 429, errors after the commit and cut watches")
    gateway.cluster.podchain("chaos", "api", "429", "--rate", "0.1")
    gateway.cluster.podchain("chaos", "api", "500", "--rate", "0.05")
    gateway.cluster.podchain("chaos", "watch", "reset", "0.02")
    try:
        live_through(operator, "stormy")
    finally:
        gateway.cluster.podchain("chaos", "heal")
