"""What the API server adds, keeps and refuses, kind by kind, in Kubernetes' words."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.defaults import admit, apply_defaults
from actors.apimachinery.names import SUFFIX_ALPHABET, generated_name, name_faults
from actors.apimachinery.resources import RESOURCES, resource_of
from actors.apimachinery.strategy import (
    prepare_for_create,
    prepare_for_update,
    validate_create,
    validate_update,
)
from actors.apimachinery.strategy_pod import qos_class
from actors.apimachinery.validation.jobs import schedule_fault
from actors.apimachinery.validator import decode

PODS = resource_of("v1/pods")
DEPLOYMENTS = resource_of("apps/v1/deployments")


def create(key: str, obj: dict) -> tuple[dict, list[str]]:
    """What is stored of a new object, and what is wrong with it."""
    resource = resource_of(key)
    obj, _ = decode(resource, obj)
    apply_defaults(resource, obj)
    metadata = obj.setdefault("metadata", {})
    metadata.setdefault("name", "x")
    if resource.namespaced:
        metadata.setdefault("namespace", "default")
    metadata["uid"] = "uid-1"
    prepare_for_create(resource, obj)
    admit(resource, obj)
    return obj, [str(error) for error in validate_create(resource, obj)]


def update(key: str, old: dict, change, subresource: str = "") -> tuple[dict, list[str]]:
    """What is stored of a changed object, and what is wrong with it."""
    resource = resource_of(key)
    new = copy.deepcopy(old)
    change(new)
    before = copy.deepcopy(old)
    apply_defaults(resource, new)
    prepare_for_update(resource, new, old, subresource)
    errors = [str(error) for error in validate_update(resource, new, old, subresource)]
    assert old == before
    return new, errors


def pod(**spec) -> dict:
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}], **spec}}


def container(**fields) -> dict:
    return pod(containers=[{"name": "web", "image": "nginx:1", **fields}])


def deployment(**spec) -> dict:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
    return {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def test_a_new_pod_is_pending_and_has_its_class_of_service():
    stored, errors = create("v1/pods", {**pod(), "status": {"phase": "Running"}})
    assert errors == []
    assert stored["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert stored["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}], "Burstable"),
    ],
)
def test_class_of_service(resources, expected):
    assert qos_class({"containers": [{"resources": r} for r in resources]}) == expected


@pytest.mark.parametrize(
    ("obj", "error"),
    [
        (pod(containers=[]), "spec.containers: Required value"),
        (pod(containers=[{"name": "a"}]), "spec.containers[0].image: Required value"),
        (
            pod(containers=[{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]),
            'spec.containers[1].name: Duplicate value: "a"',
        ),
        (
            pod(restartPolicy="Sometimes"),
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            container(imagePullPolicy="Maybe"),
            'spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": '
            'supported values: "Always", "IfNotPresent", "Never"',
        ),
        (
            container(ports=[{"containerPort": 70000}]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            container(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
            'spec.containers[0].volumeMounts[0].name: Not found: "data"',
        ),
        (
            container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            container(livenessProbe={}),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            container(readinessProbe={"tcpSocket": {"port": 80}, "exec": {"command": ["x"]}}),
            "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        (
            container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
            'spec.volumes[1].name: Duplicate value: "v"',
        ),
        (
            pod(ephemeralContainers=[{"name": "debug", "image": "b:1"}]),
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
        (pod(volumes=[{"name": "v", "secret": {}}]), "spec.volumes[0].secret.secretName: Required value"),
        (
            pod(tolerations=[{"key": "k", "operator": "Exists", "tolerationSeconds": 5}]),
            'spec.tolerations[0].effect: Invalid value: "": '
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        ),
        (
            pod(
                topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
            ),
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        ),
        (
            pod(activeDeadlineSeconds=0),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            {**pod(), "metadata": {"name": "Bad_Name"}},
            'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case '
            "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
            "'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
    ],
)
def test_what_is_wrong_with_a_pod(obj, error):
    assert create("v1/pods", obj)[1] == [error]


def test_a_rich_pod_is_fine():
    obj = pod(
        volumes=[{"name": "data", "emptyDir": {}}, {"name": "cfg", "configMap": {"name": "c"}}],
        initContainers=[
            {"name": "init", "image": "busybox:1"},
            {"name": "side", "image": "b:1", "restartPolicy": "Always"},
        ],
        affinity={
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
                ]
            }
        },
        containers=[
            {
                "name": "web",
                "image": "nginx:1",
                "ports": [{"containerPort": 80, "name": "http"}],
                "env": [{"name": "N", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "volumeMounts": [{"name": "data", "mountPath": "/d"}, {"name": "cfg", "mountPath": "/c"}],
                "resources": {"limits": {"cpu": "1", "example.com/gpu": "1"}},
                "livenessProbe": {"httpGet": {"port": "http"}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
            }
        ],
    )
    assert create("v1/pods", obj)[1] == []


def test_updates_of_pods_change_images_and_little_else():
    stored, _ = create("v1/pods", pod())

    def new_image(p):
        p["spec"]["containers"][0]["image"] = "nginx:2"

    changed, errors = update("v1/pods", stored, new_image)
    assert errors == []
    assert changed["metadata"]["generation"] == 2
    for change in (
        lambda p: p["spec"].update(hostNetwork=True),
        lambda p: p["spec"].update(nodeName="node-1"),
        lambda p: p["spec"]["containers"][0].update(command=["x"]),
    ):
        errors = update("v1/pods", stored, change)[1]
        assert len(errors) == 1
        assert errors[0].startswith("spec: Forbidden: pod updates may not change fields other than `spec.containers[*]")
    assert update("v1/pods", stored, lambda p: p["spec"]["containers"].append({"name": "b", "image": "b"}))[1] == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]
    assert update("v1/pods", stored, lambda p: p["spec"].update(nodeName="node-1"), "binding")[1] == []


def test_status_and_spec_are_updated_apart():
    stored, _ = create("apps/v1/deployments", deployment(replicas=3))

    def both(d):
        d["spec"]["replicas"] = 5
        d["status"] = {"replicas": 2}
        d["metadata"]["generation"] = 77

    by_spec, _ = update("apps/v1/deployments", stored, both)
    assert by_spec["spec"]["replicas"] == 5
    assert by_spec["status"] == {}
    assert by_spec["metadata"]["generation"] == 2
    by_status, _ = update("apps/v1/deployments", stored, both, "status")
    assert by_status["spec"]["replicas"] == 3
    assert by_status["status"] == {"replicas": 2}
    assert by_status["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"selector": None}, "spec.selector: Required value"),
        (
            {"selector": {"matchLabels": {"app": "other"}}},
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
        ),
        ({"selector": {}}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        ({"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            {"strategy": {"type": "Sudden"}},
            'spec.strategy.type: Unsupported value: "Sudden": supported values: "Recreate", "RollingUpdate"',
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
        ),
        (
            {"minReadySeconds": 30, "progressDeadlineSeconds": 30},
            "spec.progressDeadlineSeconds: Invalid value: 30: must be greater than minReadySeconds",
        ),
    ],
)
def test_what_is_wrong_with_a_deployment(spec, error):
    assert create("apps/v1/deployments", deployment(**spec))[1] == [error]


def test_templates_of_workloads_run_forever():
    obj = deployment()
    obj["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    assert create("apps/v1/deployments", obj)[1] == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]


def test_selectors_are_immutable():
    stored, errors = create("apps/v1/deployments", deployment())
    assert errors == []

    def change(d):
        d["spec"]["selector"]["matchLabels"]["x"] = "y"
        d["spec"]["template"]["metadata"]["labels"]["x"] = "y"

    assert update("apps/v1/deployments", stored, change)[1] == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: field is immutable'
    ]


def test_stateful_sets():
    obj = deployment(serviceName="web", volumeClaimTemplates=[{"metadata": {"name": "www"}, "spec": {}}])
    obj["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "www", "mountPath": "/w"}]
    stored, errors = create("apps/v1/statefulsets", obj)
    assert errors == []
    assert update("apps/v1/statefulsets", stored, lambda s: s["spec"].update(replicas=5))[1] == []
    errors = update("apps/v1/statefulsets", stored, lambda s: s["spec"].update(serviceName="other"))[1]
    assert errors[0].startswith("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'")


def test_jobs_get_a_selector_and_end():
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]}}
    stored, errors = create("batch/v1/jobs", {"metadata": {"name": "pi"}, "spec": {"template": template}})
    assert errors == []
    assert stored["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "uid-1"}}
    assert stored["spec"]["template"]["metadata"]["labels"]["job-name"] == "pi"
    assert update("batch/v1/jobs", stored, lambda j: j["spec"].update(parallelism=3))[1] == []
    changed = update("batch/v1/jobs", stored, lambda j: j["spec"]["template"]["spec"].update(hostNetwork=True))[1]
    assert len(changed) == 1
    assert changed[0].startswith("spec.template: Invalid value:")
    assert changed[0].endswith("field is immutable")
    always = {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}
    assert create("batch/v1/jobs", {"spec": {"template": always}})[1] == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    ]


@pytest.mark.parametrize("schedule", ["* * * * *", "*/5 0-6 1,15 jan-mar MON", "@hourly", "@every 5m", "0 0 ? * 0"])
def test_good_schedules(schedule):
    assert schedule_fault(schedule) == ""


@pytest.mark.parametrize(
    "schedule", ["* * * *", "60 * * * *", "* * * * 7", "*/0 * * * *", "5-1 * * * *", "@never", "x * * * *"]
)
def test_bad_schedules(schedule):
    assert schedule_fault(schedule) != ""


def test_services():
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}, {"port": 81}]}
    assert create("v1/services", {"spec": spec})[1] == [
        "spec.ports[0].name: Required value",
        "spec.ports[1].name: Required value",
    ]
    assert create("v1/services", {"spec": {"ports": []}})[1] == ["spec.ports: Required value"]
    stored, errors = create("v1/services", {"spec": {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}})
    assert errors == []
    assert stored["status"] == {"loadBalancer": {}}
    assert "generation" not in stored["metadata"]
    assert update("v1/services", stored, lambda s: s["spec"].update(clusterIP="10.0.0.2"))[1] == [
        'spec.clusterIPs[0]: Invalid value: "10.0.0.2": may not change once set'
    ]


def test_config_maps_and_secrets():
    stored, errors = create("v1/configmaps", {"data": {"a": "1"}, "immutable": True})
    assert errors == []
    assert update("v1/configmaps", stored, lambda c: c["data"].update(a="2"))[1] == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]
    assert create("v1/configmaps", {"data": {"a b": "1"}})[1][0].startswith('data[a b]: Invalid value: "a b": a valid')
    assert create("v1/configmaps", {"data": {"a": "x" * (1024 * 1024 + 1)}})[1] == [
        ": Too long: may not be more than 1048576 bytes"
    ]
    secret, errors = create("v1/secrets", {"stringData": {"password": "hunter2"}})
    assert errors == []
    assert secret["data"] == {"password": "aHVudGVyMg=="}
    assert "stringData" not in secret
    assert update("v1/secrets", secret, lambda s: s.update(type="other"))[1] == [
        'type: Invalid value: "other": field is immutable'
    ]
    assert create("v1/secrets", {"type": "kubernetes.io/tls"})[1] == [
        "data[tls.crt]: Required value",
        "data[tls.key]: Required value",
    ]


def test_namespaces_hold_their_deletion():
    stored, errors = create("v1/namespaces", {"metadata": {"name": "team"}})
    assert errors == []
    assert stored["spec"] == {"finalizers": ["kubernetes"]}
    assert stored["status"] == {"phase": "Active"}
    kept, _ = update("v1/namespaces", stored, lambda n: n["spec"].update(finalizers=[]))
    assert kept["spec"] == {"finalizers": ["kubernetes"]}
    freed, _ = update("v1/namespaces", stored, lambda n: n["spec"].update(finalizers=[]), "finalize")
    assert freed["spec"] == {"finalizers": []}
    assert create("v1/namespaces", {"metadata": {"name": "a.b"}})[1] != []


def test_nodes_register_with_their_status():
    stored, errors = create("v1/nodes", {"metadata": {"name": "n"}, "status": {"capacity": {"cpu": "4"}}})
    assert errors == []
    assert stored["status"] == {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "4"}}


def test_role_bindings_keep_their_role():
    binding = {
        "metadata": {"name": "system:x"},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": "u"}],
    }
    stored, errors = create("rbac.authorization.k8s.io/v1/rolebindings", binding)
    assert errors == []
    changed = update("rbac.authorization.k8s.io/v1/rolebindings", stored, lambda b: b["roleRef"].update(name="other"))[
        1
    ]
    assert len(changed) == 1
    assert changed[0].endswith("cannot change roleRef")


def test_kinds_without_rules_have_what_the_schema_requires():
    errors = create("admissionregistration.k8s.io/v1/validatingwebhookconfigurations", {"webhooks": [{"name": "w"}]})[1]
    assert "webhooks[0].clientConfig: Required value" in errors


def test_metadata_rules():
    bad = {
        "metadata": {
            "name": "x",
            "labels": {"-bad": "v", "ok": "no spaces"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": n, "uid": n, "controller": True} for n in ("a", "b")
            ],
            "finalizers": ["mine"],
        }
    }
    errors = create("v1/configmaps", bad)[1]
    assert [e.partition(":")[0] for e in errors] == [
        "metadata.labels",
        "metadata.labels",
        "metadata.ownerReferences",
        "metadata.finalizers",
    ]
    assert create("v1/configmaps", {"metadata": {"name": "x", "annotations": {"a": "x" * 262144}}})[1] == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]


def test_metadata_that_never_changes():
    stored, _ = create("v1/configmaps", {})
    stored["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    kept, errors = update(
        "v1/configmaps", stored, lambda c: (c["metadata"].pop("uid"), c["metadata"].pop("creationTimestamp"))
    )
    assert errors == []
    assert kept["metadata"]["uid"] == "uid-1"
    assert update("v1/configmaps", stored, lambda c: c["metadata"].update(uid="uid-2"))[1] == [
        'metadata.uid: Invalid value: "uid-2": field is immutable'
    ]
    stored["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert update("v1/configmaps", stored, lambda c: c["metadata"].update(finalizers=["a.b/c"]))[1] == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"a.b/c"}'
    ]


def test_namespaces_of_objects():
    resource = resource_of("v1/nodes")
    assert [str(e) for e in validate_create(resource, {"metadata": {"name": "n", "namespace": "x"}})] == [
        "metadata.namespace: Forbidden: not allowed on this type"
    ]
    assert [str(e) for e in validate_create(resource_of("v1/configmaps"), {"metadata": {"name": "n"}})] == [
        "metadata.namespace: Required value"
    ]
    assert [str(e) for e in validate_create(resource_of("v1/nodes"), {"metadata": {}})] == [
        "metadata.name: Required value: name or generateName is required"
    ]


@settings(max_examples=100)
@given(st.from_regex(r"[a-z]([-a-z0-9]{0,70}-)?", fullmatch=True), st.integers(0, 5))
def test_generated_names_of_good_prefixes_are_good(prefix, seed):
    name = generated_name(prefix, str(seed))
    assert name_faults(PODS, prefix, is_prefix=True) == ()
    assert name_faults(PODS, name) == ()
    assert name.startswith(prefix[:58])
    assert len(name) == min(len(prefix), 58) + 5


def test_a_generated_name_is_the_same_for_the_same_seed_in_every_process():
    assert generated_name("web-", "x") == "web-tg2l6"
    names = {generated_name("web-", str(n)) for n in range(1000)}
    assert len(names) == 1000
    assert set("".join(name.removeprefix("web-") for name in names)) == set(SUFFIX_ALPHABET)


@settings(max_examples=60)
@given(st.sampled_from([r for r in RESOURCES if r.storable]))
def test_every_kind_answers_a_bare_object_with_errors_or_stores_what_fits_its_schema(resource):
    stored, refused = create(resource.key, {"metadata": {"name": "x"}})
    assert decode(resource, stored)[0] == stored
    if resource.kind == "CustomResourceDefinition":
        assert refused  # it has no version that could be stored, so there is never anything to update
        return
    again, errors = update(resource.key, stored, lambda obj: obj["metadata"].update(labels={"a": "b"}))
    assert errors == []
    assert again["metadata"].get("generation") == stored["metadata"].get("generation")
