"""The smallest valid object of every built-in kind."""

from __future__ import annotations

import base64
import copy
from typing import Any, Final

from actors.apimachinery.resources import Resource

LABELS: Final = {"app": "a"}
SELECTOR: Final = {"matchLabels": LABELS}
CONTAINERS: Final = [{"name": "a", "image": "nginx"}]
TEMPLATE: Final = {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS}}
WORKLOAD: Final = {"spec": {"selector": SELECTOR, "template": TEMPLATE}}
JOB: Final = {"template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}}}
CLAIM: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
ROLE: Final = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}}
WEBHOOK: Final = {
    "name": "a.example.com",
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "clientConfig": {"url": "https://example.com/a"},
}
POD_REFERENCE: Final = {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "a"}
POOL: Final = {"name": "a", "generation": 1, "resourceSliceCount": 1}
PEM_REQUEST: Final = base64.b64encode(
    b"-----BEGIN CERTIFICATE REQUEST-----\nYQ==\n-----END CERTIFICATE REQUEST-----\n"
).decode()
CUSTOM: Final = {
    "group": "example.com",
    "scope": "Namespaced",
    "names": {"kind": "A", "listKind": "AList", "plural": "as", "singular": "a"},
    "versions": [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}},
    ],
}

#: What it has besides apiVersion, kind and a name; kinds that aren't here need nothing. By kind or, first, by key.
NEEDED: Final[dict[str, dict[str, Any]]] = {
    "APIService": {
        "spec": {
            "group": "example.com",
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"name": "a", "namespace": "default"},
        }
    },
    "CSIDriver": {"spec": {}},
    "ClusterTrustBundle": {"spec": {"trustBundle": "a"}},
    "CSINode": {"spec": {"drivers": []}},
    "CSIStorageCapacity": {"storageClassName": "a"},
    "CertificateSigningRequest": {
        "spec": {"request": PEM_REQUEST, "signerName": "example.com/a", "usages": ["client auth"]},
    },
    "ClusterRoleBinding": ROLE,
    "ControllerRevision": {"revision": 1, "data": {}},
    "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}},
    "CustomResourceDefinition": {"spec": CUSTOM},
    "DaemonSet": WORKLOAD,
    "Deployment": WORKLOAD,
    "CompositePodGroup": {
        "spec": {"workloadRef": {"workloadName": "a", "templateName": "a"}, "schedulingPolicy": {"basic": {}}}
    },
    "DeviceClass": {"spec": {}},
    "DeviceTaintRule": {"spec": {"taint": {"key": "example.com/a", "effect": "NoSchedule"}}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": []},
    "events.k8s.io/v1/events": {
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.com/a",
        "reportingInstance": "a",
        "action": "A",
        "reason": "A",
        "type": "Normal",
        "regarding": POD_REFERENCE,
    },
    "Event": {"involvedObject": POD_REFERENCE},
    "Eviction": {"spec": {"target": {}}},
    "EvictionRequest": {"spec": {"target": {}, "requester": "example.com", "intent": "Eviction"}},
    "FlowSchema": {"spec": {"priorityLevelConfiguration": {"name": "exempt"}}},
    "HorizontalPodAutoscaler": {
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}},
    },
    "IPAddress": {"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "a"}}},
    "Ingress": {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}},
    "IngressClass": {"spec": {"controller": "example.com/a"}},
    "Job": {"spec": JOB},
    "LeaseCandidate": {"spec": {"leaseName": "a", "binaryVersion": "1.0.0", "strategy": "OldestEmulationVersion"}},
    "LimitRange": {"spec": {"limits": []}},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
    "PersistentVolume": {
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/a"},
        }
    },
    "PersistentVolumeClaim": {"spec": CLAIM},
    "Pod": {"spec": {"containers": CONTAINERS}},
    "PodCertificateRequest": {
        "spec": {
            "signerName": "example.com/a",
            "podName": "a",
            "podUID": "1",
            "serviceAccountName": "a",
            "serviceAccountUID": "1",
            "nodeName": "a",
            "nodeUID": "1",
            "stubPKCS10Request": "YQ==",
        }
    },
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": SELECTOR}},
    "PodGroup": {"spec": {"schedulingPolicy": {"basic": {}}}},
    "PodTemplate": {"template": TEMPLATE},
    "PriorityClass": {"value": 1},
    "PriorityLevelConfiguration": {
        "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}},
    },
    "ReplicaSet": WORKLOAD,
    "ReplicationController": {"spec": {"selector": LABELS, "template": TEMPLATE}},
    "ResourcePoolStatusRequest": {"spec": {"driver": "example.com"}},
    "ResourceSlice": {"spec": {"driver": "example.com", "nodeName": "a", "pool": POOL}},
    "RoleBinding": ROLE,
    "RuntimeClass": {"handler": "a"},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "ServiceCIDR": {"spec": {"cidrs": ["10.1.0.0/24"]}},
    "StatefulSet": WORKLOAD,
    "StorageClass": {"provisioner": "example.com/a"},
    "ValidatingAdmissionPolicyBinding": {"spec": {"policyName": "a", "validationActions": ["Deny"]}},
    "ValidatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "MutatingWebhookConfiguration": {"webhooks": [WEBHOOK]},
    "VolumeAttachment": {
        "spec": {"attacher": "example.com", "nodeName": "a", "source": {"persistentVolumeName": "a"}},
    },
    "Workload": {"spec": {"podGroupTemplates": []}},
    "VolumeAttributesClass": {"driverName": "example.com", "parameters": {"a": "b"}},
}
#: Names that a kind has rules about.
NAMES: Final = {
    "APIService": "v1.example.com",
    "CSIDriver": "example.com",
    "CustomResourceDefinition": "as.example.com",
    "IPAddress": "10.1.0.1",
}


def smallest(resource: Resource) -> dict[str, Any]:
    """A valid object of it."""
    needed = NEEDED.get(resource.key, NEEDED.get(resource.kind, {}))
    metadata = {"name": NAMES.get(resource.kind, "a")}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **copy.deepcopy(needed)}
