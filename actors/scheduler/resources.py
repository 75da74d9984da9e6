"""What pods request and what nodes have to give, as whole numbers: cpu in thousandths, everything else in units.

The request of a pod follows ``k8s.io/component-helpers/resource``: its containers run together, so their requests add
up; an init container runs before them and beside the sidecars (init containers with restartPolicy Always) started
before it; the pod needs the larger of both. Requests made for the pod as a whole replace those of its containers. The
runtime's overhead comes on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from actors.apimachinery.quantity import milli_value, whole_value

#: What a container without a request counts for in scores, so that such pods are spread too.
DEFAULT_MILLI_CPU: Final = 100
DEFAULT_MEMORY_BYTES: Final = 200 * 1024 * 1024

_Amounts = dict[str, int]
_NATIVE: Final = ("cpu", "memory", "ephemeral-storage", "pods")
_POD_LEVEL: Final = ("cpu", "memory")


@dataclass(slots=True)
class Resource:
    """An amount of each resource."""

    milli_cpu: int = 0
    memory: int = 0
    ephemeral_storage: int = 0
    pods: int = 0
    """How many pods may run; only of a node's allocatable."""
    scalars: dict[str, int] = field(default_factory=dict)
    """Extended resources and huge pages."""

    def add(self, other: Resource, sign: int = 1) -> None:
        """Add another amount, or take it away with sign -1."""
        self.milli_cpu += sign * other.milli_cpu
        self.memory += sign * other.memory
        self.ephemeral_storage += sign * other.ephemeral_storage
        for name, amount in other.scalars.items():
            self.scalars[name] = self.scalars.get(name, 0) + sign * amount

    def is_zero(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.milli_cpu or self.memory or self.ephemeral_storage or any(self.scalars.values()))


def resource_of(amounts: Mapping[str, int]) -> Resource:
    """A Resource from amounts by name, cpu in thousandths."""
    return Resource(
        amounts.get("cpu", 0),
        amounts.get("memory", 0),
        amounts.get("ephemeral-storage", 0),
        amounts.get("pods", 0),
        {name: amount for name, amount in amounts.items() if name not in _NATIVE},
    )


def amounts_of(quantities: Mapping[str, Any] | None) -> _Amounts:
    """A resource list of the API as numbers."""
    return {
        name: milli_value(quantity) if name == "cpu" else whole_value(quantity)
        for name, quantity in (quantities or {}).items()
    }


def allocatable_of(node: Mapping[str, Any]) -> Resource:
    """What a node has to give to pods: allocatable, or capacity when the kubelet has not said."""
    status = node.get("status", {})
    return resource_of(amounts_of(status.get("allocatable") or status.get("capacity")))


def pod_requests(spec: Mapping[str, Any], defaults: Mapping[str, int] | None = None) -> Resource:
    """What a pod requests; `defaults` stand in where a container names no request for a resource."""
    total: _Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _container_request(container, defaults))
    init_max: _Amounts = {}
    sidecars: _Amounts = {}
    for container in spec.get("initContainers") or ():
        request = _container_request(container, defaults)
        if container.get("restartPolicy") == "Always":
            _add(total, request)
            _add(sidecars, request)
            _raise_to(init_max, sidecars)
        else:
            _add(request, sidecars)
            _raise_to(init_max, request)
    _raise_to(total, init_max)
    pod_level = amounts_of((spec.get("resources") or {}).get("requests"))
    for name, amount in pod_level.items():
        if name in _POD_LEVEL or name.startswith("hugepages-"):
            total[name] = amount
    _add(total, amounts_of(spec.get("overhead")))
    return resource_of(total)


def nonzero_requests(spec: Mapping[str, Any]) -> Resource:
    """What a pod counts for in scores: as if each container requested a little at least."""
    return pod_requests(spec, {"cpu": DEFAULT_MILLI_CPU, "memory": DEFAULT_MEMORY_BYTES})


def _container_request(container: Mapping[str, Any], defaults: Mapping[str, int] | None) -> _Amounts:
    request = amounts_of((container.get("resources") or {}).get("requests"))
    for name, amount in (defaults or {}).items():
        request.setdefault(name, amount)
    return request


def _add(total: _Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: _Amounts, least: Mapping[str, int]) -> None:
    for name, amount in least.items():
        if total.get(name, 0) < amount:
            total[name] = amount
