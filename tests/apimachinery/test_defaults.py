"""Defaults: what a minimal manifest of each kind becomes, as a real API server answers it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.defaults import admit, apply_defaults
from actors.apimachinery.defaults_pod import image_pull_policy
from actors.apimachinery.resources import RESOURCES, resource_of
from actors.apimachinery.validator import decode


def defaulted(key: str, obj: dict) -> dict:
    obj = copy.deepcopy(obj)
    obj.setdefault("metadata", {"name": "x"})
    apply_defaults(resource_of(key), obj)
    return obj


def test_the_pod_of_the_tutorial():
    pod = defaulted("v1/pods", {"spec": {"containers": [{"name": "nginx", "image": "nginx:1.14.2"}]}})
    admit(resource_of("v1/pods"), pod)
    assert pod["spec"] == {
        "containers": [
            {
                "name": "nginx",
                "image": "nginx:1.14.2",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [
            {
                "effect": "NoExecute",
                "key": f"node.kubernetes.io/{reason}",
                "operator": "Exists",
                "tolerationSeconds": 300,
            }
            for reason in ("not-ready", "unreachable")
        ],
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry.local:5000/nginx", "Always"),
        ("registry.local:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
        ("nginx:latest@sha256:abc", "Always"),
    ],
)
def test_image_pull_policy_follows_the_tag(image, policy):
    assert image_pull_policy(image) == policy


def test_what_is_said_stays():
    said = {
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
            "containers": [
                {
                    "name": "a",
                    "image": "a",
                    "imagePullPolicy": "Never",
                    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
                    "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 3},
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                    "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 80}],
                }
            ],
            "volumes": [{"name": "e"}, {"name": "s", "secret": {"secretName": "s"}}, {"name": "h", "hostPath": {}}],
        }
    }
    pod = defaulted("v1/pods", said)
    admit(resource_of("v1/pods"), pod)
    container = pod["spec"]["containers"][0]
    assert pod["spec"]["terminationGracePeriodSeconds"] == 0
    assert pod["spec"]["restartPolicy"] == "Never"
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert container["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 3,
        "timeoutSeconds": 1,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert [port["protocol"] for port in container["ports"]] == ["UDP", "TCP"]
    assert pod["spec"]["volumes"] == [
        {"name": "e", "emptyDir": {}},
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}},
        {"name": "h", "hostPath": {"type": ""}},
    ]
    assert [t["key"].partition("/")[2] for t in pod["spec"]["tolerations"]] == ["not-ready", "unreachable"]


def test_workloads():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    deployment = defaulted("apps/v1/deployments", {"spec": {"template": template}})["spec"]
    assert deployment["replicas"] == 1
    assert deployment["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (deployment["revisionHistoryLimit"], deployment["progressDeadlineSeconds"]) == (10, 600)
    assert deployment["template"]["spec"]["restartPolicy"] == "Always"
    assert "enableServiceLinks" not in deployment["template"]["spec"]
    recreate = defaulted("apps/v1/deployments", {"spec": {"strategy": {"type": "Recreate"}, "replicas": 0}})["spec"]
    assert recreate["strategy"] == {"type": "Recreate"}
    assert recreate["replicas"] == 0
    stateful = defaulted("apps/v1/statefulsets", {"spec": {"volumeClaimTemplates": [{}]}})["spec"]
    assert stateful["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert stateful["volumeClaimTemplates"][0]["spec"] == {"volumeMode": "Filesystem"}
    job = defaulted("batch/v1/jobs", {"spec": {"template": template}})
    assert job["metadata"]["labels"] == {"a": "b"}
    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["backoffLimit"]) == (1, 1, 6)
    assert "completions" not in defaulted("batch/v1/jobs", {"spec": {"parallelism": 2}})["spec"]
    cron = defaulted("batch/v1/cronjobs", {"spec": {"jobTemplate": {"spec": {"template": template}}}})["spec"]
    assert (cron["concurrencyPolicy"], cron["successfulJobsHistoryLimit"]) == ("Allow", 3)
    assert cron["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"] == "ClusterFirst"
    assert "backoffLimit" not in cron["jobTemplate"]["spec"]


def test_services_policies_and_bindings():
    service = defaulted("v1/services", {"spec": {"ports": [{"port": 80}, {"port": 53, "targetPort": "dns"}]}})["spec"]
    assert [port["targetPort"] for port in service["ports"]] == [80, "dns"]
    assert (service["type"], service["sessionAffinity"], service["internalTrafficPolicy"]) == (
        "ClusterIP",
        "None",
        "Cluster",
    )
    assert "externalTrafficPolicy" not in service
    balanced = defaulted("v1/services", {"spec": {"type": "LoadBalancer"}})["spec"]
    assert balanced["externalTrafficPolicy"] == "Cluster"
    assert balanced["allocateLoadBalancerNodePorts"] is True
    assert defaulted("networking.k8s.io/v1/networkpolicies", {"spec": {"egress": [{}]}})["spec"]["policyTypes"] == [
        "Ingress",
        "Egress",
    ]
    binding = defaulted(
        "rbac.authorization.k8s.io/v1/rolebindings",
        {"roleRef": {"kind": "Role"}, "subjects": [{"kind": "User"}, {"kind": "ServiceAccount"}]},
    )
    assert [subject.get("apiGroup") for subject in binding["subjects"]] == ["rbac.authorization.k8s.io", None]
    namespace = defaulted("v1/namespaces", {"metadata": {"name": "team"}})
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "team"}
    assert namespace["status"] == {"phase": "Active"}


@settings(max_examples=60)
@given(st.sampled_from([r for r in RESOURCES if r.storable]), st.booleans())
def test_defaults_are_idempotent_and_fit_the_schema(resource, with_spec):
    obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "x"}}
    if with_spec and resource.plural in ("deployments", "statefulsets", "daemonsets", "jobs", "services"):
        obj["spec"] = {}
    apply_defaults(resource, obj)
    admit(resource, obj)
    once = copy.deepcopy(obj)
    apply_defaults(resource, obj)
    admit(resource, obj)
    assert obj == once
    assert decode(resource, obj)[0] == obj
