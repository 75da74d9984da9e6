"""Describing nodes: conditions, capacity, and what runs there."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import add_quantities, parse_quantity
from actors.apimachinery.status import ApiError
from actors.apimachinery.tables.cluster import node_roles
from actors.apimachinery.tables.definition import age_of, items_of, of
from actors.kubectl.description import Description, full_time
from actors.kubectl.session import Kubectl

_SYSTEM_INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
Totals = dict[str, str]


async def describe_node(kubectl: Kubectl, node: Object) -> Description:
    """All but the events."""
    out = Description()
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    out.line(0, f"Name:\t{metadata['name']}")
    out.line(0, f"Roles:\t{','.join(node_roles(node)) or '<none>'}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))
    out.line(0, f"CreationTimestamp:\t{full_time(metadata.get('creationTimestamp'))}")
    out.several("Taints", taints_text(spec.get("taints")))
    out.line(0, f"Unschedulable:\t{'true' if spec.get('unschedulable') else 'false'}")
    await _describe_lease(kubectl, out, metadata["name"])
    _describe_conditions(out, status)
    if status.get("addresses"):
        out.line(0, "Addresses:")
        for address in status["addresses"]:
            out.line(1, f"{address.get('type')}:\t{address.get('address')}")
    for title, field in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        amounts = status.get(field)
        if amounts:
            out.line(0, f"{title}:")
            for name in sorted(amounts):
                out.line(1, f"{name}:\t{amounts[name]}")
    out.line(0, "System Info:")
    info = status.get("nodeInfo") or {}
    for title, field in _SYSTEM_INFO:
        out.line(1, f"{title}:\t{info.get(field, '')}")
    if spec.get("podCIDR"):
        out.line(0, f"PodCIDR:\t{spec['podCIDR']}")
    if spec.get("podCIDRs"):
        out.line(0, f"PodCIDRs:\t{','.join(spec['podCIDRs'])}")
    if spec.get("providerID"):
        out.line(0, f"ProviderID:\t{spec['providerID']}")
    await _describe_pods(kubectl, out, node)
    return out


def taints_text(taints: Sequence[Object] | None) -> list[str]:
    """Taints, one a line: ``key=value:NoSchedule``."""
    shown = []
    for taint in taints or ():
        value = f"={taint['value']}" if taint.get("value") else ""
        shown.append(f"{taint['key']}{value}:{taint['effect']}")
    return sorted(shown)


async def _describe_lease(kubectl: Kubectl, out: Description, name: str) -> None:
    try:
        lease = await kubectl.client.get("coordination.k8s.io/v1/leases", name, "kube-node-lease")
    except ApiError as error:
        if error.code == 404:
            out.line(0, f"Lease:\tFailed to get lease: {error.message}")
            return
        raise
    spec = lease.get("spec") or {}
    out.line(0, "Lease:")
    out.line(1, f"HolderIdentity:\t{spec.get('holderIdentity') or '<unset>'}")
    out.line(1, f"AcquireTime:\t{full_time(spec.get('acquireTime'))}")
    out.line(1, f"RenewTime:\t{full_time(spec.get('renewTime'))}")


def _describe_conditions(out: Description, status: Object) -> None:
    conditions = status.get("conditions")
    if not conditions:
        return
    out.line(0, "Conditions:")
    out.line(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage")
    out.line(1, "----\t------\t-----------------\t------------------\t------\t-------")
    for condition in conditions:
        times = [full_time(condition.get(field)) for field in ("lastHeartbeatTime", "lastTransitionTime")]
        out.line(
            1,
            f"{condition.get('type')} \t{condition.get('status')} \t{times[0]} \t{times[1]} "
            f"\t{condition.get('reason', '')} \t{condition.get('message', '')}",
        )


def pod_totals(pod: Object, field: str) -> Totals:
    """What a pod's containers request, or are limited to, in sum; init containers count where they need more."""
    totals: Totals = {}
    for container in items_of(pod, "spec", "containers"):
        _add(totals, of(container, "resources", field) or {})
    sidecars: Totals = {}
    for container in items_of(pod, "spec", "initContainers"):
        amounts = of(container, "resources", field) or {}
        if container.get("restartPolicy") == "Always":
            _add(totals, amounts)
            _add(sidecars, amounts)
            continue
        for name, amount in amounts.items():
            peak = add_quantities(amount, sidecars.get(name, "0"))
            if parse_quantity(peak) > parse_quantity(totals.get(name, "0")):
                totals[name] = peak
    _add(totals, of(pod, "spec", "overhead") or {})
    return totals


def _add(totals: Totals, amounts: Totals) -> None:
    for name, amount in amounts.items():
        totals[name] = add_quantities(totals.get(name, "0"), amount)


def _share(amount: str, of_amount: str | None) -> str:
    whole = parse_quantity(of_amount or "0")
    percent = int(Fraction(parse_quantity(amount)) * 100 / whole) if whole else 0
    return f"{amount} ({percent}%)"


async def _describe_pods(kubectl: Kubectl, out: Description, node: Object) -> None:
    selector = f"spec.nodeName={node['metadata']['name']},status.phase!=Failed,status.phase!=Succeeded"
    pods = (await kubectl.client.list("v1/pods", field_selector=selector)).items
    allocatable = of(node, "status", "allocatable") or of(node, "status", "capacity") or {}
    out.line(0, f"Non-terminated Pods:\t({len(pods)} in total)")
    out.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge")
    out.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---")
    requests: Totals = {}
    limits: Totals = {}
    now_s = kubectl.now_s()
    for pod in pods:
        own_requests, own_limits = pod_totals(pod, "requests"), pod_totals(pod, "limits")
        _add(requests, own_requests)
        _add(limits, own_limits)
        shares = [
            _share(amounts.get(name, "0"), allocatable.get(name))
            for name in ("cpu", "memory")
            for amounts in (own_requests, own_limits)
        ]
        metadata = pod["metadata"]
        out.line(1, f"{metadata['namespace']}\t{metadata['name']}\t\t" + "\t".join([*shares, age_of(pod, now_s)]))
    out.line(0, "Allocated resources:")
    out.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)")
    out.line(1, "Resource\tRequests\tLimits")
    out.line(1, "--------\t--------\t------")
    extended = sorted(name for name in allocatable if "/" in name or name.startswith("hugepages-"))
    for name in ("cpu", "memory", "ephemeral-storage", *extended):
        shown = [_share(amounts.get(name, "0"), allocatable.get(name)) for amounts in (requests, limits)]
        out.line(1, f"{name}\t{shown[0]}\t{shown[1]}")
