"""NodeResourcesFit, with its least-allocated score, and NodeResourcesBalancedAllocation."""

from __future__ import annotations

from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import MAX_NODE_SCORE, Rejection
from actors.scheduler.pod_info import PodTemplate
from actors.scheduler.resources import Resource

NAME: Final = "NodeResourcesFit"
BALANCED_NAME: Final = "NodeResourcesBalancedAllocation"


def rejects(template: PodTemplate, node: NodeInfo) -> Rejection | None:
    """The filter: every resource has to suffice; all that don't are named."""
    wanted, free = template.requests, node.allocatable
    if (
        len(node.pods) < free.pods
        and not wanted.scalars
        and wanted.milli_cpu <= free.milli_cpu - node.requested.milli_cpu
        and wanted.memory <= free.memory - node.requested.memory
        and wanted.ephemeral_storage <= free.ephemeral_storage - node.requested.ephemeral_storage
    ):
        return None
    return _insufficient(wanted, node)


def _insufficient(wanted: Resource, node: NodeInfo) -> Rejection | None:
    reasons: list[str] = []
    resolvable = True
    if len(node.pods) + 1 > node.allocatable.pods:
        reasons.append("Too many pods")
    for name, amount, total, used in _rows(wanted, node):
        if amount > 0 and amount > total - used:
            reasons.append(f"Insufficient {name}")
            resolvable = resolvable and amount <= total
    return Rejection(NAME, tuple(reasons), resolvable) if reasons else None


def _rows(wanted: Resource, node: NodeInfo) -> list[tuple[str, int, int, int]]:
    """Name, wanted, allocatable and requested amount of each resource the pod may want."""
    total, used = node.allocatable, node.requested
    rows = [
        ("cpu", wanted.milli_cpu, total.milli_cpu, used.milli_cpu),
        ("memory", wanted.memory, total.memory, used.memory),
        ("ephemeral-storage", wanted.ephemeral_storage, total.ephemeral_storage, used.ephemeral_storage),
    ]
    rows += [
        (name, amount, total.scalars.get(name, 0), used.scalars.get(name, 0)) for name, amount in wanted.scalars.items()
    ]
    return rows


def fits_empty(template: PodTemplate, allocatable: Resource) -> bool:
    """Whether a node that offers this much could take the pod if nothing else ran there."""
    wanted = template.requests
    return (
        allocatable.pods > 0
        and wanted.milli_cpu <= allocatable.milli_cpu
        and wanted.memory <= allocatable.memory
        and wanted.ephemeral_storage <= allocatable.ephemeral_storage
        and all(amount <= allocatable.scalars.get(name, 0) for name, amount in wanted.scalars.items())
    )


def least_allocated(template: PodTemplate, node: NodeInfo) -> int:
    """The mean share of cpu and memory that stays free, 0 to 100; requests that are missing count as small ones."""
    total, used, wanted = node.allocatable, node.nonzero, template.nonzero
    shares = [
        _free_share(capacity, taken)
        for capacity, taken in (
            (total.milli_cpu, used.milli_cpu + wanted.milli_cpu),
            (total.memory, used.memory + wanted.memory),
        )
        if capacity
    ]
    return sum(shares) // len(shares) if shares else 0


def _free_share(capacity: int, taken: int) -> int:
    return (capacity - taken) * MAX_NODE_SCORE // capacity if taken <= capacity else 0


def balanced_allocation(template: PodTemplate, node: NodeInfo) -> int:
    """How alike the used shares of cpu and memory would be, 0 to 100; pods that request neither are not scored."""
    total, used, wanted = node.allocatable, node.requested, template.requests
    if not wanted.milli_cpu and not wanted.memory:
        return 0
    deviation = 0.0
    if total.milli_cpu and total.memory:
        cpu = min(1.0, (used.milli_cpu + wanted.milli_cpu) / total.milli_cpu)
        memory = min(1.0, (used.memory + wanted.memory) / total.memory)
        deviation = abs(cpu - memory) / 2
    return int((1 - deviation) * MAX_NODE_SCORE)
