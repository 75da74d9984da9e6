"""Server-side apply and the tracking of field managers in the API server."""

import copy
import json
from typing import Any

from api_cluster import Cluster, config_map, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.defaults import apply_defaults
from actors.apimachinery.managed_fields.managers import ManagerId
from actors.apimachinery.managed_fields.update import managers_after_create
from actors.apimachinery.operation import Operation
from actors.apimachinery.resources import resource_of
from actors.apimachinery.validator import decode

EVENTS = resource_of("v1/events")
MAPS, PODS, DEPLOYMENTS = "v1/configmaps", "v1/pods", "apps/v1/deployments"
TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}


def deployment(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE, **spec},
    }


def apply(cluster: Cluster, resource: str, obj: Any, manager: str = "me", subresource: str = "", **options: Any) -> Any:
    settings = {"patchType": "apply", "fieldManager": manager, **options}
    name = obj["metadata"]["name"]
    return cluster.call("patch", resource, "default", name, subresource, body=obj, options=settings)


def patched(cluster: Cluster, resource: str, patch: Any, **options: Any) -> Any:
    return cluster.call("patch", resource, "default", "web", body=patch, options=options).object


def refused(cluster: Cluster, resource: str, obj: Any, manager: str = "me", **options: Any) -> Any:
    settings = {"patchType": "apply", "fieldManager": manager, **options}
    return cluster.refused("patch", resource, "default", "web", body=obj, options=settings)


def managers(obj: Any) -> dict[tuple[str, str, str], Any]:
    entries = json.loads(obj["metadata"].get("managedFields") or "[]")
    return {(e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"] for e in entries}


def test_applying_creates_then_changes_then_does_nothing(cluster: Cluster) -> None:
    created = apply(cluster, MAPS, config_map("web", {"a": "1"}))
    assert created.code == 201
    assert managers(created.object) == {("me", "Apply", ""): {"f:data": {"f:a": {}}}}
    changed = apply(cluster, MAPS, config_map("web", {"b": "2"}))
    assert (changed.code, changed.object["data"]) == (200, {"b": "2"})
    again = apply(cluster, MAPS, config_map("web", {"b": "2"}))
    assert again.object == changed.object, "neither a revision nor a time is spent on nothing"


def test_an_apply_that_is_delivered_again_has_created_once(cluster: Cluster) -> None:
    first = apply(cluster, DEPLOYMENTS, deployment(replicas=2))
    assert first.code == 201
    assert first.object["spec"]["strategy"]["type"] == "RollingUpdate"
    assert managers(first.object)["me", "Apply", ""]["f:spec"].keys() == {"f:replicas", "f:selector", "f:template"}


def test_dry_run_tells_and_stores_nothing(cluster: Cluster) -> None:
    before = cluster.revision()
    assert apply(cluster, MAPS, config_map("web", {"a": "1"}), dryRun=True).code == 201
    assert cluster.revision() == before
    apply(cluster, MAPS, config_map("web", {"a": "1"}))
    shown = apply(cluster, MAPS, config_map("web", {"a": "2"}), dryRun=True)
    assert shown.object["data"] == {"a": "2"}
    assert cluster.get(MAPS, "web")["data"] == {"a": "1"}


def test_the_namespace_must_be_there_for_what_is_new(cluster: Cluster) -> None:
    settings = {"patchType": "apply", "fieldManager": "me"}
    error = cluster.refused("patch", MAPS, "nowhere", "web", body=config_map("web"), options=settings)
    assert (error.code, error.message) == (404, 'namespaces "nowhere" not found')


def test_what_an_apply_must_say(cluster: Cluster) -> None:
    error = refused(cluster, MAPS, config_map("web"), manager="")
    assert error.message == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )
    assert refused(cluster, MAPS, config_map("web"), manager="x" * 129).code == 422
    assert refused(cluster, MAPS, config_map("web"), manager="a\nb").code == 422
    error = refused(cluster, MAPS, {**config_map("web"), "apiVersion": "v2"})
    assert error.message == "Incorrect version specified in apply patch. Specified patch version: v2, expected: v1"
    assert refused(cluster, MAPS, {**config_map("web"), "kind": "Pod"}).code == 400
    assert refused(cluster, MAPS, config_map("other")).code == 400
    assert refused(cluster, MAPS, []).code == 400
    managed = config_map("web", managedFields=[{"manager": "x"}])
    assert refused(cluster, MAPS, managed).message == "metadata.managedFields must be nil"
    error = refused(cluster, MAPS, {**config_map("web"), "foo": 1})
    assert error.message == (
        "failed to create typed patch object (/web; /v1, Kind=ConfigMap): .foo: field not declared in schema"
    )
    error = refused(cluster, MAPS, config_map("web", uid="u"))
    assert (error.code, error.reason) == (409, "Conflict")
    assert not cluster.exists(MAPS, "web")
    cluster.create(MAPS, config_map("web"), "default")
    error = cluster.refused("patch", MAPS, "default", "web", body={}, options={"patchType": "merge", "force": True})
    assert error.message == (
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    )


def test_a_conflict_changes_nothing_and_names_the_manager(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=3), "default", fieldManager="kubectl-create")
    error = refused(cluster, DEPLOYMENTS, deployment(replicas=2))
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas'
    )
    assert error.status["details"] == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-create" using apps/v1',
                "field": ".spec.replicas",
            }
        ]
    }
    assert cluster.get(DEPLOYMENTS, "web")["spec"]["replicas"] == 3
    forced = apply(cluster, DEPLOYMENTS, deployment(replicas=2), force=True).object
    assert forced["spec"]["replicas"] == 2
    assert "f:replicas" not in managers(forced)["kubectl-create", "Update", ""]["f:spec"]


def test_every_kind_of_write_is_tracked(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(), "default", fieldManager="creator")
    patched(cluster, DEPLOYMENTS, {"metadata": {"labels": {"a": "b"}}}, fieldManager="merger")
    json_patch = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]
    patched(cluster, DEPLOYMENTS, json_patch, patchType="json", fieldManager="json")
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "c", "tty": True}]}}}}
    patched(cluster, DEPLOYMENTS, strategic, patchType="strategic", fieldManager="strategic")
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    options = {"fieldManager": "scaler"}
    cluster.call("update", DEPLOYMENTS, "default", "web", "scale", body=scale, options=options)
    status = {**cluster.get(DEPLOYMENTS, "web"), "status": {"replicas": 1}}
    cluster.call("update", DEPLOYMENTS, "default", "web", "status", body=status, options={"fieldManager": "controller"})
    apply(cluster, DEPLOYMENTS, deployment(minReadySeconds=5), "applier")
    found = managers(cluster.get(DEPLOYMENTS, "web"))
    assert found["merger", "Update", ""] == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    assert found["json", "Update", ""] == {"f:metadata": {"f:annotations": {".": {}, "f:a": {}}}}
    item = {'k:{"name":"c"}': {"f:tty": {}}}
    assert found["strategic", "Update", ""] == {"f:spec": {"f:template": {"f:spec": {"f:containers": item}}}}
    assert found["scaler", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert found["controller", "Update", "status"]["f:status"]["f:replicas"] == {}
    assert found["applier", "Apply", ""]["f:spec"]["f:minReadySeconds"] == {}
    assert "f:replicas" not in found["creator", "Update", ""]["f:spec"]


def test_the_actor_is_the_manager_when_nobody_else_is_named(cluster: Cluster) -> None:
    created = cluster.create(PODS, pod("web"), "default")
    ((manager, operation, _),) = managers(created)
    assert (manager, operation) == (cluster.ctx.name, "Update")
    owned = managers(created)[manager, "Update", ""]["f:spec"]
    assert "f:priority" not in owned, "what admission adds is nobody's"
    assert "f:containers" in owned


def test_a_status_is_applied_alone(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(), "default")
    wanted = {**deployment(replicas=7), "status": {"replicas": 5}}
    changed = apply(cluster, DEPLOYMENTS, wanted, "controller", "status").object
    assert (changed["status"]["replicas"], changed["spec"]["replicas"]) == (5, 1)
    assert managers(changed)["controller", "Apply", "status"] == {"f:status": {"f:replicas": {}}}
    ignored = apply(cluster, DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}}).object
    assert ignored["status"]["replicas"] == 5
    assert "f:status" not in managers(ignored)["me", "Apply", ""]


def test_a_status_of_nothing_is_not_applied(cluster: Cluster) -> None:
    settings = {"patchType": "apply", "fieldManager": "me"}
    wanted = {**deployment(), "status": {"replicas": 5}}
    error = cluster.refused("patch", DEPLOYMENTS, "default", "web", "status", body=wanted, options=settings)
    assert error.code == 404


def test_a_scale_is_applied(cluster: Cluster) -> None:
    apply(cluster, DEPLOYMENTS, deployment(replicas=2))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    settings = {"patchType": "apply", "fieldManager": "scaler"}
    error = cluster.refused("patch", DEPLOYMENTS, "default", "web", "scale", body=scale, options=settings)
    assert error.message == 'Apply failed with 1 conflict: conflict with "me": .spec.replicas'
    answer = apply(cluster, DEPLOYMENTS, scale, "scaler", "scale", force=True).object
    assert (answer["kind"], answer["spec"]["replicas"]) == ("Scale", 4)
    assert managers(cluster.get(DEPLOYMENTS, "web"))["scaler", "Apply", "scale"] == {"f:spec": {"f:replicas": {}}}


def test_clients_change_managers_by_patching_them(cluster: Cluster) -> None:
    """What ``kubectl apply --server-side`` does with objects that were applied from the client's side."""
    cluster.create(MAPS, config_map("web", {"a": "1"}), "default", fieldManager="kubectl-client-side-apply")
    entry = {"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    entry["fieldsV1"] = {"f:data": {"f:a": {}}}  # type: ignore[assignment]
    migration = [{"op": "replace", "path": "/metadata/managedFields", "value": [entry]}]
    changed = patched(cluster, MAPS, migration, patchType="json", fieldManager="kubectl")
    assert managers(changed) == {("kubectl", "Apply", ""): {"f:data": {"f:a": {}}}}
    assert apply(cluster, MAPS, config_map("web"), "kubectl").object.get("data") in (None, {})


def test_managers_are_forgotten_only_by_an_empty_entry(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("web", {"a": "1"}), "default")
    for keeps in ([], [{"manager": "no operation"}], "text"):
        kept = patched(cluster, MAPS, {"metadata": {"managedFields": keeps}})
        assert managers(kept)
    forgotten = patched(cluster, MAPS, {"metadata": {"managedFields": [{}]}})
    assert "managedFields" not in forgotten["metadata"]
    later = patched(cluster, MAPS, {"data": {"b": "2"}})
    assert "managedFields" not in later["metadata"], "an update does not begin to track"
    error = refused(cluster, MAPS, config_map("web", {"a": "2"}))
    assert 'conflict with "before-first-apply" using v1: .data.a' in error.message


def test_kubectl_takes_over_what_it_applied_from_the_clients_side(cluster: Cluster) -> None:
    last = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"a": "1"}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": last}
    cluster.create(MAPS, config_map("web", {"a": "1", "b": "1"}, annotations=annotations), "default")
    assert refused(cluster, MAPS, config_map("web", {"a": "2"}), "other").code == 409
    assert ".data.b" in refused(cluster, MAPS, config_map("web", {"a": "2", "b": "2"}), "kubectl").message
    changed = apply(cluster, MAPS, config_map("web", {"a": "2"}), "kubectl").object
    assert changed["data"] == {"a": "2", "b": "1"}
    text = changed["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    assert json.loads(text)["data"] == {"a": "2"}


def test_native_writers_keep_the_managers_they_do_not_know(cluster: Cluster) -> None:
    apply(cluster, DEPLOYMENTS, deployment(replicas=2))
    seen = cluster.get(DEPLOYMENTS, "web")
    del seen["metadata"]["managedFields"]
    changed = cluster.call("update", DEPLOYMENTS, "default", "web", body=seen).object
    assert managers(changed).keys() == {("me", "Apply", "")}


def test_objects_made_alike_have_the_managers_they_would_have_alone(cluster: Cluster) -> None:
    """A controller's objects share what was found out of the last one, if they differ in nothing but their names."""
    made = [
        pod("", generateName="a-", labels={"x": "1"}),
        pod("", generateName="b-", labels={"x": "1"}),
        pod("c", labels={"x": "1"}),
        pod("d", labels={"y": "1"}),
        {**pod("e", labels={"y": "1"}), "spec": {**pod()["spec"], "nodeName": "n"}},
        pod("f", labels={"y": "1"}),
    ]
    found = []
    for obj in made:
        ((_, owned),) = managers(cluster.create(PODS, obj, "default")).items()
        found.append(
            (sorted(owned["f:metadata"]), sorted(owned["f:metadata"]["f:labels"]), "f:nodeName" in owned["f:spec"])
        )
    generated, named = ["f:generateName", "f:labels"], ["f:labels"]
    assert found == [
        (generated, [".", "f:x"], False),
        (generated, [".", "f:x"], False),
        (named, [".", "f:x"], False),
        (named, [".", "f:y"], False),
        (named, [".", "f:y"], True),
        (named, [".", "f:y"], False),
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**40) | st.sampled_from(["", "a", "1", "x=y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "$patch"]), inner),
    max_leaves=5,
)
PLACES = st.sampled_from(
    [
        ("metadata",),
        ("metadata", "labels"),
        ("metadata", "finalizers"),
        ("metadata", "ownerReferences"),
        ("metadata", "managedFields"),
        ("metadata", "resourceVersion"),
        ("spec",),
        ("spec", "replicas"),
        ("spec", "strategy"),
        ("spec", "template", "spec", "containers"),
        ("spec", "template", "spec", "volumes"),
        ("spec", "template", "spec", "nodeSelector"),
        ("spec", "template", "spec", "tolerations"),
        ("status",),
        ("status", "conditions"),
    ]
)


@given(st.lists(st.tuples(PLACES, ANYTHING), min_size=1, max_size=3), st.booleans(), st.sampled_from(["", "status"]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_applied_is_answered_and_never_by_a_fault(changes: Any, force: bool, subresource: str) -> None:
    cluster = _shared()
    wanted = copy.deepcopy(deployment(replicas=1))
    for place, value in changes:
        parent = wanted
        for step in place[:-1]:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if isinstance(parent, dict):
            parent[place[-1]] = value
    for manager in ("me", "they"):
        options = {"patchType": "apply", "fieldManager": manager, "force": force}
        operation = Operation("patch", DEPLOYMENTS, "default", "web", subresource, wanted, options)
        (result,) = cluster.batch(operation)
        assert result.code in (200, 201, 400, 404, 409, 422), result.status
        again = json.loads(result.object["metadata"].get("managedFields") or "[]") if result.ok else []
        assert all(entry["fieldsV1"] for entry in again)


_made: list[Cluster] = []


def _shared() -> Cluster:
    if not _made:
        _made.append(Cluster())
    return _made[0]


FLAT = st.fixed_dictionaries(
    {"reportingComponent": st.sampled_from(["", "a"]), "involvedObject": st.just({"kind": "Pod", "name": "x"})},
    optional={
        "message": st.sampled_from(["", "a", "b"]),
        "count": st.integers(0, 2),
        "source": st.fixed_dictionaries({}, optional={"component": st.sampled_from(["", "a"])}),
        "labels": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["", "1"])),
    },
)


@given(st.lists(FLAT, min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_events_of_one_shape_have_the_managers_they_would_have_alone(events: Any) -> None:
    cluster = _shared()
    for event in events:
        body = {k: v for k, v in event.items() if k != "labels"}
        body["involvedObject"] = {**body["involvedObject"], "namespace": "default"}
        metadata: dict[str, Any] = {"generateName": "e-", "labels": event.get("labels", {})}
        obj = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, **body}
        created = cluster.create("v1/events", obj, "default")
        found = managers(created)[cluster.ctx.name, "Update", ""]
        own_id = ManagerId.of(cluster.ctx.name, "Update", "v1")
        decoded, _ = decode(EVENTS, obj)
        apply_defaults(EVENTS, decoded)
        decoded["metadata"].pop("name", None)
        alone = managers_after_create(decoded, EVENTS, own_id, "")[own_id].fields
        assert found == alone
