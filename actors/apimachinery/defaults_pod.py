"""Defaults of pods and pod templates (``pkg/apis/core/v1/defaults.go``), written for speed: every pod passes here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from actors.apimachinery.operation import Object

_DEFAULT_MODE: Final = 0o644
#: Volume sources whose files have a mode.
_SOURCES_WITH_MODE: Final = ("secret", "configMap", "downwardAPI", "projected")

_VOLUME_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_pod(pod: Object) -> None:
    """Defaults of a Pod: those of its spec, and what templates don't get: requests from limits, service links."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in spec.get("containers") or ():
        _default_requests(container)
    for container in spec.get("initContainers") or ():
        _default_requests(container)
    if spec.get("hostNetwork"):
        _default_host_ports(spec)


def default_pod_spec(spec: Object) -> None:
    """Defaults of a pod's spec, in pods and in templates alike."""
    setdefault = spec.setdefault
    setdefault("dnsPolicy", "ClusterFirst")
    setdefault("restartPolicy", "Always")
    setdefault("schedulerName", "default-scheduler")
    setdefault("terminationGracePeriodSeconds", 30)
    if "securityContext" not in spec:
        spec["securityContext"] = {}
    # One field under two names; Kubernetes writes both.
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for container in spec.get("containers") or ():
        default_container(container)
    for kind in ("initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)


def default_container(container: Object) -> None:
    """Defaults of one container."""
    setdefault = container.setdefault
    setdefault("terminationMessagePath", "/dev/termination-log")
    setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = image_pull_policy(container.get("image", ""))
    if "resources" not in container:
        container["resources"] = {}
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        if source := variable.get("valueFrom"):
            _default_env_source(source)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(name):
            _default_probe(probe)
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _default_handler(handler)


@lru_cache(maxsize=1024)
def image_pull_policy(image: str) -> str:
    """Always for an image without tag or with tag ``latest``, else IfNotPresent; a digest alone is no tag."""
    name, at, _ = image.partition("@")
    _, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return "Always" if tag == "latest" else "IfNotPresent"
    return "IfNotPresent" if at else "Always"


def _default_env_source(source: Object) -> None:
    if reference := source.get("fieldRef"):
        reference.setdefault("apiVersion", "v1")
    if reference := source.get("resourceFieldRef"):
        reference.setdefault("divisor", "0")


def _default_probe(probe: Object) -> None:
    for name, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(name):
            probe[name] = value
    _default_handler(probe)


def _default_handler(handler: Object) -> None:
    if get := handler.get("httpGet"):
        get.setdefault("path", "/")
        get.setdefault("scheme", "HTTP")
    if grpc := handler.get("grpc"):
        grpc.setdefault("service", "")


def _default_requests(container: Object) -> None:
    resources = container["resources"]
    limits = resources.get("limits")
    if limits:
        requests = resources.setdefault("requests", {})
        for name, value in limits.items():
            requests.setdefault(name, value)


def _default_host_ports(spec: Object) -> None:
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or ():
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)


def default_volume(volume: Object) -> None:
    """Defaults of one volume; one without a source is an empty directory."""
    sources = [name for name in volume if name != "name"]
    if not sources:
        volume["emptyDir"] = {}
        return
    for name in sources:
        source = volume[name]
        if not isinstance(source, dict):
            continue
        if name in _SOURCES_WITH_MODE:
            source.setdefault("defaultMode", _DEFAULT_MODE)
        for key, value in _VOLUME_DEFAULTS.get(name, {}).items():
            source.setdefault(key, value)
        if name == "downwardAPI":
            _default_downward_files(source)
        elif name == "projected":
            _default_projections(source)
        elif name == "ephemeral":
            source.get("volumeClaimTemplate", {}).setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        elif name == "image" and not source.get("pullPolicy"):
            source["pullPolicy"] = image_pull_policy(source.get("reference", ""))


def _default_downward_files(source: Object) -> None:
    for item in source.get("items") or ():
        _default_env_source(item)


def _default_projections(source: Object) -> None:
    for projection in source.get("sources") or ():
        if token := projection.get("serviceAccountToken"):
            token.setdefault("expirationSeconds", 3600)
        if files := projection.get("downwardAPI"):
            _default_downward_files(files)
