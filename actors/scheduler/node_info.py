"""What the scheduler keeps of a node: what it has, what its pods hold, and a generation that grows with every change.

It is updated by one pod or one node object at a time, so that a decision never walks over all pods of a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from actors.apimachinery.meta import labels_of
from actors.apimachinery.operation import Object
from actors.scheduler.pod_info import ZONE, HostPort, PodInfo
from actors.scheduler.resources import Resource, allocatable_of
from actors.scheduler.selectors import Taint, taints_of

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104
REGION: Final = "topology.kubernetes.io/region"

K = TypeVar("K")


class NodeInfo:
    """A node and the pods on it, assumed ones included.

    Pods may be known before their node is, or outlive its object: then `node` is None and nothing is placed there.
    """

    __slots__ = (
        "allocatable",
        "generation",
        "images",
        "labels",
        "name",
        "node",
        "nonzero",
        "owners",
        "pods",
        "pods_with_affinity",
        "pods_with_anti_affinity",
        "ports",
        "priorities",
        "requested",
        "taints",
        "unschedulable",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.node: Object | None = None
        self.labels: Mapping[str, str] = {}
        self.taints: tuple[Taint, ...] = ()
        self.unschedulable = False
        self.allocatable = Resource()
        self.images: dict[str, int] = {}
        """Size in bytes of the images that are there, by name."""
        self.requested = Resource()
        self.nonzero = Resource()
        self.pods: dict[str, PodInfo] = {}
        """By uid."""
        self.pods_with_affinity: dict[str, PodInfo] = {}
        self.pods_with_anti_affinity: dict[str, PodInfo] = {}
        """Those with required anti-affinity."""
        self.owners: dict[str, int] = {}
        """How many pods there are of each controller, those being deleted left out."""
        self.ports: dict[HostPort, int] = {}
        self.priorities: dict[int, int] = {}
        """How many pods there are of each priority."""
        self.generation = 0

    @property
    def zone(self) -> str:
        """Region and zone, by which nodes take turns."""
        return f"{self.labels.get(REGION, '')}:{self.labels.get(ZONE, '')}"

    def set_node(self, node: Object | None) -> bool:
        """Take over the node's object, None when it is gone; whether anything that matters here has changed."""
        facts = _facts(node)
        if self.node is not None and node is not None and facts == _facts(self.node):
            self.node = node
            return False
        self.node = node
        self.generation += 1
        if node is None:
            return True
        self.labels, self.taints, self.unschedulable, _, _ = facts
        self.allocatable = allocatable_of(node)
        self.images = images_of(node)
        return True

    def add_pod(self, info: PodInfo) -> None:
        """Count a pod that is, or is assumed to be, on this node."""
        self.pods[info.uid] = info
        self._count(info, 1)

    def remove_pod(self, uid: str) -> None:
        """Stop counting a pod."""
        info = self.pods.pop(uid)
        self._count(info, -1)

    def copy(self) -> NodeInfo:
        """An independent copy, for trying out what if."""
        other = NodeInfo(self.name)
        other.node, other.labels, other.taints = self.node, self.labels, self.taints
        other.unschedulable, other.allocatable, other.images = self.unschedulable, self.allocatable, self.images
        for info in self.pods.values():
            other.add_pod(info)
        return other

    def _count(self, info: PodInfo, sign: int) -> None:
        template = info.template
        self.generation += 1
        self.requested.add(template.requests, sign)
        self.nonzero.add(template.nonzero, sign)
        _tally(self.priorities, template.priority, sign)
        if template.owner_uid and not info.terminating:
            _tally(self.owners, template.owner_uid, sign)
        for port in template.host_ports:
            _tally(self.ports, port, sign)
        if template.has_pod_affinity:
            _enlist(self.pods_with_affinity, info, sign)
        if template.anti_affinity:
            _enlist(self.pods_with_anti_affinity, info, sign)


def images_of(node: Object) -> dict[str, int]:
    """Size of each image the node reports, by each of its names."""
    return {
        name: image.get("sizeBytes") or 0
        for image in node.get("status", {}).get("images") or ()
        for name in image.get("names") or ()
    }


def _facts(node: Object | None) -> tuple[Any, ...]:
    """The parts of a node's object that scheduling depends on."""
    if node is None:
        return ({}, (), False, None, None)
    status = node.get("status", {})
    return (
        labels_of(node),
        taints_of(node),
        bool(node.get("spec", {}).get("unschedulable")),
        status.get("allocatable") or status.get("capacity"),
        status.get("images"),
    )


def _tally(table: dict[K, int], key: K, sign: int) -> None:
    count = table.get(key, 0) + sign
    if count:
        table[key] = count
    else:
        del table[key]


def _enlist(table: dict[str, PodInfo], info: PodInfo, sign: int) -> None:
    if sign > 0:
        table[info.uid] = info
    else:
        del table[info.uid]
