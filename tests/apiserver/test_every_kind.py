"""Every built-in kind can be stored, read, listed, watched, updated, patched in three ways, and deleted."""

from __future__ import annotations

from typing import Any

import pytest
from api_cluster import Cluster
from smallest_objects import NAMES, NEEDED, smallest

from actors.apimachinery.custom_resources.definition import CRDS
from actors.apimachinery.resources import RESOURCES, Resource

STORABLE = [resource for resource in RESOURCES if resource.storable]
PATCHES: list[tuple[str, Any]] = [
    ("merge", {"metadata": {"labels": {"merge": "yes"}}}),
    ("strategic", {"metadata": {"labels": {"strategic": "yes"}}}),
    ("json", [{"op": "add", "path": "/metadata/labels/json", "value": "yes"}]),
]


@pytest.mark.parametrize("resource", STORABLE, ids=lambda resource: resource.key)
def test_the_whole_life_of_one_object(cluster: Cluster, resource: Resource) -> None:
    namespace = "default" if resource.namespaced else ""
    obj = smallest(resource)
    name = obj["metadata"]["name"]
    watcher = cluster.watch(resource.key, namespace)

    assert cluster.create(resource.key, obj, namespace, dryRun=["All"])["kind"] == resource.kind
    assert not cluster.exists(resource.key, name, namespace)

    created = cluster.create(resource.key, obj, namespace)
    assert created["metadata"]["uid"]
    if resource.key == CRDS:  # the server itself has its names accepted, and later ends it
        cluster.settle()
        created = cluster.get(resource.key, name, namespace)
    assert (created["apiVersion"], created["kind"]) == (resource.api_version, resource.kind)
    assert cluster.get(resource.key, name, namespace) == created
    assert name in cluster.names(resource.key, namespace)

    for patch_type, patch in PATCHES:
        cluster.call("patch", resource.key, namespace, name, body=patch, options={"patchType": patch_type})
    patched = cluster.get(resource.key, name, namespace)
    assert set(patched["metadata"]["labels"]) >= {"merge", "strategic", "json"}
    patched["metadata"]["annotations"] = {"updated": "yes"}
    updated = cluster.call("update", resource.key, namespace, name, body=patched).object
    assert int(updated["metadata"]["resourceVersion"]) > int(created["metadata"]["resourceVersion"])
    stale = cluster.refused("update", resource.key, namespace, name, body=created)
    assert stale.code == 409
    use_subresources(cluster, resource, namespace, name)

    cluster.call("delete", resource.key, namespace, name, options={"gracePeriodSeconds": 0})
    if resource.key == CRDS:
        cluster.settle()
    remove_finalizers(cluster, resource, namespace, name)
    assert not cluster.exists(resource.key, name, namespace)
    cluster.settle(1.0)
    kinds = [kind for kind, seen in watcher.kinds if seen == name]
    assert (kinds[0], kinds[-1]) == ("ADDED", "DELETED")
    assert kinds.count("MODIFIED") >= 4


def use_subresources(cluster: Cluster, resource: Resource, namespace: str, name: str) -> None:
    if resource.has_subresource("status"):
        before = cluster.call("get", resource.key, namespace, name, "status").object
        answer = cluster.call("update", resource.key, namespace, name, "status", before).object
        assert answer["kind"] == resource.kind
    if resource.has_subresource("scale"):
        body, options = {"spec": {"replicas": 7}}, {"patchType": "merge"}
        answer = cluster.call("patch", resource.key, namespace, name, "scale", body, options).object
        assert (answer["kind"], answer["spec"]["replicas"]) == ("Scale", 7)
        assert cluster.get(resource.key, name, namespace)["spec"]["replicas"] == 7


def remove_finalizers(cluster: Cluster, resource: Resource, namespace: str, name: str) -> None:
    """What their controllers do."""
    if cluster.exists(resource.key, name, namespace) and resource.kind != "Namespace":
        waiting = cluster.get(resource.key, name, namespace)
        assert waiting["metadata"]["deletionTimestamp"]
        body = {"metadata": {"finalizers": None}}
        cluster.call("patch", resource.key, namespace, name, body=body, options={"patchType": "merge"})
    elif resource.kind == "Namespace":
        waiting = cluster.get(resource.key, name, namespace)
        waiting["spec"]["finalizers"] = []
        cluster.call("update", resource.key, namespace, name, "finalize", waiting)


def test_there_is_nothing_stale_in_the_table_of_the_smallest() -> None:
    known = {resource.kind for resource in STORABLE} | {resource.key for resource in STORABLE}
    assert set(NEEDED) | set(NAMES) <= known
    assert len(STORABLE) > 70
