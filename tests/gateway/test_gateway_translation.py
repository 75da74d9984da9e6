"""HTTP requests as operations: paths, parameters, bodies, forms of answers, documents."""

import contextlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.protobuf import MalformedProtobuf, UnknownMessage, decode
from actors.apimachinery.resources import RESOURCES, custom_resources_of, resource_of
from actors.apimachinery.status import ApiError
from actors.gateway import discovery, openapi
from actors.gateway.accept import answer_form
from actors.gateway.body import decoded_body
from actors.gateway.request_path import parse_path
from actors.gateway.table import transformed_list
from actors.gateway.translation import operation_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/pods", ("v1/pods", "", "", "")),
        ("/api/v1/namespaces/a/pods/p/log", ("v1/pods", "a", "p", "log")),
        ("/api/v1/namespaces/a", ("v1/namespaces", "", "a", "")),
        ("/api/v1/namespaces/a/status", ("v1/namespaces", "", "a", "status")),
        ("/apis/apps/v1/namespaces/a/deployments/d/scale", ("apps/v1/deployments", "a", "d", "scale")),
        ("/apis/apps/v1/deployments", ("apps/v1/deployments", "", "", "")),
    ],
)
def test_a_path_names_a_resource(path, expected):
    found = parse_path(path, RESOURCES)
    assert (found.resource.key, found.namespace, found.name, found.subresource) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/v2/pods",
        "/api/v1/nosuch",
        "/api/v1/pods/p",
        "/api/v1/namespaces/a/nodes",
        "/api/v1/namespaces/../pods",
        "/api/v1/namespaces/a/pods/p/nosuch",
        "/api/v1/namespaces/a/pods/p/log/x",
    ],
)
def test_other_paths_name_nothing(path):
    assert parse_path(path, RESOURCES) is None


@given(st.text(alphabet="/abpodsvi1.%", max_size=40))
@settings(max_examples=100)
def test_no_path_breaks_the_parser(path):
    parse_path(path, RESOURCES)


def operation(method, path, query=None, body=b"", content_type="application/json"):
    return operation_of(method, parse_path(path, RESOURCES), query or {}, body, content_type)


def test_methods_are_verbs():
    collection, item = "/api/v1/namespaces/a/configmaps", "/api/v1/namespaces/a/configmaps/c"
    assert operation("GET", collection).verb == "list"
    assert operation("GET", item).verb == "get"
    assert operation("POST", collection, body=b'{"metadata":{"name":"c"}}').name == "c"
    assert operation("PUT", item, body=b"{}").verb == "update"
    assert operation("DELETE", item).verb == "delete"
    assert operation("DELETE", collection).verb == "deletecollection"
    merge = operation("PATCH", item, body=b"{}", content_type="application/merge-patch+json")
    assert (merge.verb, merge.options["patchType"]) == ("patch", "merge")
    with pytest.raises(ApiError) as refused:
        operation("POST", item, body=b"{}")
    assert refused.value.code == 405


def test_parameters_become_options():
    listed = operation("GET", "/api/v1/pods", {"limit": "5", "labelSelector": "a=b", "continue": "x"})
    assert listed.options == {"limit": 5, "labelSelector": "a=b", "continue": "x"}
    made = operation(
        "POST", "/api/v1/namespaces", {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "me"}, b"{}"
    )
    assert made.options == {"dryRun": ["All"], "fieldValidation": "Strict", "fieldManager": "me"}
    with pytest.raises(ApiError):
        operation("GET", "/api/v1/pods", {"limit": "many"})


def test_delete_options_come_from_the_body_or_the_parameters():
    path = "/api/v1/namespaces/a/configmaps/c"
    body = b'{"propagationPolicy":"Orphan","gracePeriodSeconds":0,"preconditions":{"uid":"u"},"dryRun":["All"]}'
    assert operation("DELETE", path, body=body).options == {
        "propagationPolicy": "Orphan",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u"},
        "dryRun": ["All"],
    }
    assert operation("DELETE", path, {"gracePeriodSeconds": "3"}).options == {"gracePeriodSeconds": 3}


@pytest.mark.parametrize(
    ("content", "content_type", "code"),
    [
        (b"{", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"a: &a [x]\nb: *a", "application/yaml", 400),
        (b"[" * 200 + b"]" * 200, "application/yaml", 400),
        (b"x", "text/html", 415),
        (b"k8s\0\xff", "application/vnd.kubernetes.protobuf", 400),
        (b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Nosuch", "application/vnd.kubernetes.protobuf", 415),
    ],
)
def test_bad_bodies_are_refused(content, content_type, code):
    with pytest.raises(ApiError) as refused:
        decoded_body(content, content_type)
    assert refused.value.code == code


def test_yaml_keeps_timestamps_as_text():
    assert decoded_body(b"at: 2024-01-01T00:00:00Z", "application/yaml") == {"at": "2024-01-01T00:00:00Z"}


def field(number, content):
    return bytes([number << 3 | 2, len(content)]) + content


def test_a_protobuf_object_is_read():
    metadata = field(1, b"cm") + field(2, b"") + field(11, field(1, b"k") + field(2, b"v")) + field(8, b"")
    raw = field(1, metadata) + field(2, field(1, b"a") + field(2, b"b"))
    envelope = b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, raw)
    assert decode(envelope) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cm", "labels": {"k": "v"}},
        "data": {"a": "b"},
    }
    unknown = b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, field(15, b"x"))
    with pytest.raises(UnknownMessage):
        decode(unknown)


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_no_bytes_break_the_protobuf_reader(content):
    envelope = b"k8s\0" + field(1, field(1, b"apps/v1") + field(2, b"Deployment")) + field(2, content)
    for attempt in (b"k8s\0" + content, envelope):
        with contextlib.suppress(MalformedProtobuf, UnknownMessage):
            decode(attempt)


def test_forms_of_answers():
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    assert answer_form(table).transform == "Table"
    assert answer_form("application/vnd.kubernetes.protobuf,application/json").transform == ""
    assert answer_form("*/*").transform == ""
    with pytest.raises(ApiError) as refused:
        answer_form("application/vnd.kubernetes.protobuf")
    assert refused.value.code == 406
    pods = resource_of("v1/pods")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"containers": []}}
    rendered = transformed_list(pods, [pod], {"resourceVersion": "1"}, answer_form(table), 0.0, "Metadata")
    assert len(rendered["rows"][0]["cells"]) == len(rendered["columnDefinitions"])
    assert rendered["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": pod["metadata"],
    }


def test_discovery_in_both_forms_has_every_resource():
    listed = {
        (gv, row["name"])
        for gv in discovery.group_versions(RESOURCES)
        for row in discovery.api_resource_list(gv, RESOURCES)["resources"]
        if "/" not in row["name"]
    }
    assert listed == {(resource.api_version, resource.plural) for resource in RESOURCES}
    aggregated = {
        (f"{name}/{version['version']}" if (name := item["metadata"].get("name")) else "v1", row["resource"])
        for core in (True, False)
        for item in discovery.aggregated(core, RESOURCES)["items"]
        for version in item["versions"]
        for row in version["resources"]
    }
    assert aggregated == listed


def references_of(value):
    """Every ``$ref`` in a document's schemas, which are without OpenAPI 3.1's lists of types."""
    if isinstance(value, list):
        return [each for item in value for each in references_of(item)]
    if not isinstance(value, dict):
        return []
    assert not isinstance(value.get("type"), list)
    own = [value["$ref"].removeprefix("#/components/schemas/")] if isinstance(value.get("$ref"), str) else []
    return own + [each for item in value.values() for each in references_of(item)]


def test_openapi_documents_are_closed_and_carry_what_kubectl_looks_for():
    document = json.loads(openapi.document("apps/v1", RESOURCES))
    schemas = document["components"]["schemas"]
    references = references_of(schemas)
    assert references
    assert set(references) <= set(schemas)
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert openapi.document("nosuch/v1", RESOURCES) is None


def test_custom_resources_are_discovered_and_documented():
    definition = yaml.safe_load(Path("examples/crontab-crd.yaml").read_text())
    definition["metadata"] |= {"uid": "u1", "resourceVersion": "5"}
    definition["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    table = RESOURCES.with_added(custom_resources_of(definition))
    listed = discovery.api_resource_list("stable.example.com/v1", table)["resources"]
    assert [row["name"] for row in listed] == ["crontabs", "crontabs/status", "crontabs/scale"]
    assert (listed[0]["shortNames"], listed[0]["categories"], listed[2]["kind"]) == (["ct"], ["all"], "Scale")
    assert "stable.example.com" in {
        item["metadata"].get("name") for item in discovery.aggregated(False, table)["items"]
    }
    assert discovery.api_group("stable.example.com", RESOURCES) is None
    document = json.loads(openapi.document("stable.example.com/v1", table))
    schemas = document["components"]["schemas"]
    kind = schemas["com.example.stable.v1.CronTab"]
    group_version_kind = {"group": "stable.example.com", "version": "v1", "kind": "CronTab"}
    assert kind["x-kubernetes-group-version-kind"] == [group_version_kind]
    assert set(references_of(schemas)) <= set(schemas)
    patch = document["paths"]["/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == group_version_kind
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    before = openapi.index(table)["paths"]["apis/stable.example.com/v1"]
    definition["metadata"]["resourceVersion"] = "6"
    changed = RESOURCES.with_added(custom_resources_of(definition))
    assert openapi.index(changed)["paths"]["apis/stable.example.com/v1"] != before
    assert openapi.index(changed)["paths"]["apis/apps/v1"] == openapi.index(RESOURCES)["paths"]["apis/apps/v1"]
