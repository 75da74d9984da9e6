"""The cluster as the scheduler sees it: nodes with their pods, and the few other things that decisions rest on.

It holds every pod that is bound, and every pod the scheduler has *assumed* to be bound because it asked for that and
does not know yet that it was refused. So a decision made on it never counts on what is taken already.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import Object
from actors.scheduler.node_info import NodeInfo
from actors.scheduler.pod_info import PodInfo, PodInfos, PodTemplate
from actors.scheduler.selectors import LabelSelector


class Snapshot:
    """Nodes, the pods on them, namespaces and services."""

    def __init__(self) -> None:
        self.pod_infos = PodInfos()
        self.nodes: dict[str, NodeInfo] = {}
        self.image_nodes: dict[str, int] = {}
        """On how many nodes an image is, by name."""
        self.shared_generation = 0
        """Grows when something changes that the view of every node depends on."""
        self.zone_labels = 0
        """How many nodes have a label that names their zone."""
        self.pods_with_affinity = 0
        self.pods_with_anti_affinity = 0
        self.nominated: dict[str, dict[str, PodInfo]] = {}
        """Pods that room was made for, by node and uid."""
        self._nominations: dict[str, str] = {}
        self._where: dict[str, str] = {}
        self._assumed: set[str] = set()
        self._listed: list[NodeInfo] | None = None
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._services: dict[Key, Mapping[str, str]] = {}

    # Nodes

    def listed(self) -> list[NodeInfo]:
        """The nodes that pods can be placed on, zones taking turns, as Kubernetes orders them. Not to be changed."""
        if self._listed is None:
            zones: dict[str, list[NodeInfo]] = {}
            for info in self.nodes.values():
                if info.node is not None:
                    zones.setdefault(info.zone, []).append(info)
            rows = list(zones.values())
            longest = max((len(row) for row in rows), default=0)
            self._listed = [row[i] for i in range(longest) for row in rows if i < len(row)]
        return self._listed

    def set_node(self, node: Object) -> bool:
        """A node was added or has changed; whether in a way that matters."""
        name = node["metadata"]["name"]
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        return self._change_node(info, node)

    def remove_node(self, name: str) -> None:
        """A node's object is gone. Its pods stay known until they are gone too."""
        info = self.nodes.get(name)
        if info is None or info.node is None:
            return
        self._change_node(info, None)
        if not info.pods:
            del self.nodes[name]

    def _change_node(self, info: NodeInfo, node: Object | None) -> bool:
        was_there, zone, images = info.node is not None, info.zone, info.images
        if was_there:
            self._count_node(info, -1)
        changed = info.set_node(node)
        if node is not None:
            self._count_node(info, 1)
        if was_there != (node is not None) or zone != info.zone:
            self._listed = None
            self.shared_generation += 1
        elif images is not info.images and images != info.images:
            self.shared_generation += 1
        return changed

    def _count_node(self, info: NodeInfo, sign: int) -> None:
        self.zone_labels += sign * (info.zone != ":")
        for name in info.images:
            count = self.image_nodes.get(name, 0) + sign
            if count:
                self.image_nodes[name] = count
            else:
                del self.image_nodes[name]

    # Pods on nodes

    def node_of(self, uid: str) -> str:
        """The node a pod counts on; empty when it does on none."""
        return self._where.get(uid, "")

    def is_assumed(self, uid: str) -> bool:
        """Whether the pod is on its node only because this scheduler asked for that."""
        return uid in self._assumed

    def assume(self, info: PodInfo, node_name: str) -> None:
        """Count a pod on the node it was decided for, before that is known to be so."""
        self._place(info, node_name)
        self._assumed.add(info.uid)

    def confirm(self, info: PodInfo, node_name: str) -> None:
        """Count a pod on the node it is known to be bound to."""
        self._assumed.discard(info.uid)
        known = self.nodes.get(node_name)
        old = known.pods.get(info.uid) if known else None
        if old is not None and old.template is info.template and old.terminating == info.terminating:
            old.pod = info.pod
            return
        self._place(info, node_name)

    def forget(self, uid: str) -> None:
        """Stop counting a pod: it is gone, has ended, or its binding was refused."""
        self._assumed.discard(uid)
        node_name = self._where.pop(uid, "")
        if not node_name:
            return
        node = self.nodes[node_name]
        self._count_affinity(node.pods[uid].template, -1)
        node.remove_pod(uid)
        if node.node is None and not node.pods:
            del self.nodes[node_name]

    def _place(self, info: PodInfo, node_name: str) -> None:
        self.forget(info.uid)
        node = self.nodes.get(node_name)
        if node is None:
            node = self.nodes[node_name] = NodeInfo(node_name)
        node.add_pod(info)
        self._where[info.uid] = node_name
        self._count_affinity(info.template, 1)

    def _count_affinity(self, template: PodTemplate, sign: int) -> None:
        self.pods_with_affinity += sign * template.has_pod_affinity
        self.pods_with_anti_affinity += sign * bool(template.anti_affinity)

    # Pods that room was made for

    def nominate(self, info: PodInfo, node_name: str) -> None:
        """Keep room for a pod on a node; on none with an empty name."""
        known = self._nominations.pop(info.uid, "")
        if known:
            del self.nominated[known][info.uid]
            if not self.nominated[known]:
                del self.nominated[known]
        if node_name:
            self._nominations[info.uid] = node_name
            self.nominated.setdefault(node_name, {})[info.uid] = info

    def withdraw(self, uid: str) -> None:
        """A pod needs no room any more."""
        node_name = self._nominations.get(uid)
        if node_name:
            self.nominate(self.nominated[node_name][uid], "")

    def nominated_node(self, uid: str) -> NodeInfo | None:
        """The node where room was made for a pod, if it is there."""
        node = self.nodes.get(self._nominations.get(uid, ""))
        return node if node is not None and node.node is not None else None

    def reserving(self, node_name: str, info: PodInfo) -> list[PodInfo]:
        """The pods with room kept on a node that come before this one."""
        others = self.nominated.get(node_name)
        if not others:
            return []
        return [other for other in others.values() if other.uid != info.uid and other.priority >= info.priority]

    # Namespaces and services

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace's labels; None when it is gone."""
        if self._namespaces.get(name) == labels:
            return
        if labels is None:
            del self._namespaces[name]
        else:
            self._namespaces[name] = labels
        self.shared_generation += 1

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """A namespace's labels."""
        return self._namespaces.get(name, {})

    def set_service(self, service: Object, *, gone: bool = False) -> None:
        """A service has changed or is gone: its pods are spread by default."""
        key = key_of(service)
        selector = None if gone else service.get("spec", {}).get("selector")
        if self._services.get(key) == selector:
            return
        if selector is None:
            del self._services[key]
        else:
            self._services[key] = selector
        self.shared_generation += 1

    def service_selector(self, template: PodTemplate) -> LabelSelector | None:
        """What the selectors of all services of a pod demand together; None when it belongs to none."""
        merged: dict[str, str] = {}
        for key, selector in self._services.items():
            if key.namespace == template.namespace and selector:
                labels = template.labels
                if all(labels.get(name) == value for name, value in selector.items()):
                    merged.update(selector)
        return LabelSelector(tuple(merged.items())) if merged else None
