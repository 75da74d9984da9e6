"""Tables of services and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import (
    Cell,
    age_of,
    format_labels,
    format_selector,
    items_of,
    joined,
    name_of,
    of,
    or_none,
    table,
)

#: Addresses that fit into a cell; the rest is counted.
_SHOWN_MAX = 3


def _external_ips(service: Object) -> str:
    spec = service.get("spec") or {}
    external = list(spec.get("externalIPs") or ())
    kind = spec.get("type", "ClusterIP")
    if kind == "ExternalName":
        return or_none(spec.get("externalName"))
    if kind == "LoadBalancer":
        balancers = items_of(service, "status", "loadBalancer", "ingress")
        addresses = [balancer.get("ip") or balancer.get("hostname") or "" for balancer in balancers]
        return ",".join([*addresses, *external]) or "<pending>"
    return joined(external)


def _service_port(port: Mapping[str, Any]) -> str:
    protocol = port.get("protocol", "TCP")
    if port.get("nodePort"):
        return f"{port['port']}:{port['nodePort']}/{protocol}"
    return f"{port['port']}/{protocol}"


def _service(obj: Object, now_s: float) -> Sequence[Cell]:
    addresses = items_of(obj, "spec", "clusterIPs")
    return (
        name_of(obj),
        of(obj, "spec", "type") or "ClusterIP",
        or_none(addresses[0] if addresses else of(obj, "spec", "clusterIP")),
        _external_ips(obj),
        joined([_service_port(port) for port in items_of(obj, "spec", "ports")]),
        age_of(obj, now_s),
        format_labels(of(obj, "spec", "selector")),
    )


def format_endpoints(endpoints: Object, port_name: str | None = None) -> str:
    """Addresses of an Endpoints object, three at most: ``10.0.0.1:80,10.0.0.2:80 + 2 more...``."""
    shown: list[str] = []
    total = 0
    for subset in endpoints.get("subsets") or ():
        addresses = subset.get("addresses") or ()
        ports = [p for p in subset.get("ports") or () if port_name is None or p.get("name", "") == port_name]
        hosts = [_host_port(a.get("ip", ""), p.get("port", 0)) for p in ports for a in addresses]
        if not subset.get("ports"):
            hosts = [a.get("ip", "") for a in addresses]
        total += len(hosts)
        shown.extend(hosts)
    if not shown:
        return "<none>"
    return ",".join(shown[:_SHOWN_MAX]) + (f" + {total - _SHOWN_MAX} more..." if total > _SHOWN_MAX else "")


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _endpoints(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), format_endpoints(obj), age_of(obj, now_s))


def _endpoint_slice(obj: Object, now_s: float) -> Sequence[Cell]:
    ports = ["*" if port.get("port") is None else str(port["port"]) for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return (
        name_of(obj),
        obj.get("addressType", ""),
        _first_few(ports),
        _first_few(addresses),
        age_of(obj, now_s),
    )


def _first_few(items: Sequence[str]) -> str:
    if not items:
        return "<unset>"
    more = f" + {len(items) - _SHOWN_MAX} more..." if len(items) > _SHOWN_MAX else ""
    return ",".join(items[:_SHOWN_MAX]) + more


def _ingress(obj: Object, now_s: float) -> Sequence[Cell]:
    hosts = [rule["host"] for rule in items_of(obj, "spec", "rules") if rule.get("host")]
    more = f" + {len(hosts) - _SHOWN_MAX} more..." if len(hosts) > _SHOWN_MAX else ""
    balancers = items_of(obj, "status", "loadBalancer", "ingress")
    return (
        name_of(obj),
        or_none(of(obj, "spec", "ingressClassName")),
        (",".join(hosts[:_SHOWN_MAX]) + more) or "*",
        ",".join(balancer.get("ip") or balancer.get("hostname") or "" for balancer in balancers),
        "80, 443" if items_of(obj, "spec", "tls") else "80",
        age_of(obj, now_s),
    )


def _ingress_class(obj: Object, now_s: float) -> Sequence[Cell]:
    parameters = of(obj, "spec", "parameters")
    shown = "<none>"
    if parameters:
        group = parameters.get("apiGroup")
        kind = f"{parameters['kind']}.{group}" if group else parameters["kind"]
        shown = f"{kind}/{parameters['name']}"
    return (name_of(obj), of(obj, "spec", "controller") or "", shown, age_of(obj, now_s))


def _network_policy(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), format_selector(of(obj, "spec", "podSelector")), age_of(obj, now_s))


def _ip_address(obj: Object, _now_s: float) -> Sequence[Cell]:
    parent = of(obj, "spec", "parentRef") or {}
    group = parent.get("group")
    resource = parent.get("resource", "")
    shown = f"{resource}.{group}" if group else resource
    path = "/".join(part for part in (shown, parent.get("namespace"), parent.get("name")) if part)
    return (name_of(obj), path)


def _service_cidr(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), ",".join(items_of(obj, "spec", "cidrs")), age_of(obj, now_s))


TABLES = {
    "v1/services": table("Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector*", _service),
    "v1/endpoints": table("Name|Endpoints|Age", _endpoints),
    "discovery.k8s.io/v1/endpointslices": table("Name|AddressType|Ports|Endpoints|Age", _endpoint_slice),
    "networking.k8s.io/v1/ingresses": table("Name|Class|Hosts|Address|Ports|Age", _ingress),
    "networking.k8s.io/v1/ingressclasses": table("Name|Controller|Parameters|Age", _ingress_class),
    "networking.k8s.io/v1/networkpolicies": table("Name|Pod-Selector|Age", _network_policy),
    "networking.k8s.io/v1/ipaddresses": table("Name|ParentRef", _ip_address),
    "networking.k8s.io/v1/servicecidrs": table("Name|CIDRs|Age", _service_cidr),
}
