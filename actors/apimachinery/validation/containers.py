"""Rules of containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.label_syntax import (
    check_config_key,
    check_dns_label,
    check_dns_subdomain,
    check_env_name,
    check_port_name,
)
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import (
    Errors,
    check_enum,
    check_port,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from actors.apimachinery.validation.probes import check_lifecycle, check_probe
from actors.apimachinery.validation.resources import check_resources

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("FallbackToLogsOnError", "File")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_ENV_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENV_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)


def check_containers(errors: Errors, path: str, spec: Object, volumes: Mapping[str, Any]) -> None:
    """All containers of a pod's spec at `path`. `volumes` are its volumes by name."""
    containers = spec.get("containers")
    if not containers:
        errors.append(required(f"{path}.containers"))
        containers = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        here = f"{path}.containers[{index}]"
        _check_container(errors, here, container, volumes)
        _check_unique_name(errors, here, container, names)
        _check_actions(errors, here, container)
    for index, container in enumerate(spec.get("initContainers") or ()):
        here = f"{path}.initContainers[{index}]"
        _check_container(errors, here, container, volumes)
        _check_unique_name(errors, here, container, names)
        _check_init_container(errors, here, container)
    _check_host_ports(errors, path, containers)


def _check_unique_name(errors: Errors, path: str, container: Object, names: set[str]) -> None:
    name = container.get("name", "")
    if name in names:
        errors.append(duplicate(f"{path}.name", name))
    names.add(name)


def _check_container(errors: Errors, path: str, container: Object, volumes: Mapping[str, Any]) -> None:
    name = container.get("name")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        for fault in check_dns_label(name):
            errors.append(invalid(f"{path}.name", name, fault))
    image = container.get("image")
    if not image:
        errors.append(required(f"{path}.image"))
    elif image != image.strip():
        errors.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    check_enum(errors, f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL_POLICIES)
    policy = container.get("terminationMessagePolicy")
    if policy not in _MESSAGE_POLICIES:
        check_enum(errors, f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    if ports := container.get("ports"):
        _check_ports(errors, path, ports)
    if variables := container.get("env"):
        _check_env(errors, path, variables)
    if sources := container.get("envFrom"):
        _check_env_from(errors, path, sources)
    if mounts := container.get("volumeMounts"):
        _check_mounts(errors, path, mounts, volumes)
    if resources := container.get("resources"):
        check_resources(errors, f"{path}.resources", resources)


def _check_actions(errors: Errors, path: str, container: Object) -> None:
    for kind in _PROBES:
        if (probe := container.get(kind)) is not None:
            check_probe(errors, f"{path}.{kind}", probe, kind)
    if lifecycle := container.get("lifecycle"):
        check_lifecycle(errors, f"{path}.lifecycle", lifecycle)


def _check_init_container(errors: Errors, path: str, container: Object) -> None:
    """Init containers run to their end, so they can't be probed, unless they are sidecars (restartPolicy Always)."""
    if container.get("restartPolicy") == "Always":
        _check_actions(errors, path, container)
        return
    for kind in (*_PROBES, "lifecycle"):
        if container.get(kind):
            detail = "may not be set for init containers without restartPolicy=Always"
            errors.append(forbidden(f"{path}.{kind}", detail))


def _check_ports(errors: Errors, path: str, ports: Sequence[Object]) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}.ports[{index}]"
        if name := port.get("name"):
            faults = check_port_name(name)
            for fault in faults:
                errors.append(invalid(f"{here}.name", name, fault))
            if not faults and name in names:
                errors.append(duplicate(f"{here}.name", name))
            names.add(name)
        if not port.get("containerPort"):
            errors.append(required(f"{here}.containerPort"))
        else:
            check_port(errors, f"{here}.containerPort", port["containerPort"])
        if port.get("hostPort"):
            check_port(errors, f"{here}.hostPort", port["hostPort"])
        check_enum(errors, f"{here}.protocol", port.get("protocol"), PROTOCOLS)


def _check_host_ports(errors: Errors, path: str, containers: Sequence[Object]) -> None:
    """No two containers may ask for the same port of the node."""
    taken: set[tuple[str, str, int]] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.get("ports") or ()):
            number = port.get("hostPort")
            if not number:
                continue
            key = (port.get("hostIP", ""), port.get("protocol", "TCP"), number)
            if key in taken:
                shown = f"{key[0]}/{key[1]}/{number}" if key[0] else f"{key[1]}/{number}"
                errors.append(duplicate(f"{path}.containers[{index}].ports[{position}].hostPort", shown))
            taken.add(key)


def _check_env(errors: Errors, path: str, variables: Sequence[Object]) -> None:
    for index, variable in enumerate(variables):
        name = variable.get("name")
        if not name:
            errors.append(required(f"{path}.env[{index}].name"))
        else:
            for fault in check_env_name(name):
                errors.append(invalid(f"{path}.env[{index}].name", name, fault))
        source = variable.get("valueFrom")
        if source is not None:
            _check_env_source(errors, f"{path}.env[{index}].valueFrom", source, variable.get("value"))


def _check_env_source(errors: Errors, path: str, source: Object, value: str | None) -> None:
    found = [kind for kind in _ENV_SOURCES if source.get(kind) is not None]
    if not found:
        detail = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        )
        errors.append(invalid(path, "", detail))
    elif value:
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(found) > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    for kind in found:
        here = f"{path}.{kind}"
        if kind == "fieldRef":
            _check_field_ref(errors, here, source[kind])
        elif kind == "resourceFieldRef":
            if not source[kind].get("resource"):
                errors.append(required(f"{here}.resource"))
        elif kind != "fileKeyRef":
            _check_key_ref(errors, here, source[kind])


def _check_field_ref(errors: Errors, path: str, reference: Object) -> None:
    field = reference.get("fieldPath")
    if not field:
        errors.append(required(f"{path}.fieldPath"))
        return
    base, bracket, _ = field.partition("[")
    if bracket and field.endswith("']"):
        if base not in ("metadata.labels", "metadata.annotations"):
            errors.append(invalid(f"{path}.fieldPath", field, "does not support subscript"))
    elif field not in _ENV_FIELDS:
        errors.append(not_supported(f"{path}.fieldPath", field, _ENV_FIELDS))


def _check_key_ref(errors: Errors, path: str, reference: Object) -> None:
    key = reference.get("key")
    if not key:
        errors.append(required(f"{path}.key"))
    else:
        for fault in check_config_key(key):
            errors.append(invalid(f"{path}.key", key, fault))
    name = reference.get("name")
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        for fault in check_dns_subdomain(name):
            errors.append(invalid(f"{path}.name", name, fault))


def _check_env_from(errors: Errors, path: str, sources: Sequence[Object]) -> None:
    for index, source in enumerate(sources):
        here = f"{path}.envFrom[{index}]"
        found = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        if not found:
            errors.append(invalid(here, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(found) > 1:
            errors.append(invalid(here, "", "may not have more than one field specified at a time"))
        for kind in found:
            if not source[kind].get("name"):
                errors.append(required(f"{here}.{kind}.name"))


def _check_mounts(errors: Errors, path: str, mounts: Sequence[Object], volumes: Mapping[str, Any]) -> None:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        here = f"{path}.volumeMounts[{index}]"
        name = mount.get("name")
        if not name:
            errors.append(required(f"{here}.name"))
        elif name not in volumes:
            errors.append(not_found(f"{here}.name", name))
        place = mount.get("mountPath")
        if not place:
            errors.append(required(f"{here}.mountPath"))
        elif place in places:
            errors.append(invalid(f"{here}.mountPath", place, "must be unique"))
        else:
            places.add(place)
        _check_sub_path(errors, here, mount)


def _check_sub_path(errors: Errors, path: str, mount: Object) -> None:
    for field in ("subPath", "subPathExpr"):
        if value := mount.get(field):
            if value.startswith("/"):
                errors.append(invalid(f"{path}.{field}", value, "must be a relative path"))
            if ".." in value.split("/"):
                errors.append(invalid(f"{path}.{field}", value, "must not contain '..'"))
    if mount.get("subPath") and mount.get("subPathExpr"):
        errors.append(
            invalid(f"{path}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive")
        )
