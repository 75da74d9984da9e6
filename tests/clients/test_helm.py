"""helm: a chart with hooks, from its installation to its end."""

import json

import peers
import pytest
from live_gateway import Program

CHART = "tests/clients/chart"

pytestmark = pytest.mark.skipif(not peers.is_there(peers.HELM), reason=peers.MISSING[peers.HELM])


@pytest.fixture
def helm(gateway, record_property):
    def made(feature: str) -> Program:
        record_property("client", f"helm {peers.version_of(peers.HELM)}\t{feature}")
        return Program(peers.HELM, gateway, gateway.namespace())

    return made


def test_a_release_from_its_installation_to_its_end(helm, gateway):
    run = helm("install --wait, upgrade, rollback, history, uninstall of a chart with hooks")
    kubectl = Program(peers.WHEEL, gateway, run.namespace)
    assert "STATUS: deployed" in run("install", "demo", CHART, "--wait", "--timeout", "60s")
    assert kubectl("get", "deploy", "demo", "-o", "jsonpath={.status.readyReplicas}") == "2"
    assert kubectl("get", "pod", "demo-before", "-o", "jsonpath={.status.phase}") == "Succeeded"
    assert kubectl("get", "cm", "demo-after", "-o", "jsonpath={.data.revision}") == "1"
    assert kubectl("get", "jobs,pods", "-l", "job-name", "-o", "name") == "", "hook-succeeded deletes the Job"
    assert "demo" in run("list")
    run("upgrade", "demo", CHART, "--set", "replicas=3", "--wait", "--timeout", "60s")
    assert kubectl("get", "deploy", "demo", "-o", "jsonpath={.status.readyReplicas}") == "3"
    run("rollback", "demo", "1", "--wait", "--timeout", "60s")
    assert kubectl("get", "cm", "demo", "-o", "jsonpath={.data.replicas}") == "2"
    history = json.loads(run("history", "demo", "-o", "json"))
    assert [row["status"] for row in history] == ["superseded", "superseded", "deployed"]
    assert json.loads(run("get", "values", "demo", "-o", "json", "--all"))["replicas"] == 2
    assert "uninstalled" in run("uninstall", "demo", "--wait", "--timeout", "60s")
    assert kubectl("get", "deploy,svc", "-o", "name") == ""


def test_hooks_that_are_jobs(helm, gateway):
    run = helm("hooks that are Jobs: waited for, kept or deleted, failing")
    kubectl = Program(peers.WHEEL, gateway, run.namespace)
    keep = "migrate.deletePolicy=before-hook-creation"
    run("install", "kept", CHART, "--set", keep, "--timeout", "60s")
    assert kubectl("get", "job", "kept-migrate", "-o", "jsonpath={.status.succeeded}") == "1"
    run("upgrade", "kept", CHART, "--set", keep, "--timeout", "60s")
    assert "SuccessfulCreate" in kubectl("get", "events", "--field-selector=involvedObject.kind=Job", "-o", "wide")
    said = run.refused("install", "fails", CHART, "--set", "migrate.exitCode=3", "--timeout", "60s")
    assert "failed post-install" in said
    assert "status: Failed, message: Job Failed. failed: 1/1" in said
    assert "fails" in run("list", "--failed")


def test_dry_runs_and_refusals(helm):
    run = helm("template, install --dry-run=server, errors")
    assert "kind: Deployment" in run("template", "demo", CHART)
    assert "kind: Service" in run("install", "demo", CHART, "--dry-run=server")
    said = run.refused("install", "demo", CHART, "--set", "replicas=-1")
    assert "spec.replicas: Invalid value" in said
    assert "release: not found" in run.refused("status", "never")
