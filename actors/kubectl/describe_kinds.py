"""Describing services, namespaces, config maps, secrets, and any other kind by its fields."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import items_of, of
from actors.kubectl.description import Description
from actors.kubectl.session import Kubectl

#: Endpoints that are shown of a service's port; the rest is counted.
SHOWN_MAX = 3
#: Words that keep their capitals in a label made from a field's name.
_INITIALISMS = ("IP", "CIDR", "API", "URL", "UID", "OSB", "GUID")


def describe_head(out: Description, obj: Object) -> None:
    """Name, namespace, labels and annotations."""
    metadata = obj["metadata"]
    out.line(0, f"Name:\t{metadata['name']}")
    if metadata.get("namespace"):
        out.line(0, f"Namespace:\t{metadata['namespace']}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))


async def describe_service(kubectl: Kubectl, service: Object) -> Description:
    """A service with its endpoints, all but the events."""
    out = Description()
    describe_head(out, service)
    spec = service.get("spec") or {}
    out.labels("Selector", spec.get("selector"))
    out.line(0, f"Type:\t{spec.get('type', 'ClusterIP')}")
    if spec.get("ipFamilyPolicy"):
        out.line(0, f"IP Family Policy:\t{spec['ipFamilyPolicy']}")
    out.line(0, f"IP Families:\t{','.join(spec.get('ipFamilies') or ()) or '<none>'}")
    out.line(0, f"IP:\t{spec.get('clusterIP', '')}")
    out.line(0, f"IPs:\t{','.join(spec.get('clusterIPs') or ()) or '<none>'}")
    if spec.get("externalIPs"):
        out.line(0, f"External IPs:\t{','.join(spec['externalIPs'])}")
    if spec.get("externalName"):
        out.line(0, f"External Name:\t{spec['externalName']}")
    balancers = items_of(service, "status", "loadBalancer", "ingress")
    if balancers:
        shown = ", ".join(each.get("ip") or each.get("hostname") or "" for each in balancers)
        out.line(0, f"LoadBalancer Ingress:\t{shown}")
    slices = await _endpoint_slices(kubectl, service)
    for port in spec.get("ports") or ():
        name, protocol = port.get("name") or "<unset>", port.get("protocol", "TCP")
        out.line(0, f"Port:\t{name}\t{port['port']}/{protocol}")
        out.line(0, f"TargetPort:\t{port.get('targetPort', port['port'])}/{protocol}")
        if port.get("nodePort"):
            out.line(0, f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
        out.line(0, f"Endpoints:\t{_endpoints(slices, port.get('name', ''))}")
    out.line(0, f"Session Affinity:\t{spec.get('sessionAffinity', 'None')}")
    if spec.get("externalTrafficPolicy"):
        out.line(0, f"External Traffic Policy:\t{spec['externalTrafficPolicy']}")
    if spec.get("internalTrafficPolicy"):
        out.line(0, f"Internal Traffic Policy:\t{spec['internalTrafficPolicy']}")
    return out


async def _endpoint_slices(kubectl: Kubectl, service: Object) -> list[Object]:
    metadata = service["metadata"]
    selector = f"kubernetes.io/service-name={metadata['name']}"
    listed = await kubectl.client.list(
        "discovery.k8s.io/v1/endpointslices", metadata.get("namespace", ""), label_selector=selector
    )
    return listed.items


def _endpoints(slices: Sequence[Object], port_name: str) -> str:
    """Ready addresses with the number of a port, three at most."""
    shown: list[str] = []
    for part in slices:
        numbers = [port.get("port") for port in part.get("ports") or () if (port.get("name") or "") == port_name]
        for endpoint in part.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                shown.extend(f"{address}:{n}" for n in numbers for address in endpoint.get("addresses") or ())
    if not shown:
        return "<none>"
    return ",".join(shown[:SHOWN_MAX]) + (f" + {len(shown) - SHOWN_MAX} more..." if len(shown) > SHOWN_MAX else "")


async def describe_ingress(_kubectl: Kubectl, ingress: Object) -> Description:
    """An ingress with its rules, all but the events."""
    out = Description()
    metadata, spec = ingress["metadata"], ingress.get("spec") or {}
    out.line(0, f"Name:\t{metadata['name']}")
    out.labels("Labels", metadata.get("labels"))
    out.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    balancers = items_of(ingress, "status", "loadBalancer", "ingress")
    out.line(0, f"Address:\t{','.join(each.get('ip') or each.get('hostname') or '' for each in balancers)}")
    out.line(0, f"Ingress Class:\t{spec.get('ingressClassName') or '<none>'}")
    backend = spec.get("defaultBackend")
    out.line(0, f"Default backend:\t{_backend(backend) if backend else '<default>'}")
    if spec.get("tls"):
        out.line(0, "TLS:")
        for tls in spec["tls"]:
            out.line(1, f"{tls.get('secretName') or 'SNI routes'} terminates {','.join(tls.get('hosts') or ())}")
    out.line(0, "Rules:\n  Host\tPath\tBackends\n  ----\t----\t--------")
    for rule in spec.get("rules") or ():
        out.line(1, f"{rule.get('host') or '*'}\t")
        for path in items_of(rule, "http", "paths"):
            out.line(1, f"\t{path.get('path', '')} \t{_backend(path['backend'])}")
    out.annotations(metadata.get("annotations"))
    return out


def _backend(backend: Object) -> str:
    service = backend.get("service")
    if not service:
        resource = backend.get("resource") or {}
        return f"APIGroup: {resource.get('apiGroup')}, Kind: {resource.get('kind')}, Name: {resource.get('name')}"
    port = service.get("port") or {}
    return f"{service['name']}:{port.get('name') or port.get('number', 0)} (<none>)"


async def describe_priority_class(_kubectl: Kubectl, priority_class: Object) -> Description:
    """A priority class, all but the events."""
    out = Description()
    metadata = priority_class["metadata"]
    out.line(0, f"Name:\t{metadata['name']}")
    out.line(0, f"Value:\t{priority_class.get('value', 0)}")
    out.line(0, f"GlobalDefault:\t{'true' if priority_class.get('globalDefault') else 'false'}")
    out.line(0, f"PreemptionPolicy:\t{priority_class.get('preemptionPolicy') or 'PreemptLowerPriority'}")
    out.line(0, f"Description:\t{priority_class.get('description', '')}")
    annotations = metadata.get("annotations") or {}
    shown = ",".join(f"{key}={annotations[key]}" for key in sorted(annotations))
    out.line(0, f"Annotations:\t{shown or '<none>'}")
    return out


async def describe_service_account(_kubectl: Kubectl, account: Object) -> Description:
    """A service account, all but the events."""
    out = Description()
    describe_head(out, account)
    secrets = [secret.get("name", "") for secret in account.get("imagePullSecrets") or ()]
    out.several("Image pull secrets", secrets)
    return out


async def describe_quota(_kubectl: Kubectl, quota: Object) -> Description:
    """A resource quota with what is used of it."""
    out = Description()
    out.line(0, f"Name:\t{quota['metadata']['name']}")
    out.line(0, f"Namespace:\t{quota['metadata'].get('namespace', '')}")
    out.line(0, "Resource\tUsed\tHard")
    out.line(0, "--------\t----\t----")
    hard, used = of(quota, "status", "hard") or {}, of(quota, "status", "used") or {}
    for name in sorted(hard):
        out.line(0, f"{name}\t{used.get(name, '0')}\t{hard[name]}")
    return out


async def describe_namespace(kubectl: Kubectl, namespace: Object) -> Description:
    """A namespace with its quotas and limits."""
    out = Description()
    describe_head(out, namespace)
    out.line(0, f"Status:\t{of(namespace, 'status', 'phase') or ''}")
    name = namespace["metadata"]["name"]
    quotas = (await kubectl.client.list("v1/resourcequotas", name)).items
    if not quotas:
        out.line(0, "\nNo resource quota.")
    else:
        out.line(0, "\nResource Quotas")
        for quota in quotas:
            out.line(1, f"Name:\t{quota['metadata']['name']}")
            out.line(1, "Resource\tUsed\tHard")
            out.line(1, "--------\t---\t---")
            hard, used = of(quota, "status", "hard") or {}, of(quota, "status", "used") or {}
            for resource in sorted(hard):
                out.line(1, f"{resource}\t{used.get(resource, '0')}\t{hard[resource]}")
    limits = (await kubectl.client.list("v1/limitranges", name)).items
    if not limits:
        out.line(0, "\nNo LimitRange resource.")
    else:
        out.line(0, "\nResource Limits")
        out.line(0, " Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio")
        out.line(0, " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------")
        for limit in limits:
            _limit_lines(out, limit)
    return out


def _limit_lines(out: Description, limit: Object) -> None:
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for item in items_of(limit, "spec", "limits"):
        names = sorted({name for field in fields for name in item.get(field) or ()})
        for name in names:
            cells = [str((item.get(field) or {}).get(name, "-")) for field in fields]
            out.line(0, " " + "\t".join([item.get("type", ""), name, *cells]))


async def describe_config_map(_kubectl: Kubectl, config_map: Object) -> Description:
    """A config map with its content."""
    out = Description()
    describe_head(out, config_map)
    out.line(0, "\nData\n====")
    for key in sorted(config_map.get("data") or ()):
        out.line(0, f"{key}:\n----\n{config_map['data'][key]}\n")
    out.line(0, "\nBinaryData\n====")
    for key in sorted(config_map.get("binaryData") or ()):
        out.line(0, f"{key}: {_size(config_map['binaryData'][key])} bytes")
    out.line(0, "")
    return out


async def describe_secret(_kubectl: Kubectl, secret: Object) -> Description:
    """A secret with the sizes of what it holds."""
    out = Description()
    describe_head(out, secret)
    out.line(0, f"\nType:\t{secret.get('type', '')}")
    out.line(0, "\nData\n====")
    for key in sorted(secret.get("data") or ()):
        out.line(0, f"{key}:\t{_size(secret['data'][key])} bytes")
    return out


def _size(encoded: str) -> int:
    try:
        return len(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return len(encoded)


async def describe_generic(_kubectl: Kubectl, obj: Object) -> Description:
    """Any object, field by field."""
    out = Description()
    metadata = obj["metadata"]
    out.line(0, f"Name:\t{metadata['name']}")
    out.line(0, f"Namespace:\t{metadata.get('namespace', '')}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))
    hidden = ("name", "namespace", "labels", "annotations", "managedFields")
    rest = {name: value for name, value in metadata.items() if name not in hidden}
    _fields(out, 0, {**obj, "metadata": rest})
    return out


def label_for(field: str) -> str:
    """``clusterIP`` as ``Cluster IP``; names that aren't fields stay as they are."""
    if "/" in field or "." in field or "-" in field or "_" in field:
        return field
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]", field)
    shown = [word.upper() if word.upper() in _INITIALISMS else word[:1].upper() + word[1:] for word in words]
    return " ".join(shown) or field


def _fields(out: Description, level: int, content: Object) -> None:
    for name in sorted(content):
        value, label = content[name], label_for(name)
        if isinstance(value, dict):
            out.line(level, f"{label}:")
            _fields(out, level + 1, value)
        elif isinstance(value, list):
            out.line(level, f"{label}:")
            for item in value:
                if isinstance(item, dict):
                    _fields(out, level + 1, item)
                else:
                    out.line(level + 1, _text(item))
        else:
            out.line(level, f"{label}:\t{_text(value)}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)
