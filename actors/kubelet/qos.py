"""A pod's quality-of-service class. Pure."""

from __future__ import annotations

from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import parse_quantity


def qos_class(spec: Object) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort``, by cpu and memory of all containers."""
    guaranteed, mentioned = True, False
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        requests = {**limits, **(resources.get("requests") or {})}
        for name in ("cpu", "memory"):
            request = parse_quantity(requests.get(name, "0"))
            limit = parse_quantity(limits.get(name, "0"))
            mentioned = mentioned or request > 0 or limit > 0
            guaranteed = guaranteed and limit > 0 and request == limit
    if not mentioned:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
