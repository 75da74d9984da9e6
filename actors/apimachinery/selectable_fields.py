"""Which fields of each kind can be selected by, and their values as text.

Every kind offers its name and namespace; the fields beyond those are the ones Kubernetes registers per kind
(``AddFieldLabelConversionFunc`` and each registry's ``GetAttrs``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

METADATA_FIELDS: Final = ("metadata.name", "metadata.namespace")

_REFERENCE: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "v1/pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    "v1/nodes": ("spec.unschedulable",),
    "v1/namespaces": ("status.phase", "name"),
    "v1/secrets": ("type",),
    "v1/services": ("spec.clusterIP", "spec.type"),
    "v1/replicationcontrollers": ("status.replicas",),
    "apps/v1/replicasets": ("status.replicas",),
    "batch/v1/jobs": ("status.successful",),
    "v1/events": (
        *(f"involvedObject.{name}" for name in _REFERENCE),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "events.k8s.io/v1/events": (
        *(f"regarding.{name}" for name in _REFERENCE),
        "reason",
        "reportingController",
        "type",
    ),
    "certificates.k8s.io/v1/certificatesigningrequests": ("spec.signerName",),
    "certificates.k8s.io/v1/clustertrustbundles": ("spec.signerName",),
    "certificates.k8s.io/v1beta1/clustertrustbundles": ("spec.signerName",),
    "certificates.k8s.io/v1/podcertificaterequests": ("spec.signerName", "spec.nodeName"),
    "certificates.k8s.io/v1beta1/podcertificaterequests": ("spec.signerName", "spec.nodeName"),
    "resource.k8s.io/v1/resourceslices": ("spec.driver", "spec.nodeName"),
    "resource.k8s.io/v1beta1/resourceslices": ("spec.driver", "spec.nodeName"),
    "resource.k8s.io/v1beta2/resourceslices": ("spec.driver", "spec.nodeName"),
}

_SUPPORTED: Final = {resource: frozenset((*METADATA_FIELDS, *fields)) for resource, fields in _FIELDS.items()}
_METADATA_ONLY: Final = frozenset(METADATA_FIELDS)


def supported_fields(resource: str) -> frozenset[str]:
    """Fields a resource (``v1/pods``) can be selected by."""
    return _SUPPORTED.get(resource, _METADATA_ONLY)


def _event_source(event: Mapping[str, Any]) -> str:
    """An event's source falls back to its reporting component."""
    return (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""


def _pod_ips(pod: Mapping[str, Any]) -> str:
    return ",".join(entry.get("ip", "") for entry in (pod.get("status") or {}).get("podIPs") or ())


_SPECIAL: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "source": _event_source,
    "status.podIPs": _pod_ips,
    "name": lambda obj: obj["metadata"].get("name", ""),
    "status.successful": lambda obj: str((obj.get("status") or {}).get("succeeded") or 0),
}

#: What a missing field of these kinds of value reads as.
_ABSENT: Final = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0"}


def field_value(obj: Mapping[str, Any], field: str) -> str:
    """The field's value as selectors compare it: text, with ``true``, ``false`` and numbers spelled out."""
    special = _SPECIAL.get(field)
    if special is not None:
        return special(obj)
    value: Any = obj
    for part in field.split("."):
        if not isinstance(value, Mapping):
            value = None
            break
        value = value.get(part)
    if value is None:
        return _ABSENT.get(field, "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
