"""Delete, finalizers, grace periods, namespaces, collections, eviction."""

from __future__ import annotations

from api_cluster import Cluster, config_map, pod
from test_apiserver_writes import deployment

from actors.apimachinery.operation import Operation

PODS, MAPS, DEPLOYMENTS, NAMESPACES = "v1/pods", "v1/configmaps", "apps/v1/deployments", "v1/namespaces"


def test_delete_takes_an_object_away(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a"), "default")
    result = cluster.call("delete", MAPS, "default", "a")
    assert (result.code, result.object["metadata"]["uid"]) == (200, created["metadata"]["uid"])
    assert result.revision > int(created["metadata"]["resourceVersion"])
    assert not cluster.exists(MAPS, "a")
    assert cluster.refused("delete", MAPS, "default", "a").code == 404


def test_delete_preconditions(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a"), "default")
    uid = created["metadata"]["uid"]
    error = cluster.refused("delete", MAPS, "default", "a", options={"preconditions": {"uid": "other"}})
    assert (error.code, error.reason) == (409, "Conflict")
    assert f"UID in precondition: other, UID in object meta: {uid}" in error.message
    stale = {"preconditions": {"uid": uid, "resourceVersion": "1"}}
    assert cluster.refused("delete", MAPS, "default", "a", options=stale).code == 409
    exact = {"preconditions": {"uid": uid, "resourceVersion": created["metadata"]["resourceVersion"]}}
    assert cluster.call("delete", MAPS, "default", "a", options=exact).code == 200


def test_finalizers_hold_an_object(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", finalizers=["x.io/hold", "x.io/too"]), "default")
    marked = cluster.call("delete", MAPS, "default", "a").object["metadata"]
    assert marked["deletionTimestamp"].startswith("2026-01-01T")
    assert marked["deletionGracePeriodSeconds"] == 0
    again = cluster.call("delete", MAPS, "default", "a").object["metadata"]
    assert again == marked
    one = cluster.call("patch", MAPS, "default", "a", body={"metadata": {"finalizers": ["x.io/too"]}})
    assert one.object["metadata"]["finalizers"] == ["x.io/too"]
    last = cluster.call("patch", MAPS, "default", "a", body={"metadata": {"finalizers": None}})
    assert last.extra["removed"]
    assert not cluster.exists(MAPS, "a")


def test_propagation_policies_become_finalizers(cluster: Cluster) -> None:
    for name, policy, finalizer in (("f", "Foreground", "foregroundDeletion"), ("o", "Orphan", "orphan")):
        cluster.create(DEPLOYMENTS, deployment(name), "default")
        deleted = cluster.call("delete", DEPLOYMENTS, "default", name, options={"propagationPolicy": policy}).object
        assert deleted["metadata"]["finalizers"] == [finalizer]
        assert deleted["metadata"]["deletionTimestamp"]
        assert deleted["metadata"]["generation"] == 2
        assert cluster.exists(DEPLOYMENTS, name)
    cluster.create(DEPLOYMENTS, deployment("b"), "default")
    cluster.call("delete", DEPLOYMENTS, "default", "b", options={"propagationPolicy": "Background"})
    assert not cluster.exists(DEPLOYMENTS, "b")
    assert cluster.refused("delete", DEPLOYMENTS, "default", "f", options={"propagationPolicy": "Sideways"}).code == 422


def test_a_pod_on_a_node_gets_its_grace_period(cluster: Cluster) -> None:
    cluster.create_pod("a", node="n1")
    marked = cluster.call("delete", PODS, "default", "a").object["metadata"]
    assert marked["deletionGracePeriodSeconds"] == 30
    assert marked["deletionTimestamp"].startswith("2026-01-01T00:00:3")
    longer = cluster.call("delete", PODS, "default", "a", options={"gracePeriodSeconds": 60}).object["metadata"]
    assert longer == marked
    shorter = cluster.call("delete", PODS, "default", "a", options={"gracePeriodSeconds": 5}).object["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < marked["deletionTimestamp"]
    last = cluster.call("delete", PODS, "default", "a", options={"gracePeriodSeconds": 0})
    assert last.extra["removed"]
    assert not cluster.exists(PODS, "a")


def test_pods_that_never_ran_or_are_done_go_at_once(cluster: Cluster) -> None:
    cluster.create_pod("waiting")
    assert cluster.call("delete", PODS, "default", "waiting").extra["removed"]
    done = cluster.create_pod("done", node="n1")
    cluster.call("update", PODS, "default", "done", "status", {**done, "status": {"phase": "Succeeded"}})
    assert cluster.call("delete", PODS, "default", "done").extra["removed"]
    held = cluster.create_pod("held", finalizers=["x.io/hold"])
    assert cluster.call("delete", PODS, "default", "held").object["metadata"]["uid"] == held["metadata"]["uid"]
    assert cluster.exists(PODS, "held")


def test_a_namespace_goes_when_it_is_finalized(cluster: Cluster) -> None:
    cluster.create(NAMESPACES, {"metadata": {"name": "x"}})
    terminating = cluster.call("delete", NAMESPACES, name="x").object
    assert terminating["status"]["phase"] == "Terminating"
    assert terminating["metadata"]["deletionTimestamp"]
    error = cluster.refused("create", MAPS, "x", body=config_map("a"))
    assert error.code == 403
    assert error.message == (
        'configmaps "a" is forbidden: unable to create new content in namespace x because it is being terminated'
    )
    assert error.status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    finalized = {**terminating, "spec": {"finalizers": []}}
    cluster.call("update", NAMESPACES, "", "x", "finalize", finalized)
    assert not cluster.exists(NAMESPACES, "x", "")
    error = cluster.refused("delete", NAMESPACES, name="kube-system")
    assert error.message == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'


def test_built_in_namespaces(cluster: Cluster) -> None:
    assert cluster.names(NAMESPACES, "") == ["default", "kube-node-lease", "kube-public", "kube-system"]
    labels = cluster.get(NAMESPACES, "default", "")["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": "default"}


def test_delete_collection(cluster: Cluster) -> None:
    for i in range(4):
        cluster.create(MAPS, config_map(f"m{i}", labels={"half": str(i % 2)}), "default")
    cluster.create(MAPS, config_map("other", labels={"half": "1"}), "kube-system")
    deleted = cluster.call("deletecollection", MAPS, "default", options={"labelSelector": "half=1"})
    assert [obj["metadata"]["name"] for obj in deleted.objects] == ["m1", "m3"]
    assert cluster.names(MAPS) == ["m0", "m2"]
    assert cluster.names(MAPS, "kube-system") == ["other"]
    assert cluster.call("deletecollection", MAPS, "default", options={"labelSelector": "none"}).objects == ()


def budget(allowed: int) -> dict:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }


def test_eviction_asks_the_disruption_budget(cluster: Cluster) -> None:
    budgets = "policy/v1/poddisruptionbudgets"
    status = {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1}
    status["expectedPods"] = 2
    made = cluster.create(budgets, budget(1), "default")
    cluster.call("update", budgets, "default", "b", "status", {**made, "status": status})
    for name in ("p0", "p1"):
        running = cluster.create_pod(name, node="n1", labels={"app": "web"})
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        cluster.call("update", PODS, "default", name, "status", {**running, "status": ready})
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p0"}}
    assert cluster.call("create", PODS, "default", "p0", "eviction", eviction).code == 201
    evicted = cluster.get(PODS, "p0")
    assert evicted["metadata"]["deletionTimestamp"]
    assert evicted["status"]["conditions"][-1]["reason"] == "EvictionByEvictionAPI"
    assert cluster.get(budgets, "b")["status"]["disruptionsAllowed"] == 0
    eviction = {**eviction, "metadata": {"name": "p1"}}
    eviction = {**eviction, "metadata": {"name": "p1"}}
    error = cluster.refused("create", PODS, "default", "p1", "eviction", eviction)
    assert (error.code, error.reason) == (429, "TooManyRequests")
    assert "deletionTimestamp" not in cluster.get(PODS, "p1")["metadata"]
    eviction = {**eviction, "metadata": {"name": "p9"}}
    assert cluster.refused("create", PODS, "default", "p9", "eviction", eviction).code == 404


def test_binding_sets_the_node_once(cluster: Cluster) -> None:
    cluster.create_pod("a")
    assert cluster.bind("a", "n1").code == 201
    bound = cluster.get(PODS, "a")
    assert bound["spec"]["nodeName"] == "n1"
    condition = next(c for c in bound["status"]["conditions"] if c["type"] == "PodScheduled")
    assert condition["status"] == "True"
    binding = {"metadata": {"name": "a"}, "target": {"name": "n2"}}
    error = cluster.refused("create", PODS, "default", "a", "binding", binding)
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == (
        'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"'
    )
    assert cluster.refused("create", PODS, "default", "zz", "binding", {"target": {"name": "n2"}}).code == 404
    assert cluster.refused("create", PODS, "default", "a", "binding", {"target": {}}).code == 422


def test_of_two_bindings_in_one_batch_the_second_loses(cluster: Cluster) -> None:
    cluster.create_pod("a")
    results = cluster.batch(
        *(
            Operation("create", PODS, "default", "a", "binding", {"metadata": {"name": "a"}, "target": {"name": node}})
            for node in ("n1", "n2")
        )
    )
    assert [result.code for result in results] == [201, 409]
    assert cluster.get(PODS, "a")["spec"]["nodeName"] == "n1"


def test_a_pod_being_deleted_is_not_bound(cluster: Cluster) -> None:
    cluster.create_pod("a", finalizers=["x.io/hold"])
    cluster.call("delete", PODS, "default", "a")
    assert cluster.refused("create", PODS, "default", "a", "binding", {"target": {"name": "n1"}}).code == 409


def test_a_fence_stops_who_was_superseded(cluster: Cluster) -> None:
    leases = "coordination.k8s.io/v1/leases"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "sched", "namespace": "kube-system"},
        "spec": {"holderIdentity": "one"},
    }
    first = cluster.create(leases, lease, "kube-system")
    fence = {"namespace": "kube-system", "name": "sched", "uid": first["metadata"]["uid"]}
    for name in ("a", "b", "c"):
        cluster.create_pod(name)
    cluster.call("patch", leases, "kube-system", "sched", body={"spec": {"holderIdentity": "still one"}})
    assert cluster.bind("a", "n1", fence=fence).code == 201
    cluster.call("delete", leases, "kube-system", "sched")
    cluster.create(leases, lease, "kube-system")
    binding = {"metadata": {"name": "b"}, "target": {"name": "n1"}}
    error = cluster.refused("create", PODS, "default", "b", "binding", binding, options={"fence": fence})
    assert (error.code, error.reason) == (409, "Conflict")
    assert "nodeName" not in cluster.get(PODS, "b")["spec"]
    assert cluster.refused("delete", PODS, "default", "c", options={"fence": fence}).code == 409
    assert cluster.refused("create", PODS, "default", body=pod("d"), options={"fence": fence}).code == 409
    assert cluster.refused("delete", PODS, "default", "c", options={"fence": {"name": "sched"}}).code == 400
