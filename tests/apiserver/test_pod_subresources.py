"""ephemeralcontainers, resize and eviction of pods change what they are for, and nothing else."""

from typing import Any

from api_cluster import Cluster, pod

PODS = "v1/pods"
AMOUNTS = {"requests": {"cpu": "100m", "memory": "64Mi"}}


def running(cluster: Cluster) -> Any:
    obj = pod("web")
    obj["spec"] = {"containers": [{"name": "web", "image": "nginx", "resources": AMOUNTS}]}
    return cluster.create(PODS, obj, "default")


def patched(cluster: Cluster, subresource: str, patch: Any, kind: str = "strategic") -> Any:
    options = {"patchType": kind}
    return cluster.call("patch", PODS, "default", "web", subresource, body=patch, options=options).object


def refused(cluster: Cluster, subresource: str, patch: Any, kind: str = "strategic") -> Any:
    return cluster.refused("patch", PODS, "default", "web", subresource, body=patch, options={"patchType": kind})


DEBUGGER = {"name": "debugger", "image": "busybox", "targetContainerName": "web"}


def test_ephemeral_containers_are_added_and_stay(cluster: Cluster) -> None:
    running(cluster)
    change = {
        "metadata": {"labels": {"not": "changed"}},
        "spec": {"ephemeralContainers": [DEBUGGER], "containers": [{"name": "web", "image": "other"}]},
    }
    changed = patched(cluster, "ephemeralcontainers", change)
    assert [c["name"] for c in changed["spec"]["ephemeralContainers"]] == ["debugger"]
    assert changed["spec"]["containers"][0]["image"] == "nginx"
    assert "labels" not in changed["metadata"]
    more = patched(cluster, "ephemeralcontainers", {"spec": {"ephemeralContainers": [{**DEBUGGER, "name": "second"}]}})
    assert len(more["spec"]["ephemeralContainers"]) == 2
    error = refused(cluster, "ephemeralcontainers", {"spec": {"ephemeralContainers": []}}, "merge")
    assert 'existing ephemeral containers "debugger" may not be removed' in error.message
    error = refused(cluster, "ephemeralcontainers", {"spec": {"ephemeralContainers": [{**DEBUGGER, "image": "x"}]}})
    assert 'existing ephemeral containers "debugger" may not be changed' in error.message
    error = refused(cluster, "", {"spec": {"ephemeralContainers": [{**DEBUGGER, "name": "third"}]}})
    assert error.code == 422


def resized(resources: Any, **container: Any) -> Any:
    return {"spec": {"containers": [{"name": "web", "resources": resources, **container}]}}


def test_a_resize_changes_amounts_alone(cluster: Cluster) -> None:
    running(cluster)
    wanted = resized({"requests": {"cpu": "200m", "memory": "64Mi"}}, image="other")
    changed = patched(cluster, "resize", wanted)
    (container,) = changed["spec"]["containers"]
    assert (container["image"], container["resources"]["requests"]["cpu"]) == ("nginx", "200m")
    assert changed["metadata"]["generation"] == 2
    assert refused(cluster, "", resized({"requests": {"cpu": "300m"}})).code == 422, "a plain update can't"


def test_a_resize_that_may_not_be(cluster: Cluster) -> None:
    running(cluster)
    error = refused(cluster, "resize", resized({"requests": {"cpu": None}}))
    assert "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed" in error.message
    error = refused(cluster, "resize", resized({"requests": {"ephemeral-storage": "1Gi"}}))
    assert "only cpu and memory resources are mutable" in error.message
    same = {"cpu": "100m", "memory": "64Mi"}
    error = refused(cluster, "resize", resized({"requests": same, "limits": same}))
    assert "Pod QOS Class may not change as a result of resizing" in error.message


def test_an_eviction_names_its_pod(cluster: Cluster) -> None:
    running(cluster)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "other"}}
    error = cluster.refused("create", PODS, "default", "web", "eviction", eviction)
    assert (error.code, error.message) == (400, "name in URL does not match name in Eviction object")
    assert cluster.exists(PODS, "web")
    eviction["metadata"] = {"name": "web"}
    assert cluster.call("create", PODS, "default", "web", "eviction", eviction, {"dryRun": ["All"]}).code == 201
    assert cluster.exists(PODS, "web"), "a dry run evicts nobody"
    assert cluster.call("create", PODS, "default", "web", "eviction", eviction).code == 201
    assert not cluster.exists(PODS, "web")
