"""What the API server itself writes into new pods and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import parse_quantity
from actors.apimachinery.validation.config import merge_string_data

_COMPUTE: Final = ("cpu", "memory")


def qos_class(spec: Mapping[str, Any]) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort``, by what the pod's containers ask for.

    Guaranteed: every container limits cpu and memory and asks for exactly that. BestEffort: none asks for anything.
    """
    asks = False
    guaranteed = True
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            resources = container.get("resources")
            if not resources:
                guaranteed = False
                continue
            limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
            for name in _COMPUTE:
                limit, request = limits.get(name), requests.get(name)
                asks = asks or _is_positive(limit) or _is_positive(request)
                guaranteed = guaranteed and _is_positive(limit) and request == limit
    if not asks:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _is_positive(amount: Any) -> bool:
    return amount is not None and parse_quantity(amount) > 0


def prepare_pod(pod: Object) -> None:
    """A new pod is pending, knows its class of service, and says so when it waits at a scheduling gate."""
    spec = pod.get("spec") or {}
    status: Object = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    pod["status"] = status


def prepare_pod_status_update(new: Object, old: Object, subresource: str) -> None:
    """The class of service stays what it was: it follows from the spec."""
    status = new.get("status")
    qos = (old.get("status") or {}).get("qosClass")
    if subresource == "status" and status is not None and qos and "qosClass" not in status:
        status["qosClass"] = qos


def prepare_job(job: Object) -> None:
    """A job that doesn't bring a selector gets one on its own uid, and the labels that go with it."""
    spec = job.get("spec") or {}
    metadata = job["metadata"]
    uid, name = metadata.get("uid"), metadata.get("name", "")
    if spec.get("manualSelector") or not uid or "template" not in spec:
        return
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for prefix in ("", "batch.kubernetes.io/"):
        labels[f"{prefix}controller-uid"] = uid
        labels[f"{prefix}job-name"] = name
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector["batch.kubernetes.io/controller-uid"] = uid


def prepare_namespace(namespace: Object) -> None:
    """A new namespace is active, and holds its own deletion until everything in it is gone."""
    namespace["status"] = {"phase": "Active"}
    finalizers = namespace.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def prepare_namespace_update(new: Object, old: Object, subresource: str) -> None:
    """The finalizers in a namespace's spec change through its ``finalize`` subresource only."""
    if subresource != "finalize" and "spec" in old:
        new["spec"] = old["spec"]


def prepare_service(service: Object) -> None:
    """A new Service has no load balancer yet."""
    service["status"] = {"loadBalancer": {}}


def prepare_volume(volume: Object) -> None:
    """A new PersistentVolume or claim is pending."""
    volume["status"] = {"phase": "Pending"}


def prepare_secret_update(new: Object, old: Object, subresource: str) -> None:  # noqa: ARG001
    """``stringData`` in an update goes to ``data``; a type that is left out stays."""
    merge_string_data(new)
    if not new.get("type") and old.get("type"):
        new["type"] = old["type"]
