"""Defaults that are plain values, as data: for each resource the fields and what they are when left out.

A path is field names joined by dots. ``name?`` goes on only when the field is there, ``name[]`` in every item of
a list, and any other missing object on the way is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_RBAC: Final = "rbac.authorization.k8s.io"

Defaults = tuple[tuple[str, Any], ...]

_WEBHOOK: Final[Defaults] = (
    ("webhooks[].failurePolicy", "Fail"),
    ("webhooks[].matchPolicy", "Equivalent"),
    ("webhooks[].namespaceSelector", {}),
    ("webhooks[].objectSelector", {}),
    ("webhooks[].timeoutSeconds", 10),
    ("webhooks[].rules[].scope", "*"),
    ("webhooks[].clientConfig?.service?.port", 443),
)

_CLAIM_SPEC: Final[Defaults] = (("spec.volumeMode", "Filesystem"),)

TABLE: Final[Mapping[str, Defaults]] = {
    "apps/v1/deployments": (
        ("spec.replicas", 1),
        ("spec.strategy.type", "RollingUpdate"),
        ("spec.revisionHistoryLimit", 10),
        ("spec.progressDeadlineSeconds", 600),
    ),
    "apps/v1/replicasets": (("spec.replicas", 1),),
    "apps/v1/statefulsets": (
        ("spec.replicas", 1),
        ("spec.revisionHistoryLimit", 10),
        ("spec.podManagementPolicy", "OrderedReady"),
        ("spec.updateStrategy.type", "RollingUpdate"),
        ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "Retain"),
        ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", "Retain"),
        ("spec.volumeClaimTemplates[].apiVersion", "v1"),
        ("spec.volumeClaimTemplates[].kind", "PersistentVolumeClaim"),
        ("spec.volumeClaimTemplates[].spec.volumeMode", "Filesystem"),
        ("spec.volumeClaimTemplates[].status.phase", "Pending"),
    ),
    "apps/v1/daemonsets": (("spec.revisionHistoryLimit", 10), ("spec.updateStrategy.type", "RollingUpdate")),
    "v1/replicationcontrollers": (("spec.replicas", 1),),
    "batch/v1/jobs": (
        ("spec.completionMode", "NonIndexed"),
        ("spec.suspend", False),
        ("spec.manualSelector", False),
        ("spec.podFailurePolicy?.rules[].onPodConditions[].status", "True"),
    ),
    "batch/v1/cronjobs": (
        ("spec.concurrencyPolicy", "Allow"),
        ("spec.suspend", False),
        ("spec.successfulJobsHistoryLimit", 3),
        ("spec.failedJobsHistoryLimit", 1),
    ),
    "v1/services": (
        ("spec.type", "ClusterIP"),
        ("spec.sessionAffinity", "None"),
        ("spec.ports[].protocol", "TCP"),
        ("status.loadBalancer", {}),
    ),
    "v1/endpoints": (("subsets[].ports[].protocol", "TCP"),),
    "discovery.k8s.io/v1/endpointslices": (("ports[].name", ""), ("ports[].protocol", "TCP")),
    "v1/secrets": (("type", "Opaque"),),
    "v1/namespaces": (("status.phase", "Active"),),
    "v1/persistentvolumes": (
        ("spec.persistentVolumeReclaimPolicy", "Retain"),
        ("spec.volumeMode", "Filesystem"),
        ("spec.hostPath?.type", ""),
        ("status.phase", "Pending"),
    ),
    "v1/persistentvolumeclaims": (*_CLAIM_SPEC, ("status.phase", "Pending")),
    "storage.k8s.io/v1/storageclasses": (("reclaimPolicy", "Delete"), ("volumeBindingMode", "Immediate")),
    "storage.k8s.io/v1/csidrivers": (
        ("spec.attachRequired", True),
        ("spec.podInfoOnMount", False),
        ("spec.storageCapacity", False),
        ("spec.fsGroupPolicy", "ReadWriteOnceWithFSType"),
        ("spec.volumeLifecycleModes", ["Persistent"]),
        ("spec.requiresRepublish", False),
        ("spec.seLinuxMount", False),
    ),
    "rbac.authorization.k8s.io/v1/rolebindings": (("roleRef.apiGroup", _RBAC),),
    "rbac.authorization.k8s.io/v1/clusterrolebindings": (("roleRef.apiGroup", _RBAC),),
    "autoscaling/v2/horizontalpodautoscalers": (("spec.minReplicas", 1),),
    "autoscaling/v1/horizontalpodautoscalers": (("spec.minReplicas", 1),),
    "networking.k8s.io/v1/ingresses": (("status.loadBalancer", {}),),
    "networking.k8s.io/v1/ingressclasses": (("spec.parameters?.scope", "Cluster"),),
    "networking.k8s.io/v1/networkpolicies": (
        ("spec.ingress[].ports[].protocol", "TCP"),
        ("spec.egress[].ports[].protocol", "TCP"),
    ),
    "scheduling.k8s.io/v1/priorityclasses": (("preemptionPolicy", "PreemptLowerPriority"),),
    "admissionregistration.k8s.io/v1/validatingwebhookconfigurations": _WEBHOOK,
    "admissionregistration.k8s.io/v1/mutatingwebhookconfigurations": (
        *_WEBHOOK,
        ("webhooks[].reinvocationPolicy", "Never"),
    ),
    "admissionregistration.k8s.io/v1/validatingadmissionpolicies": (
        ("spec.failurePolicy", "Fail"),
        ("spec.matchConstraints?.matchPolicy", "Equivalent"),
        ("spec.matchConstraints?.namespaceSelector", {}),
        ("spec.matchConstraints?.objectSelector", {}),
        ("spec.matchConstraints?.resourceRules[].scope", "*"),
    ),
    "apiextensions.k8s.io/v1/customresourcedefinitions": (("spec.conversion.strategy", "None"),),
    "apiregistration.k8s.io/v1/apiservices": (("spec.service?.port", 443),),
    "flowcontrol.apiserver.k8s.io/v1/flowschemas": (("spec.matchingPrecedence", 1000),),
    "flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations": (
        ("spec.limited?.nominalConcurrencyShares", 30),
        ("spec.limited?.lendablePercent", 0),
        ("spec.limited?.limitResponse.type", "Reject"),
    ),
    "resource.k8s.io/v1/resourceclaims": (
        ("spec.devices?.requests[].exactly?.allocationMode", "ExactCount"),
        ("spec.devices?.requests[].firstAvailable[].allocationMode", "ExactCount"),
    ),
}
