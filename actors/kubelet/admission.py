"""Whether a node takes a pod that was bound to it (kubelet's `lifecycle/predicate.go`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import milli_value, whole_value


class Rejection(NamedTuple):
    """Why a pod was not admitted."""

    reason: str
    message: str


Amounts = dict[str, int]
"""By resource: cpu in thousandths, all others in units."""


def pod_requests(spec: Object) -> Amounts:
    """What a pod takes of a node: its containers' sum with sidecars, or the largest init container, and overhead."""
    steady: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(steady, own)
            _raise(peak, steady)
        else:
            _raise(peak, {name: steady.get(name, 0) + own.get(name, 0) for name in {**steady, **own}})
    for container in spec["containers"]:
        _add(steady, _requests(container))
    _raise(peak, steady)
    overhead = spec.get("overhead")
    if overhead:
        _add(peak, {name: _amount(name, value) for name, value in overhead.items()})
    return peak


def _requests(container: Mapping[str, Any]) -> Amounts:
    resources = container.get("resources")
    if not resources:
        return {}
    requests = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: _amount(name, value) for name, value in requests.items()}


def _amount(name: str, value: Any) -> int:
    return milli_value(value) if name == "cpu" else whole_value(value)


def _add(total: Amounts, other: Mapping[str, int]) -> None:
    for name, amount in other.items():
        total[name] = total.get(name, 0) + amount


def _raise(total: Amounts, other: Mapping[str, int]) -> None:
    for name, amount in other.items():
        total[name] = max(total.get(name, 0), amount)


def host_ports(spec: Object) -> list[tuple[str, str, int]]:
    """Ports of the node that the pod wants: address, protocol, number."""
    return [
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"])  # noqa: S104 - any address
        for container in [*(spec.get("initContainers") or ()), *spec["containers"]]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def admit(
    pod: Object,
    node: Object | None,
    allocatable: Mapping[str, int],
    used: Mapping[str, int],
    pods: int,
    ports: Iterable[tuple[str, str, int]],
) -> Rejection | None:
    """None when the pod is taken. `used`, `pods` and `ports`: of the pods that are on the node already."""
    spec = pod["spec"]
    if pods + 1 > allocatable["pods"]:
        return _insufficient("pods", 1, pods, allocatable["pods"])
    for name, wanted in pod_requests(spec).items():
        has = allocatable.get(name, 0)
        if wanted > 0 and used.get(name, 0) + wanted > has:
            return _insufficient(name, wanted, used.get(name, 0), has)
    labels = (node["metadata"].get("labels") or {}) if node is not None else None
    if labels is not None and not matches_node(spec, labels, spec.get("nodeName", "")):
        return Rejection(
            "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
        )
    taken = list(ports)
    if any(_conflict(port, other) for port in host_ports(spec) for other in taken):
        text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
        return Rejection("NodePorts", text)
    return None


def _insufficient(name: str, wanted: int, used: int, has: int) -> Rejection:
    text = f"Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {has}"
    return Rejection(f"OutOf{name}", text)


def _conflict(left: tuple[str, str, int], right: tuple[str, str, int]) -> bool:
    anywhere = "0.0.0.0"  # noqa: S104 - the address that stands for all
    same_address = left[0] == right[0] or anywhere in (left[0], right[0])
    return same_address and left[1:] == right[1:]


def matches_node(spec: Object, labels: Mapping[str, str], name: str) -> bool:
    """Whether node selector and required node affinity are met."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term_matches(term, labels, name) for term in required.get("nodeSelectorTerms") or ())


def _term_matches(term: Mapping[str, Any], labels: Mapping[str, str], name: str) -> bool:
    expressions = term.get("matchExpressions") or ()
    fields = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_matches(e, labels) for e in expressions) and all(_matches(f, {"metadata.name": name}) for f in fields)


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    operator, values = expression["operator"], expression.get("values") or []
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    try:
        have, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return have > bound if operator == "Gt" else have < bound
