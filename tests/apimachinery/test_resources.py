"""The table of built-in resources is complete, and people's names lead to the right one."""

from __future__ import annotations

import importlib.resources

import orjson
import pytest

from actors.apimachinery.resources import (
    RESOURCES,
    UnknownResource,
    new_resource,
    resolve,
    resolve_all,
    resource_for_kind,
    resource_of,
)

# Kinds that are posted or answered and never stored, or part of the API machinery itself.
NOT_RESOURCES = {"APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "Status", "WatchEvent"}
SUBRESOURCE_KINDS = {("autoscaling", "v1", "Scale"), ("policy", "v1", "Eviction")} | {
    ("authentication.k8s.io", "v1", "TokenRequest")
}


def published_kinds() -> set[tuple[str, str, str]]:
    path = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema/v1.37.0-local/_definitions.json"
    kinds = set()
    for definition in orjson.loads(path.read_bytes())["$defs"].values():
        for gvk in definition.get("x-kubernetes-group-version-kind", ()):
            kinds.add((gvk["group"], gvk["version"], gvk["kind"]))
    return kinds


def test_every_published_kind_has_a_resource_and_no_resource_is_invented():
    published = {
        (group, version, kind)
        for group, version, kind in published_kinds()
        if kind not in NOT_RESOURCES and (group, version, kind) not in SUBRESOURCE_KINDS
    }
    singles = {k for k in published if not (k[2].endswith("List") and (k[0], k[1], k[2][:-4]) in published)}
    assert {(r.group, r.version, r.kind) for r in RESOURCES} == singles


def test_stored_resources_are_exactly_those_with_a_list_kind():
    published = published_kinds()
    for resource in RESOURCES:
        has_list = (resource.group, resource.version, resource.list_kind) in published
        assert resource.storable == (has_list and resource.kind != "ComponentStatus"), resource.key


def test_keys_are_unique_and_lead_back():
    assert len({resource.key for resource in RESOURCES}) == len(RESOURCES)
    for resource in RESOURCES:
        assert resource_of(resource.key) is resource
        assert resource_for_kind(resource.api_version, resource.kind) is resource


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("po", "v1/pods"),
        ("pods", "v1/pods"),
        ("Pod", "v1/pods"),
        ("deploy", "apps/v1/deployments"),
        ("Deployment", "apps/v1/deployments"),
        ("deployments.apps", "apps/v1/deployments"),
        ("deploy.apps", "apps/v1/deployments"),
        ("deployments.v1.apps", "apps/v1/deployments"),
        ("events", "v1/events"),
        ("events.events.k8s.io", "events.k8s.io/v1/events"),
        ("ev.events", "events.k8s.io/v1/events"),
        ("hpa", "autoscaling/v2/horizontalpodautoscalers"),
        ("hpa.v1.autoscaling", "autoscaling/v1/horizontalpodautoscalers"),
        ("ing", "networking.k8s.io/v1/ingresses"),
        ("endpoints", "v1/endpoints"),
        ("crds", "apiextensions.k8s.io/v1/customresourcedefinitions"),
        ("netpol", "networking.k8s.io/v1/networkpolicies"),
    ],
)
def test_names_people_type(typed, key):
    assert resolve(typed).key == key


def test_unknown_name_is_refused_in_kubectls_words():
    with pytest.raises(UnknownResource, match='the server doesn\'t have a resource type "gizmo"'):
        resolve("gizmo")
    with pytest.raises(UnknownResource):
        resolve("pods.apps")


def test_all_is_kubectls_category():
    assert [r.plural for r in resolve_all("all")] == [
        "pods",
        "replicationcontrollers",
        "services",
        "daemonsets",
        "deployments",
        "replicasets",
        "statefulsets",
        "horizontalpodautoscalers",
        "cronjobs",
        "jobs",
    ]
    assert [r.plural for r in resolve_all("deploy,cm,deployments")] == ["deployments", "configmaps"]


def test_custom_resources_can_be_added():
    table = RESOURCES.with_added(
        [new_resource("example.com", "v1", "CronTab", "crontabs", namespaced=True, short_names=("ct",))]
    )
    assert table.resolve("ct").key == "example.com/v1/crontabs"
    assert RESOURCES.get("example.com/v1/crontabs") is None
    assert resource_of("v1/pods").list_kind == "PodList"
    assert len({(r.group, r.plural) for r in table.preferred()}) == len(table.preferred())
