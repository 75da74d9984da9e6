"""Admission that needs to see other objects: pod priority and a Service's cluster IP.

What needs the object alone is in `actors.apimachinery.defaults`. LimitRange and ResourceQuota are not enforced yet.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.status import FieldError, forbidden, invalid
from actors.apiserver.storage_key import path_of
from actors.apiserver.watch_cache import WatchCache

SERVICES: Final = "services"
PRIORITY_CLASSES: Final = "scheduling.k8s.io/priorityclasses"

#: Cluster IPs come from here; the first address is the API server's own Service.
SERVICE_NETWORK: Final = ipaddress.IPv4Network("10.96.0.0/16")
KUBERNETES_SERVICE_IP: Final = "10.96.0.1"

#: The priority classes every cluster has.
SYSTEM_PRIORITY_CLASSES: Final = (
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)
_SYSTEM_PRIORITIES: Final = {name: value for name, value, _ in SYSTEM_PRIORITY_CLASSES}


def admit_pod_priority(pod: Object, cache: WatchCache) -> None:
    """Give a new pod the priority its class stands for. Raises `ApiError` (403) for an unknown class.

    The Priority admission plugin: without a class the global default's, or 0; a priority that contradicts the class is
    refused.
    """
    spec = pod.setdefault("spec", {})
    classes = cache.collection(PRIORITY_CLASSES).entries
    name = spec.get("priorityClassName") or ""
    if not name:
        default = _global_default(entry.object for entry in classes.values()) if classes else None
        if default is not None:
            name = spec["priorityClassName"] = default["metadata"]["name"]
    priority, preemption = 0, "PreemptLowerPriority"
    if name:
        entry = classes.get(name)
        if entry is not None:
            priority = entry.object.get("value", 0)
            preemption = entry.object.get("preemptionPolicy") or preemption
        elif name in _SYSTEM_PRIORITIES:
            priority = _SYSTEM_PRIORITIES[name]
        else:
            raise forbidden("pods", "", pod["metadata"].get("name", ""), f"no PriorityClass with name {name} was found")
    stated = spec.get("priority")
    if stated is not None and stated != priority:
        why = (
            f"the integer value of priority ({stated}) must not be provided in pod spec; priority admission controller"
        )
        why += f" computed {priority} from the given PriorityClass name"
        raise forbidden("pods", "", pod["metadata"].get("name", ""), why)
    spec["priority"] = priority
    spec.setdefault("preemptionPolicy", preemption)


def _global_default(classes: Iterable[Object]) -> Object | None:
    """The class that is the default; the one of lowest value when there are several."""
    defaults = [item for item in classes if item.get("globalDefault")]
    return min(defaults, key=lambda item: (item.get("value", 0), item["metadata"]["name"]), default=None)


def allocate_cluster_ip(service: Object, cache: WatchCache, taken: Callable[[str], bool]) -> None:
    """Give a Service its cluster IP, if its type has one. Raises `ApiError` (422) for an address that can't be had.

    The address follows from the Service's name, probing on from there, so that equal histories give equal addresses.
    `taken` knows of addresses promised to Services that are still being written. This is a choice by what is known
    here; whether the address is free is decided in the store (`actors.apiserver.service_addresses`).
    """
    spec = service.setdefault("spec", {})
    if spec.get("type") == "ExternalName":
        return
    metadata = service["metadata"]
    own = path_of(metadata.get("namespace", ""), metadata.get("name", ""))
    used = {
        entry.object.get("spec", {}).get("clusterIP"): path
        for path, entry in cache.collection(SERVICES).entries.items()
        if path != own  # a repeat of its own creation is no collision
    }
    stated = spec.get("clusterIP") or ""
    if stated == "None":
        spec["clusterIPs"] = ["None"]
    elif stated:
        _check_stated(service, stated, stated in used)
        spec["clusterIPs"] = [stated]
    else:
        start = int.from_bytes(hashlib.blake2b(own.encode(), digest_size=8).digest())
        address = _probe(start, lambda ip: ip in used or taken(ip))
        spec["clusterIP"], spec["clusterIPs"] = address, [address]
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("internalTrafficPolicy", "Cluster")


def _probe(start: int, in_use: Callable[[str], bool]) -> str:
    usable = SERVICE_NETWORK.num_addresses - 2
    for step in range(usable):
        address = str(SERVICE_NETWORK[1 + (start + step) % usable])
        if address != KUBERNETES_SERVICE_IP and not in_use(address):
            return address
    raise invalid("Service", "", "", [FieldError("InternalError", "spec.clusterIPs", "range is full")])


def _check_stated(service: Object, stated: str, in_use: bool) -> None:
    why = ""
    try:
        if ipaddress.ip_address(stated) not in SERVICE_NETWORK:
            why = f"failed to allocate IP {stated}: the provided IP ({stated}) is not in the valid range. "
            why += f"The range of valid IPs is {SERVICE_NETWORK}"
    except ValueError:
        why = f"failed to allocate IP {stated}: not a valid IP address"
    if not why and in_use:
        why = f"failed to allocate IP {stated}: provided IP is already allocated"
    if why:
        error = FieldError("FieldValueInvalid", "spec.clusterIPs", why, [stated])
        raise invalid("Service", "", service["metadata"].get("name", ""), [error])


def keep_cluster_ip(service: Object, old: Object) -> None:
    """An update that leaves the address out keeps it."""
    spec: dict[str, Any] = service.get("spec") or {}
    before = old.get("spec") or {}
    if spec.get("type") == "ExternalName" or before.get("type") == "ExternalName":
        return
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
        if not spec.get(name) and before.get(name):
            spec[name] = before[name]
