"""Rules of Services, Ingresses and NetworkPolicies."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.label_syntax import check_dns_label, check_dns_subdomain, check_port_name
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.containers import PROTOCOLS
from actors.apimachinery.validation.field import (
    Errors,
    check_enum,
    check_immutable,
    check_port,
    duplicate,
    forbidden,
    invalid,
    required,
)
from actors.apimachinery.validation.metadata import check_labels
from actors.apimachinery.validation.placement import check_label_selector

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")


def validate_service(obj: Object) -> Errors:
    """A Service, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    kind, headless = spec.get("type"), spec.get("clusterIP") == "None"
    ports = spec.get("ports") or []
    if not ports and not headless and kind != "ExternalName":
        errors.append(required("spec.ports"))
    check_enum(errors, "spec.type", kind, _TYPES)
    check_enum(errors, "spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    if kind == "LoadBalancer" and headless:
        errors.append(invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services"))
    if kind == "NodePort" and headless:
        errors.append(invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for NodePort services"))
    if kind == "ExternalName":
        _check_external_name(errors, spec)
    names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        _check_service_port(errors, f"spec.ports[{index}]", port, names, needs_name=len(ports) > 1)
        key = (port.get("protocol", ""), port.get("port", 0))
        if key in seen:
            errors.append(duplicate(f"spec.ports[{index}]", port))
        seen.add(key)
        if port.get("nodePort") and kind == "ClusterIP":
            errors.append(forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'"))
    if selector := spec.get("selector"):
        check_labels(errors, "spec.selector", selector)
    check_enum(
        errors, "spec.externalTrafficPolicy", spec.get("externalTrafficPolicy"), ("Cluster", "Local"), needed=False
    )
    check_enum(
        errors, "spec.internalTrafficPolicy", spec.get("internalTrafficPolicy"), ("Cluster", "Local"), needed=False
    )
    return errors


def _check_external_name(errors: Errors, spec: Object) -> None:
    if spec.get("clusterIP"):
        errors.append(forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'"))
    name = (spec.get("externalName") or "").rstrip(".")
    if not name:
        errors.append(required("spec.externalName"))
    for fault in check_dns_subdomain(name) if name else ():
        errors.append(invalid("spec.externalName", name, fault))


def _check_service_port(errors: Errors, path: str, port: Object, names: set[str], *, needs_name: bool) -> None:
    name = port.get("name")
    if not name:
        if needs_name:
            errors.append(required(f"{path}.name"))
    else:
        for fault in check_dns_label(name):
            errors.append(invalid(f"{path}.name", name, fault))
        if name in names:
            errors.append(duplicate(f"{path}.name", name))
        names.add(name)
    check_port(errors, f"{path}.port", port.get("port", 0))
    check_enum(errors, f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    target = port.get("targetPort")
    if isinstance(target, str):
        for fault in check_port_name(target):
            errors.append(invalid(f"{path}.targetPort", target, fault))
    elif target is not None:
        check_port(errors, f"{path}.targetPort", target)


def validate_service_update(new: Object, old: Object) -> Errors:
    """The cluster IP stays, unless the Service is, or becomes, an ExternalName."""
    errors: Errors = []
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if "ExternalName" not in (after.get("type"), before.get("type")) and before.get("clusterIP"):
        if not after.get("clusterIP"):
            detail = "primary clusterIP can not be unset"
            errors.append(invalid("spec.clusterIPs[0]", after.get("clusterIP") or "", detail))
        elif after["clusterIP"] != before["clusterIP"]:
            errors.append(invalid("spec.clusterIPs[0]", after["clusterIP"], "may not change once set"))
    return errors


def validate_ingress(obj: Object) -> Errors:
    """An Ingress, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or ()
    if not rules and backend is None:
        errors.append(invalid("spec", spec, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        _check_backend(errors, "spec.defaultBackend", backend)
    for index, rule in enumerate(rules):
        here = f"spec.rules[{index}]"
        host = rule.get("host")
        for fault in check_dns_subdomain(host.removeprefix("*.")) if host else ():
            errors.append(invalid(f"{here}.host", host, fault))
        http = rule.get("http")
        if http is None:
            continue
        if not http.get("paths"):
            errors.append(required(f"{here}.http.paths"))
        for position, path in enumerate(http.get("paths") or ()):
            _check_ingress_path(errors, f"{here}.http.paths[{position}]", path)
    return errors


def _check_ingress_path(errors: Errors, here: str, path: Object) -> None:
    kind = path.get("pathType")
    if not kind:
        errors.append(required(f"{here}.pathType", "pathType must be specified"))
    else:
        check_enum(errors, f"{here}.pathType", kind, _PATH_TYPES)
    text = path.get("path") or ""
    if kind in ("Exact", "Prefix") and not text.startswith("/"):
        errors.append(invalid(f"{here}.path", text, "must be an absolute path"))
    _check_backend(errors, f"{here}.backend", path.get("backend") or {})


def _check_backend(errors: Errors, path: str, backend: Object) -> None:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        detail = "cannot set both resource and service backends"
        errors.append(invalid(path, "", detail))
    elif service is not None:
        if not service.get("name"):
            errors.append(required(f"{path}.service.name"))
        port = service.get("port") or {}
        if not port.get("name") and not port.get("number"):
            errors.append(required(f"{path}.service.port.name and number", "port name or number is required"))
        elif port.get("number"):
            check_port(errors, f"{path}.service.port.number", port["number"])
    elif resource is None:
        errors.append(required(path, "resource or service backend is required"))


def validate_network_policy(obj: Object) -> Errors:
    """A NetworkPolicy, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_label_selector(errors, "spec.podSelector", spec.get("podSelector") or {})
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            here = f"spec.{direction}[{index}]"
            for position, port in enumerate(rule.get("ports") or ()):
                _check_policy_port(errors, f"{here}.ports[{position}]", port)
            for position, peer in enumerate(rule.get(peers) or ()):
                _check_peer(errors, f"{here}.{peers}[{position}]", peer)
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        check_enum(errors, f"spec.policyTypes[{index}]", kind, ("Egress", "Ingress"))
    return errors


def _check_policy_port(errors: Errors, path: str, port: Object) -> None:
    check_enum(errors, f"{path}.protocol", port.get("protocol"), PROTOCOLS, needed=False)
    number: Any = port.get("port")
    if isinstance(number, int):
        check_port(errors, f"{path}.port", number)
    end = port.get("endPort")
    if end is not None and isinstance(number, int) and end < number:
        errors.append(invalid(f"{path}.endPort", end, "must be greater than or equal to `port`"))


def _check_peer(errors: Errors, path: str, peer: Object) -> None:
    if not peer:
        errors.append(required(path, "must specify a peer"))
    if peer.get("ipBlock") is not None and (
        peer.get("podSelector") is not None or peer.get("namespaceSelector") is not None
    ):
        errors.append(forbidden(path, "may not specify both ipBlock and another peer"))
    for name in ("podSelector", "namespaceSelector"):
        if selector := peer.get(name):
            check_label_selector(errors, f"{path}.{name}", selector)


def validate_ingress_class_update(new: Object, old: Object) -> Errors:
    """Who serves an IngressClass can't change."""
    errors: Errors = []
    after, before = new.get("spec") or {}, old.get("spec") or {}
    check_immutable(errors, "spec.controller", after.get("controller"), before.get("controller"))
    return errors
