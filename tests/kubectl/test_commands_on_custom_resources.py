"""The commands on custom resources, in simulation: as kubectl does it."""

from __future__ import annotations

from pathlib import Path

DEFINITION = Path("examples/crontab-crd.yaml")
OBJECT = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: nightly}
spec: {cronSpec: "@daily"}
"""


def test_a_custom_resource_from_definition_to_deletion(world):
    both = f"{DEFINITION.read_text()}\n---\n{OBJECT}"
    first = world.run("apply", "-f", "-", text=both)
    assert first.code == 1
    assert first.out == "customresourcedefinition.apiextensions.k8s.io/crontabs.stable.example.com created\n"
    assert first.err.endswith(
        'no matches for kind "CronTab" in version "stable.example.com/v1"\nensure CRDs are installed first\n'
    )
    world.ok("wait", "--for=condition=established", "crd/crontabs.stable.example.com", "--timeout=5s")
    assert "crontab.stable.example.com/nightly created" in world.ok("apply", "-f", "-", text=both)
    assert "nightly unchanged" in world.ok("apply", "-f", "-", text=OBJECT)
    assert "nightly configured" in world.ok("apply", "-f", "-", text=OBJECT.replace("@daily", "@hourly"))
    world.ok("scale", "ct/nightly", "--replicas=3", "--current-replicas=1")
    header, row = world.ok("get", "crontabs", "-o", "wide").splitlines()
    assert header.split() == ["NAME", "SPEC", "REPLICAS", "IMAGE", "AGE"]
    assert row.split()[:4] == ["nightly", "@hourly", "3", "busybox"]
    assert "crontab.stable.example.com/nightly" in world.ok("get", "all")
    assert world.ok("get", "ct", "--field-selector", "spec.image=nginx", "-o", "name") == ""
    assert "Cron Spec:  @hourly" in world.ok("describe", "ct", "nightly")
    assert "What is to be run, and when." in world.ok("explain", "crontabs.stable.example.com.spec")
    assert "stable.example.com/v1" in world.ok("api-versions").splitlines()
    refused = world.run("apply", "-f", "-", text=OBJECT.replace('"@daily"', "5"))
    assert 'spec.cronSpec in body must be of type string: "integer"' in refused.err
    world.ok("delete", "crd", "crontabs.stable.example.com")
    assert world.run("get", "ct").err == 'error: the server doesn\'t have a resource type "ct"\n'
