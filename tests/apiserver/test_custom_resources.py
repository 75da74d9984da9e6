"""Custom resources in the API server: from the definition's creation to its end."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from custom_definitions import CRON_SCHEMA, GROUP, cron_tab, definition, version

from actors.apimachinery.custom_resources.definition import CRDS, condition_is_true, condition_of
from actors.apimachinery.status import ApiError
from actors.apiserver import actor as apiserver
from actors.client.client import Client
from actors.client.informer import InformerSet
from broker.faults import RandomFaults
from broker.message import unpack
from broker.simulation import Simulation
from store import actor as store
from store.memory_log import MemoryLog
from store.protocol import RANGE

CRONTABS = f"{GROUP}/v1/crontabs"
STORED = f"/registry/{GROUP}/crontabs/default/nightly".encode()
CRD_NAME = f"crontabs.{GROUP}"


def establish(cluster: Any, *crds: dict[str, Any]) -> None:
    for crd in crds or (definition(),):
        cluster.create(CRDS, crd)
    cluster.settle()


def condition(cluster: Any, name: str, crd: str = CRD_NAME) -> tuple[str, str, str]:
    found = condition_of(cluster.get(CRDS, crd, ""), name)
    return (found["status"], found["reason"], found["message"])


def test_a_definition_is_established_and_its_resource_served(cluster):
    refusal = cluster.refused("create", CRONTABS, "default", "nightly", "", cron_tab())
    assert (refusal.code, refusal.reason) == (404, "NotFound")
    establish(cluster)
    crd = cluster.get(CRDS, CRD_NAME, "")
    assert condition(cluster, "Established") == ("True", "InitialNamesAccepted", "the initial names have been accepted")
    assert condition(cluster, "NamesAccepted") == ("True", "NoConflicts", "no conflicts found")
    assert crd["status"]["storedVersions"] == ["v1"]
    names = {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList"}
    assert crd["status"]["acceptedNames"] == names
    created = cluster.create(CRONTABS, cron_tab(), "default")
    assert created["spec"] == {"cronSpec": "@daily", "image": "busybox", "replicas": 1}
    assert created["metadata"]["generation"] == 1
    assert cluster.names(CRONTABS) == ["nightly"]


def test_unknown_fields_are_pruned_warned_of_or_refused(cluster):
    establish(cluster)
    odd = cron_tab(spec={"cronSpec": "x", "colour": "blue", "ports": [{"name": "a", "x": 1}]}, extra=1)
    refusal = cluster.refused("create", CRONTABS, "default", "nightly", "", odd)
    assert refusal.code == 400
    assert refusal.message == (
        'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "extra", '
        'unknown field "spec.colour", unknown field "spec.ports[0].x"'
    )
    result = cluster.call("create", CRONTABS, "default", "nightly", "", odd, {"fieldValidation": "Warn"})
    assert result.object["spec"]["ports"] == [{"name": "a"}]
    assert "colour" not in result.object["spec"]
    assert result.extra["warnings"] == [
        'unknown field "extra"',
        'unknown field "spec.colour"',
        'unknown field "spec.ports[0].x"',
    ]


def test_what_the_schema_refuses_is_named_by_field(cluster):
    establish(cluster)
    bad = cron_tab(spec={"cronSpec": "", "replicas": 11, "ports": [{"name": "a"}, {"name": "a"}, {}]})
    refusal = cluster.refused("create", CRONTABS, "default", "nightly", "", bad)
    assert refusal.code == 422
    assert refusal.message.startswith(f'CronTab.{GROUP} "nightly" is invalid: [')
    assert [cause["field"] for cause in refusal.status["details"]["causes"]] == [
        "spec.cronSpec",
        "spec.replicas",
        "spec.ports[2].name",
        "spec.ports[1]",
    ]
    assert "spec.replicas in body should be less than or equal to 10" in refusal.message
    assert cluster.names(CRONTABS) == []


def test_status_and_scale_are_subresources(cluster):
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.labelSelector",
    }
    establish(cluster, definition(versions=[version(subresources={"status": {}, "scale": scale})]))
    obj = cluster.create(CRONTABS, cron_tab(status={"phase": "sent by the client"}), "default")
    assert "status" not in obj
    obj["spec"]["cronSpec"] = "@hourly"
    obj["status"] = {"phase": "ignored"}
    obj = cluster.call("update", CRONTABS, "default", "nightly", "", obj).object
    assert obj["metadata"]["generation"] == 2
    assert "status" not in obj
    changed = {
        **obj,
        "spec": {"cronSpec": "ignored"},
        "metadata": {**obj["metadata"], "labels": {"ignored": "too"}},
        "status": {"phase": "Running", "replicas": 3, "labelSelector": "app=cron"},
    }
    obj = cluster.call("update", CRONTABS, "default", "nightly", "status", changed).object
    assert obj["spec"]["cronSpec"] == "@hourly"
    assert obj["status"]["phase"] == "Running"
    assert "labels" not in obj["metadata"]
    assert obj["metadata"]["generation"] == 2
    found = cluster.call("get", CRONTABS, "default", "nightly", "scale").object
    assert found["spec"] == {"replicas": 1}
    assert found["status"] == {"replicas": 3, "selector": "app=cron"}
    found["spec"]["replicas"] = 5
    cluster.call("update", CRONTABS, "default", "nightly", "scale", found)
    obj = cluster.get(CRONTABS, "nightly")
    assert obj["spec"]["replicas"] == 5
    assert obj["metadata"]["generation"] == 3
    assert obj["status"]["replicas"] == 3
    found["spec"]["replicas"] = 11
    del found["metadata"]["resourceVersion"]
    assert cluster.refused("update", CRONTABS, "default", "nightly", "scale", found).code == 422


def test_without_a_status_subresource_the_status_is_a_field_like_any(cluster):
    establish(cluster)
    obj = cluster.create(CRONTABS, cron_tab(status={"phase": "New"}), "default")
    assert obj["status"] == {"phase": "New"}
    obj["status"] = {"phase": "Old"}
    obj = cluster.call("update", CRONTABS, "default", "nightly", "", obj).object
    assert (obj["status"], obj["metadata"]["generation"]) == ({"phase": "Old"}, 2)
    assert cluster.refused("get", CRONTABS, "default", "nightly", "status").code == 404


def test_strategic_merge_is_not_for_custom_resources(cluster):
    establish(cluster)
    cluster.create(CRONTABS, cron_tab(), "default")
    patch = {"spec": {"replicas": 2}}
    refusal = cluster.refused("patch", CRONTABS, "default", "nightly", "", patch, {"patchType": "strategic"})
    assert refusal.code == 415
    patched = cluster.call("patch", CRONTABS, "default", "nightly", "", patch, {"patchType": "merge"}).object
    assert patched["spec"]["replicas"] == 2
    refusal = cluster.refused(
        "patch", CRONTABS, "default", "nightly", "", {"spec": {"replicas": "two"}}, {"patchType": "merge"}
    )
    assert 'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"' in (
        refusal.message
    )


def test_names_that_are_in_use_are_not_accepted_until_they_are_free(cluster):
    establish(cluster, definition(shortNames=["ct"]))
    other = definition("crontables", "CronTable", shortNames=["ct"], singular="crontab")
    establish(cluster, other)
    name = f"crontables.{GROUP}"
    assert condition(cluster, "NamesAccepted", name) == ("False", "ShortNamesConflict", '"ct" is already in use')
    assert condition(cluster, "Established", name) == ("False", "NotAccepted", "not all names are accepted")
    assert cluster.refused("list", f"{GROUP}/v1/crontables").code == 404
    cluster.call("delete", CRDS, "", CRD_NAME)
    cluster.settle(1.0)
    assert condition(cluster, "NamesAccepted", name)[0] == "True"
    assert condition(cluster, "Established", name)[0] == "True"
    assert cluster.names(f"{GROUP}/v1/crontables") == []


def test_deleting_a_definition_deletes_its_instances_first(cluster):
    establish(cluster)
    cluster.create(CRONTABS, cron_tab("held", metadata={"finalizers": ["example.com/hold"]}), "default")
    cluster.create(CRONTABS, cron_tab("free"), "default")
    watcher = cluster.watch(CRONTABS)
    answered = cluster.call("delete", CRDS, "", CRD_NAME).object
    assert answered["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    cluster.settle(1.0)
    assert ("DELETED", "free") in watcher.kinds
    assert condition(cluster, "Terminating")[:2] == ("True", "InstanceDeletionInProgress")
    refusal = cluster.refused("create", CRONTABS, "default", "late", "", cron_tab("late"))
    assert refusal.code == 405
    assert refusal.message == "create not allowed while custom resource definition is terminating"
    cluster.call("patch", CRONTABS, "default", "held", "", {"metadata": {"finalizers": None}}, {"patchType": "merge"})
    cluster.settle(1.0)
    assert not cluster.exists(CRDS, CRD_NAME, "")
    assert cluster.refused("list", CRONTABS).code == 404


def test_versions_show_the_same_object(cluster):
    older = version("v1beta1", storage=False)
    newer_schema = {
        **CRON_SCHEMA,
        "properties": {**CRON_SCHEMA["properties"], "extra": {"type": "string", "default": "d"}},
    }
    establish(cluster, definition(versions=[version(schema=newer_schema), older]))
    beta = f"{GROUP}/v1beta1/crontabs"
    watcher, beta_watcher = cluster.watch(CRONTABS), cluster.watch(beta)
    created = cluster.create(beta, cron_tab(api_version="v1beta1"), "default")
    assert created["apiVersion"] == f"{GROUP}/v1beta1"
    (stored,) = cluster.run(cluster.ctx.request("store", RANGE, {"key": STORED})).blobs
    assert unpack(stored)["apiVersion"] == f"{GROUP}/v1"
    cluster.settle()
    assert watcher.objects[-1]["apiVersion"] == f"{GROUP}/v1"
    assert beta_watcher.objects[-1]["apiVersion"] == f"{GROUP}/v1beta1"
    shown = cluster.get(CRONTABS, "nightly")
    assert (shown["apiVersion"], shown["extra"]) == (f"{GROUP}/v1", "d")
    shown["spec"]["image"] = "nginx"
    cluster.call("update", CRONTABS, "default", "nightly", "", shown)
    again = cluster.call("list", beta, "default").objects[0]
    assert again["apiVersion"] == f"{GROUP}/v1beta1"
    assert again["spec"]["image"] == "nginx"
    assert "extra" not in again
    deleted = cluster.call("delete", beta, "default", "nightly").object
    assert deleted["apiVersion"] == f"{GROUP}/v1beta1"


def test_informers_follow_custom_resources_by_label_and_field(cluster):
    versions = [version(selectableFields=[{"jsonPath": ".spec.image"}])]
    informers = InformerSet(cluster.client)
    everything = informers.of(CRONTABS)
    cluster.run(cluster.client.create(CRDS, definition(versions=versions)))
    labelled = informers.of(CRONTABS, label_selector="tier=gold")
    nginx = informers.of(CRONTABS, field_selector="spec.image=nginx")
    cluster.run(informers.start())
    cluster.create(CRONTABS, cron_tab("a", metadata={"labels": {"tier": "gold"}}), "default")
    cluster.create(CRONTABS, cron_tab("b", {"cronSpec": "x", "image": "nginx"}), "default")
    cluster.settle()
    assert {obj["metadata"]["name"] for obj in everything.items()} == {"a", "b"}
    assert [obj["metadata"]["name"] for obj in labelled.items()] == ["a"]
    assert [obj["metadata"]["name"] for obj in nginx.items()] == ["b"]
    cluster.call("patch", CRONTABS, "default", "b", "", {"spec": {"image": "x"}}, {"patchType": "merge"})
    cluster.settle()
    assert nginx.items() == []
    assert cluster.names(CRONTABS, fieldSelector="spec.image=busybox") == ["a"]
    refusal = cluster.refused("list", CRONTABS, options={"fieldSelector": "spec.replicas=1"})
    assert refusal.code == 400


@pytest.mark.parametrize("scope", ["Namespaced", "Cluster"])
def test_scopes(cluster, scope):
    establish(cluster, definition(scope=scope))
    where = "default" if scope == "Namespaced" else ""
    assert cluster.create(CRONTABS, cron_tab(), where)["metadata"].get("namespace", "") == where


def test_an_update_need_not_repair_what_it_leaves_alone(cluster):
    establish(cluster)
    cluster.create(CRONTABS, cron_tab(spec={"cronSpec": "x", "replicas": 9}), "default")
    crd = cluster.get(CRDS, CRD_NAME, "")
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"] = {
        "type": "integer",
        "maximum": 5,
    }
    cluster.call("update", CRDS, "", CRD_NAME, "", crd)
    cluster.settle()
    merge = {"patchType": "merge"}
    cluster.call("patch", CRONTABS, "default", "nightly", "", {"spec": {"image": "nginx"}}, merge)
    refusal = cluster.refused("patch", CRONTABS, "default", "nightly", "", {"spec": {"replicas": 8}}, merge)
    assert "should be less than or equal to 5" in refusal.message


def test_server_side_apply_merges_lists_by_the_schemas_keys(cluster):
    establish(cluster, definition(versions=[version(), version("v1beta1", storage=False)]))

    def apply(manager: str, spec: dict[str, Any], **options: Any):
        body = {**cron_tab(spec=spec), "metadata": {"name": "nightly"}}
        options = {"patchType": "apply", "fieldManager": manager, **options}
        return cluster.call("patch", CRONTABS, "default", "nightly", "", body, options).object

    apply("a", {"cronSpec": "x", "ports": [{"name": "http", "port": 80}]})
    merged = apply("b", {"cronSpec": "x", "ports": [{"name": "https", "port": 443}]})
    assert [port["name"] for port in merged["spec"]["ports"]] == ["http", "https"]
    assert merged["spec"]["replicas"] == 1
    with pytest.raises(ApiError) as caught:
        apply("b", {"cronSpec": "y"})
    assert caught.value.code == 409
    left = apply("a", {"cronSpec": "x"})
    assert [port["name"] for port in left["spec"]["ports"]] == ["https"]
    with pytest.raises(ApiError) as caught:
        apply("a", {"cronSpec": "x", "replicas": 99}, force=True)
    assert caught.value.code == 422
    beta = {**cron_tab(spec={"image": "nginx"}, api_version="v1beta1"), "metadata": {"name": "nightly"}}
    options = {"patchType": "apply", "fieldManager": "c", "force": True}
    shown = cluster.call("patch", f"{GROUP}/v1beta1/crontabs", "default", "nightly", "", beta, options).object
    assert (shown["apiVersion"], shown["spec"]["image"]) == (f"{GROUP}/v1beta1", "nginx")
    assert cluster.get(CRONTABS, "nightly")["apiVersion"] == f"{GROUP}/v1"


def test_a_rule_refuses_and_a_definition_with_a_bad_rule_is_refused(cluster):
    rule = {"rule": "self.replicas <= 5 || self.image != 'busybox'", "message": "busybox doesn't scale"}
    schema = deepcopy(CRON_SCHEMA)
    schema["properties"]["spec"]["x-kubernetes-validations"] = [rule]
    bad = deepcopy(schema)
    bad["properties"]["spec"]["x-kubernetes-validations"] = [{"rule": "self.nope > 1"}]
    refusal = cluster.refused("create", CRDS, "", CRD_NAME, "", definition(versions=[version(schema=bad)]))
    assert refusal.code == 422
    (cause,) = refusal.status["details"]["causes"]
    where = "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"
    assert cause["field"] == where
    assert "undefined field 'nope'" in cause["message"]
    establish(cluster, definition(versions=[version(schema=schema)]))
    refusal = cluster.refused(
        "create", CRONTABS, "default", "nightly", "", cron_tab(spec={"cronSpec": "x", "replicas": 6})
    )
    assert refusal.status["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "message": 'Invalid value: "object": busybox doesn\'t scale', "field": "spec"}
    ]


def test_custom_objects_are_applied_by_the_list_types_of_their_schema(cluster: Any) -> None:
    group = "lists.example.com"
    port = {"type": "object", "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}
    named = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    spec = {
        "type": "object",
        "properties": {
            "ports": {"type": "array", "items": {**port, "required": ["name"]}, **named},
            "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "whole": {"type": "array", "items": {"type": "string"}},
        },
    }
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }
    cluster.create("apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    cluster.settle(1.0)
    things = f"{group}/v1/things"

    def apply(manager: str, spec: Any) -> Any:
        thing = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}
        options = {"patchType": "apply", "fieldManager": manager}
        return cluster.call("patch", things, "default", "a", body=thing, options=options).object["spec"]

    apply("one", {"ports": [{"name": "x", "port": 1}], "tags": ["a"], "whole": ["a"]})
    assert apply("two", {"ports": [{"name": "y", "port": 2}], "tags": ["b"]}) == {
        "ports": [{"name": "x", "port": 1}, {"name": "y", "port": 2}],
        "tags": ["a", "b"],
        "whole": ["a"],
    }
    with pytest.raises(ApiError, match=r'conflict with "one": \.spec\.whole'):
        apply("two", {"whole": ["b"]})
    with pytest.raises(ApiError, match=r"\.spec\.nosuch: field not declared in schema"):
        apply("two", {"nosuch": 1})
    assert apply("one", {}) == {"ports": [{"name": "y", "port": 2}], "tags": ["b"]}


@pytest.mark.parametrize("seed", range(5))
def test_what_one_server_established_every_server_serves(seed):
    simulation = Simulation(seed=seed)
    log = MemoryLog()
    simulation.spawn_actor("store", lambda ctx: store.run(ctx, log))
    for name in ("apiserver", "apiserver-2"):
        simulation.spawn_actor(name, apiserver.run)
    ctx = simulation.context("client")
    first, second = Client(ctx), Client(ctx, "apiserver-2")

    async def established_here_used_there() -> int:
        await second.list("v1/namespaces")  # both are there
        await first.create(CRDS, definition())
        while not condition_is_true(await first.get(CRDS, CRD_NAME), "Established"):
            await ctx.sleep(0.0001)
        return len((await second.list(CRONTABS)).items)

    simulation.set_faults(RandomFaults.from_plain({"delay": 0.3}))
    assert simulation.run(established_here_used_there()) == 0
    simulation.close()
