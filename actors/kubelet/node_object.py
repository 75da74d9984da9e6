"""A node's object: what it registers with, and the status it reports. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.meta import format_micro_time, format_time
from actors.apimachinery.operation import Object
from actors.client.kubelet import KUBELET_ACTOR
from actors.kubelet.config import KUBELET_VERSION, NodeConfig

LEASE_NAMESPACE: Final = "kube-node-lease"
LEASE_DURATION_S: Final = 40
#: Images shown in a node's status (``nodeStatusMaxImages``).
IMAGES_MAX: Final = 50

_CONDITIONS: Final = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
_READY: Final = ("Ready", "True", "KubeletReady", "kubelet is posting ready status")
_RUNTIME_DOWN: Final = ("Ready", "False", "KubeletNotReady", "container runtime is down")


def capacity_of(config: NodeConfig) -> dict[str, str]:
    """What the node has; all of it may be used by pods."""
    return {
        "cpu": config.cpu,
        "memory": config.memory,
        "ephemeral-storage": config.ephemeral_storage,
        "pods": str(config.pods),
        **config.extended_resources,
    }


def node_object(config: NodeConfig) -> Object:
    """The object to register, without status."""
    spec: Object = {"podCIDR": config.pod_cidr, "podCIDRs": [config.pod_cidr]}
    if config.taints:
        spec["taints"] = [dict(taint) for taint in config.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": config.name,
            "labels": {**standard_labels(config), **config.labels},
            "annotations": {
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                KUBELET_ACTOR: config.kubelet_actor,
            },
        },
        "spec": spec,
    }


def standard_labels(config: NodeConfig) -> dict[str, str]:
    """The labels a kubelet puts on its node."""
    return {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": config.name,
        "kubernetes.io/os": "linux",
    }


def node_status(
    config: NodeConfig,
    old: Mapping[str, Any],
    images: Mapping[str, int],
    runtime_version: str,
    *,
    runtime_up: bool,
    boot_id: str,
    now_s: float,
) -> Object:
    """The status to report."""
    capacity = capacity_of(config)
    known = {condition["type"]: condition for condition in old.get("conditions") or ()}
    wanted = (*_CONDITIONS, _READY if runtime_up else _RUNTIME_DOWN)
    conditions = [_condition(row, known.get(row[0]), now_s) for row in wanted]
    conditions += [condition for name, condition in known.items() if name not in [row[0] for row in wanted]]
    biggest = sorted(images, key=lambda name: (-images[name], name))[:IMAGES_MAX]
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": config.address},
            {"type": "Hostname", "address": config.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": boot_id.replace("-", ""),
            "systemUUID": boot_id,
            "bootID": boot_id,
            "kernelVersion": "podchain",
            "osImage": "Podchain",
            "containerRuntimeVersion": runtime_version,
            "kubeletVersion": KUBELET_VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
        "images": [{"names": [name], "sizeBytes": images[name]} for name in biggest],
    }


def _condition(row: tuple[str, str, str, str], old: Mapping[str, Any] | None, now_s: float) -> Object:
    name, status, reason, message = row
    now = format_time(now_s)
    since = old.get("lastTransitionTime", now) if old is not None and old.get("status") == status else now
    return {
        "type": name,
        "status": status,
        "lastHeartbeatTime": now,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }


def node_lease(config: NodeConfig, node: Mapping[str, Any] | None, now_s: float) -> Object:
    """The node's Lease, whose renewal is its heartbeat."""
    metadata: Object = {"name": config.name, "namespace": LEASE_NAMESPACE}
    if node is not None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": config.name, "uid": node["metadata"]["uid"]}
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": config.name,
            "leaseDurationSeconds": LEASE_DURATION_S,
            "renewTime": format_micro_time(now_s),
        },
    }
