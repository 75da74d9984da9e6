"""Nodes and pods for the scheduler's tests."""

from __future__ import annotations

from typing import Any

from actors.scheduler.plugins.status import Rejection
from actors.scheduler.scheduler import Scheduler


def node(name: str, *, labels: dict[str, str] | None = None, taints: Any = (), images: Any = (), **offers: str) -> Any:
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "110", **{k.replace("_", "-"): v for k, v in offers.items()}}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": [dict(zip(("key", "value", "effect"), taint, strict=True)) for taint in taints]},
        "status": {
            "allocatable": allocatable,
            "images": [{"names": [image], "sizeBytes": size} for image, size in images],
        },
    }


def pod(
    name: str, *, namespace: str = "default", labels: Any = None, on: str = "", owner: str = "", **spec: Any
) -> Any:
    requests = spec.pop("requests", None)
    ports = spec.pop("ports", None)
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}-{name}",
        "labels": labels or {},
    }
    if owner:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    container: dict[str, Any] = {"name": "c", "image": spec.pop("image", "nginx")}
    if requests:
        container["resources"] = {"requests": requests}
    if ports:
        container["ports"] = ports
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], **({"nodeName": on} if on else {}), **spec},
        "status": {"phase": "Pending"},
    }


def bound(pod_: Any, node_name: str) -> Any:
    return {**pod_, "spec": {**pod_["spec"], "nodeName": node_name}}


def place(scheduler: Scheduler, pod_: Any, now_s: float = 0.0) -> str:
    """Add a pod and decide; the node's name, or the message that says why there is none."""
    scheduler.on_pod(pod_, None, now_s)
    decided = scheduler.decide(10, now_s)
    if decided.assignments:
        return decided.assignments[-1].node_name
    assert decided.failures, "the pod was not tried"
    return decided.failures[-1].message


def reasons(rejection: Rejection | None) -> tuple[str, ...]:
    return rejection.reasons if rejection else ()
