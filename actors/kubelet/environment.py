"""A container's environment: literal values, ConfigMaps, Secrets, the downward API, and ``$(VAR)``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.meta import annotations_of, labels_of
from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import parse_quantity
from actors.kubelet.config import NodeConfig
from actors.kubelet.pod_memory import PodDependencies
from actors.kubelet.pod_spec import CONFIG_MAPS, SECRETS
from actors.kubelet.secret_data import secret_bytes

_REFERENCE: Final = re.compile(r"\$(\$|\(([^()]*)\))")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")
_VARIABLE_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class ConfigError(Exception):
    """A container can't be configured; the message is the kubelet's."""


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace ``$(NAME)``; ``$$`` is a dollar sign, and what is unknown stays as it is."""
    if "$" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        if match.group(1) == "$":
            return "$"
        return env.get(match.group(2), match.group(0))

    return _REFERENCE.sub(replacement, text)


def resolve_environment(
    pod: Object, container: Mapping[str, Any], node: NodeConfig, pod_ip: str, dependencies: PodDependencies | None
) -> dict[str, str]:
    """The environment. Raises `ConfigError`."""
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        env.update(_from_source(source, dependencies))
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom")
        if origin:
            value = _from_origin(pod, container, origin, node, pod_ip, dependencies)
            if value is None:
                continue
        else:
            value = expand(variable.get("value") or "", env)
        env[variable["name"]] = value
    return env


def _from_source(source: Mapping[str, Any], dependencies: PodDependencies | None) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    resource, reference = (
        (CONFIG_MAPS, source["configMapRef"]) if source.get("configMapRef") else (SECRETS, source["secretRef"])
    )
    obj = _lookup(resource, reference["name"], bool(reference.get("optional")), dependencies)
    if obj is None:
        return {}
    if resource == SECRETS:
        values = {key: value.decode("utf-8", "replace") for key, value in secret_bytes(obj).items()}
    else:
        values = dict(obj.get("data") or {})
    return {prefix + key: values[key] for key in sorted(values) if _VARIABLE_NAME.fullmatch(prefix + key)}


def _lookup(resource: str, name: str, optional: bool, dependencies: PodDependencies | None) -> Mapping[str, Any] | None:
    obj = dependencies.objects.get((resource, name)) if dependencies is not None else None
    if obj is None and not optional:
        kind = "configmap" if resource == CONFIG_MAPS else "secret"
        raise ConfigError(f'{kind} "{name}" not found')
    return obj


def _from_origin(
    pod: Object,
    container: Mapping[str, Any],
    origin: Mapping[str, Any],
    node: NodeConfig,
    pod_ip: str,
    dependencies: PodDependencies | None,
) -> str | None:
    if origin.get("fieldRef"):
        return field_value(pod, origin["fieldRef"]["fieldPath"], node, pod_ip)
    if origin.get("resourceFieldRef"):
        return resource_value(pod, container, origin["resourceFieldRef"], node)
    if origin.get("configMapKeyRef"):
        resource, reference, shown = CONFIG_MAPS, origin["configMapKeyRef"], "ConfigMap"
    elif origin.get("secretKeyRef"):
        resource, reference, shown = SECRETS, origin["secretKeyRef"], "Secret"
    else:
        return ""
    optional = bool(reference.get("optional"))
    obj = _lookup(resource, reference["name"], optional, dependencies)
    if obj is None:
        return None
    if resource == SECRETS:
        found = secret_bytes(obj).get(reference["key"])
        value = found.decode("utf-8", "replace") if found is not None else None
    else:
        value = (obj.get("data") or {}).get(reference["key"])
    if value is None and not optional:
        namespace = pod["metadata"].get("namespace", "")
        raise ConfigError(f"couldn't find key {reference['key']} in {shown} {namespace}/{reference['name']}")
    return value


def field_value(pod: Object, path: str, node: NodeConfig, pod_ip: str) -> str:
    """A field of the pod, as the downward API gives it. Raises `ConfigError`."""
    metadata, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        source = labels_of(pod) if subscript.group(1) == "labels" else annotations_of(pod)
        return source.get(subscript.group(2), "")
    if path in ("metadata.labels", "metadata.annotations"):
        source = labels_of(pod) if path.endswith("labels") else annotations_of(pod)
        return "\n".join(f"{key}={_quoted(source[key])}" for key in sorted(source))
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": node.address,
        "status.hostIPs": node.address,
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
    }
    if path not in simple:
        raise ConfigError(f"unsupported fieldPath: {path}")
    value: str = simple[path]
    return value


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def resource_value(pod: Object, container: Mapping[str, Any], reference: Mapping[str, Any], node: NodeConfig) -> str:
    """A container's request or limit, in units of the divisor, rounded up. Raises `ConfigError`."""
    name = reference.get("containerName")
    if name:
        everybody = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
        found = [candidate for candidate in everybody if candidate["name"] == name]
        if not found:
            raise ConfigError(f"container {name} not found")
        container = found[0]
    kind, _, resource = reference["resource"].partition(".")
    amounts = (container.get("resources") or {}).get(kind) or {}
    if resource in amounts:
        amount = parse_quantity(amounts[resource])
    elif kind == "limits" and resource in ("cpu", "memory", "ephemeral-storage"):
        whole = {"cpu": node.cpu, "memory": node.memory, "ephemeral-storage": node.ephemeral_storage}
        amount = parse_quantity(whole[resource])  # without a limit, the node is the limit
    else:
        amount = 0
    divisor = parse_quantity(reference.get("divisor") or "1") or 1
    return str(-(-amount // divisor))
