"""Create, update, patch and delete as clients see them."""

from __future__ import annotations

from typing import Any

import pytest
from api_cluster import Cluster, config_map, pod

from actors.apimachinery.operation import Operation

PODS, MAPS, DEPLOYMENTS = "v1/pods", "v1/configmaps", "apps/v1/deployments"


def deployment(name: str, replicas: int = 1) -> dict:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
            },
        },
    }


def test_create_fills_in_what_is_the_servers(cluster: Cluster) -> None:
    created = cluster.create_pod("a", uid="mine", resourceVersion="")
    metadata = created["metadata"]
    assert metadata["uid"] not in ("", "mine")
    assert metadata["creationTimestamp"].startswith("2026-01-01T00:00:0")
    assert int(metadata["resourceVersion"]) > 1
    assert created["spec"]["priority"] == 0
    assert created["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert {t["key"] for t in created["spec"]["tolerations"]} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }
    assert cluster.get(PODS, "a") == created


def test_create_refuses_what_exists(cluster: Cluster) -> None:
    cluster.create_pod("a")
    error = cluster.refused("create", PODS, "default", body=pod("a"))
    assert (error.code, error.reason) == (409, "AlreadyExists")
    assert error.message == 'pods "a" already exists'


def test_create_in_a_namespace_that_is_not_there(cluster: Cluster) -> None:
    error = cluster.refused("create", PODS, "nowhere", body=pod("a"))
    assert (error.code, error.message) == (404, 'namespaces "nowhere" not found')


def test_create_in_a_namespace_made_in_the_same_batch(cluster: Cluster) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}
    results = cluster.batch(
        Operation("create", "v1/namespaces", name="new", body=namespace),
        Operation("create", MAPS, "new", body=config_map("a")),
        Operation("list", MAPS, "new"),
    )
    assert [result.code for result in results] == [201, 201, 200]
    assert [obj["metadata"]["name"] for obj in results[2].objects] == ["a"]
    assert results[0].object["status"] == {"phase": "Active"}
    assert results[0].object["spec"] == {"finalizers": ["kubernetes"]}


def test_one_failure_does_not_stop_the_batch(cluster: Cluster) -> None:
    results = cluster.batch(
        Operation("create", MAPS, "default", body=config_map("a")),
        Operation("create", MAPS, "default", body=config_map("a")),
        Operation("patch", MAPS, "default", "a", body={"data": {"k": "v"}}),
        Operation("delete", MAPS, "default", "missing"),
        Operation("get", MAPS, "default", "a"),
        Operation("delete", MAPS, "default", "a"),
        Operation("get", MAPS, "default", "a"),
    )
    assert [result.code for result in results] == [201, 409, 200, 404, 200, 200, 404]
    assert results[4].object["data"] == {"k": "v"}


def test_unknown_fields_are_refused_unless_ignored(cluster: Cluster) -> None:
    wrong = pod("a")
    wrong["spec"] = {**wrong["spec"], "containerz": []}
    error = cluster.refused("create", PODS, "default", body=wrong)
    assert error.code == 400
    assert 'unknown field "spec.containerz"' in error.message
    result = cluster.call("create", PODS, "default", body=wrong, options={"fieldValidation": "Warn"})
    assert result.extra["warnings"] == ['unknown field "spec.containerz"']
    assert "containerz" not in result.object["spec"]


def test_generate_name_is_the_same_for_the_same_operation(cluster: Cluster) -> None:
    first = cluster.create(MAPS, config_map(generateName="x-"), "default")
    second = cluster.create(MAPS, config_map(generateName="x-"), "default")
    name = first["metadata"]["name"]
    assert name.startswith("x-")
    assert len(name) == len("x-") + 5
    assert name != second["metadata"]["name"]


def test_a_generated_name_that_is_taken_makes_way_for_another(cluster: Cluster, monkeypatch) -> None:
    taken = iter(["x-taken", "x-taken", "x-free"])
    monkeypatch.setattr("actors.apiserver.create.generated_name", lambda *_: next(taken))
    cluster.create(MAPS, config_map(generateName="x-"), "default")
    created = cluster.create(MAPS, config_map(generateName="x-"), "default")
    assert created["metadata"]["name"] == "x-free"


def test_a_request_delivered_twice_creates_once(cluster: Cluster) -> None:
    """Also when the server has forgotten that it answered: an incarnation lies in between."""
    from actors.apimachinery.operation import OPERATE, operations_to_wire, results_from_wire
    from broker.message import NO_CAUSE, Reply

    body, blobs = operations_to_wire(
        [
            Operation("create", MAPS, "default", body=config_map("a")),
            Operation("create", MAPS, "default", body=config_map(generateName="g-")),
        ],
        NO_CAUSE,
    )

    def send() -> Reply:
        return cluster.run(cluster.ctx.request("apiserver", OPERATE, body, blobs, request_id="same"))

    first = send()
    cluster.simulation.crash("apiserver")
    second = send()
    before = results_from_wire(first.body, first.blobs)
    after = results_from_wire(second.body, second.blobs)
    assert [r.code for r in after] == [201, 201]
    assert [r.object for r in after] == [r.object for r in before]
    assert len(cluster.names(MAPS)) == 2
    other = cluster.refused("create", MAPS, "default", body=config_map("a"))
    assert other.code == 409


def test_update_with_a_stale_version_conflicts(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a"), "default")
    cluster.call("update", MAPS, "default", "a", body={**created, "data": {"x": "1"}})
    error = cluster.refused("update", MAPS, "default", "a", body={**created, "data": {"x": "2"}})
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes '
        "to the latest version and try again"
    )
    unversioned = config_map("a", {"x": "3"})
    assert cluster.call("update", MAPS, "default", "a", body=unversioned).object["data"] == {"x": "3"}


def test_an_update_that_changes_nothing_writes_nothing(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a", {"x": "1"}), "default")
    before = cluster.revision()
    same = cluster.call("update", MAPS, "default", "a", body=created)
    assert same.object == created
    assert cluster.revision() == before


def test_update_of_what_is_not_there(cluster: Cluster) -> None:
    error = cluster.refused("update", MAPS, "default", "a", body=config_map("a"))
    assert (error.code, error.message) == (404, 'configmaps "a" not found')


def test_update_keeps_uid_and_status_and_counts_generations(cluster: Cluster) -> None:
    created = cluster.create(DEPLOYMENTS, deployment("web"), "default")
    assert created["metadata"]["generation"] == 1
    status = {**created, "status": {"replicas": 1, "observedGeneration": 1}}
    updated = cluster.call("update", DEPLOYMENTS, "default", "web", "status", status).object
    assert updated["status"]["replicas"] == 1
    assert updated["metadata"]["generation"] == 1
    scaled = cluster.call("update", DEPLOYMENTS, "default", "web", body=deployment("web", 3)).object
    assert scaled["metadata"]["generation"] == 2
    assert scaled["metadata"]["uid"] == created["metadata"]["uid"]
    assert scaled["status"] == updated["status"]


@pytest.mark.parametrize(
    ("patch_type", "patch"),
    [
        ("merge", {"data": {"x": "2", "y": None}}),
        ("json", [{"op": "replace", "path": "/data/x", "value": "2"}, {"op": "remove", "path": "/data/y"}]),
        ("strategic", {"data": {"x": "2", "y": None}}),
    ],
)
def test_patch(cluster: Cluster, patch_type: str, patch: object) -> None:
    cluster.create(MAPS, config_map("a", {"x": "1", "y": "1"}), "default")
    patched = cluster.call("patch", MAPS, "default", "a", body=patch, options={"patchType": patch_type}).object
    assert patched["data"] == {"x": "2"}
    assert cluster.get(MAPS, "a") == patched


def test_patches_that_race_all_take_effect(cluster: Cluster) -> None:
    """None has a resourceVersion, so none may be refused, and none may undo another."""
    cluster.create(MAPS, config_map("a"), "default")
    contexts = [cluster.simulation.context(f"client-{i}") for i in range(12)]
    from actors.client.client import Client

    async def all_at_once() -> None:
        import asyncio

        await asyncio.gather(
            *(Client(ctx).patch(MAPS, "a", {"data": {f"k{i}": "v"}}, "default") for i, ctx in enumerate(contexts))
        )

    cluster.run(all_at_once())
    assert cluster.get(MAPS, "a")["data"] == {f"k{i}": "v" for i in range(12)}


def test_dry_run_stores_nothing(cluster: Cluster) -> None:
    before = cluster.revision()
    created = cluster.create(MAPS, config_map("a"), "default", dryRun=True)
    assert created["metadata"]["uid"]
    assert not cluster.exists(MAPS, "a")
    cluster.create(MAPS, config_map("b"), "default")
    dry = {"dryRun": True}
    assert cluster.refused("create", MAPS, "default", body=config_map("b"), options=dry).code == 409
    assert cluster.call("patch", MAPS, "default", "b", body={"data": {"x": "1"}}, options=dry).object["data"]
    assert cluster.call("delete", MAPS, "default", "b", options=dry).code == 200
    assert "data" not in cluster.get(MAPS, "b") or not cluster.get(MAPS, "b")["data"]
    assert cluster.revision() == before + 1


def test_scale(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment("web"), "default")
    scale = cluster.call("get", DEPLOYMENTS, "default", "web", "scale").object
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 1}, "app=web")
    scale["spec"] = {"replicas": 4}
    assert cluster.call("update", DEPLOYMENTS, "default", "web", "scale", scale).object["spec"] == {"replicas": 4}
    assert cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 4
    assert cluster.get(DEPLOYMENTS, "web")["metadata"]["generation"] == 2
    assert cluster.refused("update", DEPLOYMENTS, "default", "web", "scale", scale).code == 409
    patched = cluster.call("patch", DEPLOYMENTS, "default", "web", "scale", {"spec": {"replicas": 0}})
    assert patched.object["spec"] == {"replicas": 0}
    negative = cluster.refused("patch", DEPLOYMENTS, "default", "web", "scale", {"spec": {"replicas": -1}})
    assert negative.code == 422


def test_what_is_not_there_is_said_so(cluster: Cluster) -> None:
    assert cluster.refused("get", "v9/things", "default", "a").code == 404
    assert cluster.refused("create", DEPLOYMENTS, "default", "web", "binding", {}).code == 404
    assert cluster.refused("create", "v1/componentstatuses", "", body={"metadata": {"name": "x"}}).code == 405
    assert cluster.refused("deletecollection", "v1/namespaces").code == 405
    cluster.create_pod("a")
    assert cluster.refused("get", PODS, "default", "a", "log").code == 405
    assert cluster.call("get", PODS, "default", "a", "status").object["metadata"]["name"] == "a"


def test_large_and_deep_bodies_are_refused(cluster: Cluster) -> None:
    large = pod("a")
    large["spec"] = {"containers": [{"name": "web", "image": "nginx", "args": ["y" * 1_600_000]}]}
    error = cluster.refused("create", PODS, "default", body=large)
    assert (error.code, error.reason) == (413, "RequestEntityTooLarge")
    deep: dict = {}
    for _ in range(120):
        deep = {"x": deep}
    assert cluster.refused("create", MAPS, "default", body={**config_map("a"), "data": deep}).code == 400
    assert cluster.names(MAPS) == []


def test_body_of_another_kind(cluster: Cluster) -> None:
    assert cluster.refused("create", PODS, "default", body=config_map("a")).code == 400
    assert cluster.refused("create", PODS, "default", body=["a"]).code == 400
    assert cluster.refused("create", PODS, "default", body=pod("a", namespace="kube-system")).code == 400
    assert cluster.refused("create", PODS, "default", body={**pod("a"), "apiVersion": "v2"}).code == 400


def test_malformed_batches_fail_as_a_whole(cluster: Cluster) -> None:
    from actors.apimachinery.operation import OPERATE
    from broker.context import RequestFailed

    for body in ("x", [["get"]], [["get", "v1/pods", 1, "", "", {}, None, False]], [[*["get"] * 5, {}, None, True]]):
        with pytest.raises(RequestFailed) as caught:
            cluster.run(cluster.ctx.request("apiserver", OPERATE, body))
        assert caught.value.code == "BadRequest"


def test_services_get_distinct_addresses_and_keep_them(cluster: Cluster) -> None:
    def service(name: str, **spec: object) -> dict:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}], **spec},
        }

    results = cluster.batch(*(Operation("create", "v1/services", "default", body=service(f"s{i}")) for i in range(50)))
    addresses = [result.object["spec"]["clusterIP"] for result in results]
    assert len(set(addresses)) == 50
    assert all(address.startswith("10.96.") and address != "10.96.0.1" for address in addresses)
    updated = cluster.call("update", "v1/services", "default", "s0", body=service("s0", selector={"a": "b"})).object
    assert updated["spec"]["clusterIP"] == addresses[0]
    taken = cluster.refused("create", "v1/services", "default", body=service("t", clusterIP=addresses[1]))
    assert taken.code == 422
    headless = cluster.create("v1/services", service("h", clusterIP="None"), "default")
    assert headless["spec"]["clusterIP"] == "None"
    assert cluster.get("v1/services", "kubernetes")["spec"]["clusterIP"] == "10.96.0.1"


def test_priority_classes(cluster: Cluster) -> None:
    critical = pod("a")
    critical["spec"] = {**critical["spec"], "priorityClassName": "system-node-critical"}
    assert cluster.create(PODS, critical, "default")["spec"]["priority"] == 2000001000
    unknown = pod("b")
    unknown["spec"] = {**unknown["spec"], "priorityClassName": "nope"}
    error = cluster.refused("create", PODS, "default", body=unknown)
    assert error.message == 'pods "b" is forbidden: no PriorityClass with name nope was found'


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("json", [{"op": "remove", "path": "/kind"}, {"op": "remove", "path": "/apiVersion"}]),
        ("merge", {"kind": None, "apiVersion": None, "data": {"a": "b"}}),
        ("strategic", {"kind": None, "apiVersion": None, "data": {"a": "b"}}),
    ],
)
def test_a_patch_that_takes_out_the_kind_leaves_it(cluster: Cluster, kind: str, patch: Any) -> None:
    """Found by the fuzz test: what was stored had no kind, and no client could read it."""
    cluster.create(MAPS, config_map("c"), "default")
    changed = cluster.call("patch", MAPS, "default", "c", body=patch, options={"patchType": kind})
    assert (changed.object["apiVersion"], changed.object["kind"]) == ("v1", "ConfigMap")
