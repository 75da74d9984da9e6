"""What the scheduler needs to know of a pod, computed once.

Pods made from one template differ in their names only. So everything that follows from a pod's namespace, labels,
controller and spec is computed once for all of them, as a `PodTemplate`; what was found out about a template and a node
can be reused for the template's other pods (see `actors.scheduler.framework`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.meta import Key, controller_of, key_of, labels_of, parse_time, uid_of
from actors.apimachinery.operation import Object
from actors.scheduler.resources import Resource, nonzero_requests, pod_requests
from actors.scheduler.selectors import (
    LabelSelector,
    NodeSelectorTerm,
    Requirement,
    Tolerations,
    label_selector,
    node_selector_term,
    tolerations_of,
)
from broker.message import pack

DEFAULT_SCHEDULER_NAME: Final = "default-scheduler"
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"
TEMPLATES_MAX: Final = 4096

#: The fields of a pod's spec that decide where it may run.
_SPEC_FIELDS: Final = (
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "overhead",
    "resources",
    "priority",
    "preemptionPolicy",
    "hostNetwork",
)
_CONTAINER_FIELDS: Final = ("image", "resources", "ports", "restartPolicy")
#: Controllers whose pods are spread over nodes and zones unless the pod says otherwise.
_SPREAD_CONTROLLERS: Final = ("ReplicaSet", "StatefulSet", "ReplicationController")

HostPort = tuple[str, str, int]
"""Address, protocol, port."""


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """One term of a pod's affinity or anti-affinity."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector
    weight: int = 0

    def matches(self, namespace: str, labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """Whether a pod of that namespace and with those labels is meant."""
        if namespace in self.namespaces or self.namespace_selector.matches(namespace_labels):
            return self.selector.matches(labels)
        return False


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """One topology spread constraint."""

    topology_key: str
    selector: LabelSelector
    max_skew: int
    hard: bool
    min_domains: int = 1
    honor_affinity: bool = True
    """Nodes that the pod's node affinity excludes don't count (nodeAffinityPolicy, Honor by default)."""
    honor_taints: bool = False
    """Nodes whose taints the pod doesn't tolerate don't count (nodeTaintsPolicy, Ignore by default)."""


@dataclass(eq=False, slots=True)
class PodTemplate:
    """What all pods of one template have in common."""

    signature: bytes
    """Equal for equal templates, also when they were computed at different times."""
    namespace: str
    labels: Mapping[str, str]
    owner_uid: str
    """Uid of the controller whose pods are to be spread by default; empty when there is none."""
    priority: int
    may_preempt: bool
    requests: Resource
    nonzero: Resource
    images: tuple[str, ...]
    host_ports: tuple[HostPort, ...]
    tolerations: Tolerations
    node_selector: tuple[tuple[str, str], ...]
    required_terms: tuple[NodeSelectorTerm, ...] | None
    """Alternatives of the required node affinity; None when there is none."""
    preferred_terms: tuple[tuple[int, NodeSelectorTerm], ...]
    affinity: tuple[AffinityTerm, ...]
    anti_affinity: tuple[AffinityTerm, ...]
    preferred_affinity: tuple[AffinityTerm, ...]
    """With their weights, negative for anti-affinity."""
    spread: tuple[SpreadConstraint, ...]
    has_spread_constraints: bool
    """Whether the pod brings constraints of its own, which replace the default ones."""

    @property
    def has_pod_affinity(self) -> bool:
        return bool(self.affinity or self.anti_affinity or self.preferred_affinity)


@dataclass(eq=False, slots=True)
class PodInfo:
    """A pod as the scheduler sees it."""

    pod: Object
    key: Key
    uid: str
    template: PodTemplate
    terminating: bool

    @property
    def priority(self) -> int:
        return self.template.priority

    @property
    def start_s(self) -> float:
        """When the pod started, for choosing whom to preempt; a pod that has not started is the youngest."""
        started = self.pod.get("status", {}).get("startTime")
        return parse_time(started) if started else float("inf")


class PodInfos:
    """Makes `PodInfo` of pods, sharing templates."""

    def __init__(self) -> None:
        self._templates: dict[bytes, PodTemplate] = {}

    def of(self, pod: Object) -> PodInfo:
        """The pod's info."""
        metadata = pod["metadata"]
        signature = _signature(pod)
        template = self._templates.get(signature)
        if template is None:
            if len(self._templates) >= TEMPLATES_MAX:
                del self._templates[next(iter(self._templates))]
            template = self._templates[signature] = pod_template(pod, signature)
        return PodInfo(pod, key_of(pod), uid_of(pod), template, bool(metadata.get("deletionTimestamp")))


def node_name_of(pod: Object) -> str:
    """The node the pod is bound to; empty when it isn't."""
    name: str = pod["spec"].get("nodeName") or ""
    return name


def is_terminal(pod: Object) -> bool:
    """Whether the pod has ended and holds no resources any more."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def needs_scheduling(pod: Object) -> bool:
    """Whether this scheduler has to find a node for the pod."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and (spec.get("schedulerName") or DEFAULT_SCHEDULER_NAME) == DEFAULT_SCHEDULER_NAME
        and not pod["metadata"].get("deletionTimestamp")
        and not is_terminal(pod)
    )


def is_bindable(pod: Object) -> bool:
    """Whether the API server would take a binding of the pod. Once it would not, it never will again."""
    return needs_scheduling(pod) and not pod["spec"].get("schedulingGates")


def _signature(pod: Object) -> bytes:
    metadata, spec = pod["metadata"], pod["spec"]
    owner = controller_of(pod)
    return pack(
        [
            metadata.get("namespace"),
            metadata.get("labels"),
            owner["uid"] if owner else "",
            [spec.get(name) for name in _SPEC_FIELDS],
            [[c.get(name) for name in _CONTAINER_FIELDS] for c in spec.get("containers") or ()],
            [[c.get(name) for name in _CONTAINER_FIELDS] for c in spec.get("initContainers") or ()],
        ]
    )


def pod_template(pod: Object, signature: bytes) -> PodTemplate:
    """Compute everything that follows from the pod's namespace, labels, controller and spec."""
    spec = pod["spec"]
    namespace = pod["metadata"].get("namespace", "")
    labels = labels_of(pod)
    owner = controller_of(pod)
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    preferred = node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return PodTemplate(
        signature=signature,
        namespace=namespace,
        labels=labels,
        owner_uid=owner["uid"] if owner and owner["kind"] in _SPREAD_CONTROLLERS else "",
        priority=spec.get("priority") or 0,
        may_preempt=spec.get("preemptionPolicy") != "Never",
        requests=pod_requests(spec),
        nonzero=nonzero_requests(spec),
        images=tuple(_image_name(c.get("image") or "") for c in containers),
        host_ports=_host_ports(spec),
        tolerations=tolerations_of(pod),
        node_selector=tuple((spec.get("nodeSelector") or {}).items()),
        required_terms=None
        if required is None
        else tuple(node_selector_term(t) for t in required.get("nodeSelectorTerms") or ()),
        preferred_terms=tuple((t["weight"], node_selector_term(t["preference"])) for t in preferred),
        **_pod_affinity(spec, namespace, labels),
        spread=tuple(_spread_constraint(c, labels) for c in spec.get("topologySpreadConstraints") or ()),
        has_spread_constraints=bool(spec.get("topologySpreadConstraints")),
    )


def _image_name(image: str) -> str:
    """The name as runtimes report it: with a tag."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"


def _host_ports(spec: Mapping[str, Any]) -> tuple[HostPort, ...]:
    """Ports of the host that the containers and sidecars bind."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return tuple(
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])  # noqa: S104
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _pod_affinity(spec: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
    affinity = spec.get("affinity") or {}
    together = affinity.get("podAffinity") or {}
    apart = affinity.get("podAntiAffinity") or {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"

    def weighted(rules: Mapping[str, Any], sign: int) -> list[AffinityTerm]:
        return [
            _affinity_term(rule["podAffinityTerm"], namespace, labels, sign * rule["weight"])
            for rule in rules.get(preferred) or ()
        ]

    return {
        "affinity": tuple(_affinity_term(t, namespace, labels) for t in together.get(required) or ()),
        "anti_affinity": tuple(_affinity_term(t, namespace, labels) for t in apart.get(required) or ()),
        "preferred_affinity": (*weighted(together, 1), *weighted(apart, -1)),
    }


def _affinity_term(term: Mapping[str, Any], namespace: str, labels: Mapping[str, str], weight: int = 0) -> AffinityTerm:
    namespaces = term.get("namespaces") or ()
    namespace_selector = term.get("namespaceSelector")
    if not namespaces and namespace_selector is None:
        namespaces = (namespace,)
    selector = label_selector(term.get("labelSelector"))
    narrowing = [
        *_own_values(term.get("matchLabelKeys") or (), labels, "In"),
        *_own_values(term.get("mismatchLabelKeys") or (), labels, "NotIn"),
    ]
    return AffinityTerm(
        term["topologyKey"],
        selector.narrowed(narrowing) if narrowing else selector,
        frozenset(namespaces),
        label_selector(namespace_selector),
        weight,
    )


def _own_values(keys: Any, labels: Mapping[str, str], operator: str) -> list[Requirement]:
    """Requirements on the pod's own values of some label keys; keys it doesn't have are ignored."""
    return [(key, operator, (labels[key],)) for key in keys if key in labels]


def _spread_constraint(constraint: Mapping[str, Any], labels: Mapping[str, str]) -> SpreadConstraint:
    selector = label_selector(constraint.get("labelSelector"))
    narrowing = _own_values(constraint.get("matchLabelKeys") or (), labels, "In")
    return SpreadConstraint(
        topology_key=constraint["topologyKey"],
        selector=selector.narrowed(narrowing) if narrowing else selector,
        max_skew=constraint["maxSkew"],
        hard=constraint.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule",
        min_domains=constraint.get("minDomains") or 1,
        honor_affinity=constraint.get("nodeAffinityPolicy", "Honor") == "Honor",
        honor_taints=constraint.get("nodeTaintsPolicy", "Ignore") == "Honor",
    )
