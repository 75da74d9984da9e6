"""Queueing hints: can this event make a pod schedulable that a plugin rejected?

A pod that fits nowhere is tried again only when something happened that could change the answer of a plugin that said
no. A wrong yes costs one attempt; a wrong no would leave a pod pending, so each hint says no only where it is certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from actors.apimachinery.operation import Object
from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins import (
    inter_pod_affinity,
    node_affinity,
    node_ports,
    node_resources,
    node_unschedulable,
    pod_topology_spread,
    taint_toleration,
)
from actors.scheduler.pod_info import AffinityTerm, PodInfo, PodTemplate


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A node was added, changed (both are there) or removed; the pods on it are left out."""

    old: NodeInfo | None
    new: NodeInfo | None


@dataclass(frozen=True, slots=True)
class PodEvent:
    """Something happened to a pod on a node: it came, went, or its labels or requests changed."""

    kind: Literal["add", "update", "delete"]
    pod: PodInfo
    old: PodInfo | None = None


@dataclass(frozen=True, slots=True)
class NamespaceEvent:
    """A namespace's labels have changed."""


ClusterEvent = NodeEvent | PodEvent | NamespaceEvent
Hint = Callable[[PodTemplate, ClusterEvent], bool]


def bare_node(node: Object | None) -> NodeInfo | None:
    """What an event tells of a node."""
    if node is None:
        return None
    info = NodeInfo(node["metadata"]["name"])
    info.set_node(node)
    return info


def may_help(plugins: list[str], template: PodTemplate, event: ClusterEvent) -> bool:
    """Whether a pod that these plugins rejected is worth another attempt. Without a plugin to blame it always is."""
    return not plugins or any(_HINTS[plugin](template, event) for plugin in plugins)


def _node_unschedulable(template: PodTemplate, event: ClusterEvent) -> bool:
    return _turned(event, lambda node: node_unschedulable.rejects(template, node) is None)


def _taint_toleration(template: PodTemplate, event: ClusterEvent) -> bool:
    return _turned(event, lambda node: taint_toleration.rejects(template, node) is None)


def _node_affinity(template: PodTemplate, event: ClusterEvent) -> bool:
    return _turned(event, lambda node: node_affinity.matches(template, node))


def _node_ports(template: PodTemplate, event: ClusterEvent) -> bool:
    if isinstance(event, PodEvent):
        freed = event.kind == "delete" and event.pod.template.host_ports
        return bool(freed) and node_ports.conflicts(template.host_ports, event.pod.template.host_ports)
    return isinstance(event, NodeEvent) and event.old is None


def _node_resources(template: PodTemplate, event: ClusterEvent) -> bool:
    if isinstance(event, PodEvent):
        return event.kind == "delete" or (event.kind == "update" and _gave_back(event))
    if not isinstance(event, NodeEvent) or event.new is None:
        return False
    if not node_resources.fits_empty(template, event.new.allocatable):
        return False
    return event.old is None or _grew(event.old, event.new)


def _topology_spread(template: PodTemplate, event: ClusterEvent) -> bool:
    if isinstance(event, PodEvent):
        concerned = [event.pod.template] + ([event.old.template] if event.old else [])
        return any(
            other.namespace == template.namespace and constraint.selector.matches(other.labels)
            for other in concerned
            for constraint in template.spread
        )
    if not isinstance(event, NodeEvent):
        return False
    keys = [constraint.topology_key for constraint in template.spread]
    before, after = event.old, event.new
    if before is not None and after is not None:
        return _labels(before, keys) != _labels(after, keys) or before.taints != after.taints
    return any(node is not None and all(key in node.labels for key in keys) for node in (before, after))


def _inter_pod_affinity(template: PodTemplate, event: ClusterEvent) -> bool:
    if isinstance(event, NamespaceEvent):
        return True
    if isinstance(event, NodeEvent):
        if event.new is None:
            return False
        terms = (*template.affinity, *template.anti_affinity)
        keys = [term.topology_key for term in terms]
        return event.old is None or not keys or _labels(event.old, keys) != _labels(event.new, keys)
    if event.kind == "delete":
        return _may_concern(template.anti_affinity, event.pod.template) or bool(event.pod.template.anti_affinity)
    if event.kind == "add":
        return _may_concern(template.affinity, event.pod.template)
    return True


def _may_concern(terms: tuple[AffinityTerm, ...], other: PodTemplate) -> bool:
    """Whether any term selects the pod, its namespace left aside when that depends on the namespace's labels."""
    return any(
        (other.namespace in term.namespaces or not term.namespace_selector.nothing)
        and term.selector.matches(other.labels)
        for term in terms
    )


def _turned(event: ClusterEvent, passes: Callable[[NodeInfo], bool]) -> bool:
    """Whether a node came that passes, or one has changed from failing to passing."""
    if not isinstance(event, NodeEvent) or event.new is None or not passes(event.new):
        return False
    return event.old is None or not passes(event.old)


def _grew(old: NodeInfo, new: NodeInfo) -> bool:
    before, after = old.allocatable, new.allocatable
    return (
        after.milli_cpu > before.milli_cpu
        or after.memory > before.memory
        or after.ephemeral_storage > before.ephemeral_storage
        or after.pods > before.pods
        or any(amount > before.scalars.get(name, 0) for name, amount in after.scalars.items())
    )


def _gave_back(event: PodEvent) -> bool:
    if event.old is None:
        return False
    before, after = event.old.template.requests, event.pod.template.requests
    return (
        after.milli_cpu < before.milli_cpu
        or after.memory < before.memory
        or after.ephemeral_storage < before.ephemeral_storage
        or any(amount > after.scalars.get(name, 0) for name, amount in before.scalars.items())
    )


def _labels(node: NodeInfo, keys: list[str]) -> list[str | None]:
    return [node.labels.get(key) for key in keys]


_HINTS: Final[dict[str, Hint]] = {
    node_unschedulable.NAME: _node_unschedulable,
    taint_toleration.NAME: _taint_toleration,
    node_affinity.NAME: _node_affinity,
    node_ports.NAME: _node_ports,
    node_resources.NAME: _node_resources,
    pod_topology_spread.NAME: _topology_spread,
    inter_pod_affinity.NAME: _inter_pod_affinity,
}
