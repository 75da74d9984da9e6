"""Describing the volumes of a pod."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.kubectl.description import Description

#: A volume source's title, and the fields shown of it: label, field, what stands for a missing one.
_KINDS: Final[dict[str, tuple[str, tuple[tuple[str, str, str], ...]]]] = {
    "hostPath": (
        "HostPath (bare host directory volume)",
        (("Path", "path", ""), ("HostPathType", "type", "<none>")),
    ),
    "emptyDir": (
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        (("Medium", "medium", ""), ("SizeLimit", "sizeLimit", "<unset>")),
    ),
    "secret": (
        "Secret (a volume populated by a Secret)",
        (("SecretName", "secretName", ""), ("Optional", "optional", "false")),
    ),
    "configMap": (
        "ConfigMap (a volume populated by a ConfigMap)",
        (("Name", "name", ""), ("Optional", "optional", "false")),
    ),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName", "claimName", ""), ("ReadOnly", "readOnly", "false")),
    ),
    "nfs": (
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        (("Server", "server", ""), ("Path", "path", ""), ("ReadOnly", "readOnly", "false")),
    ),
    "csi": (
        "CSI (a Container Storage Interface (CSI) volume source)",
        (("Driver", "driver", ""), ("FSType", "fsType", ""), ("ReadOnly", "readOnly", "false")),
    ),
}


def describe_volumes(out: Description, volumes: Sequence[Object] | None, indent: str) -> None:
    """Volumes with where they come from."""
    if not volumes:
        out.line(0, f"{indent}Volumes:\t<none>")
        return
    out.line(0, f"{indent}Volumes:")
    for volume in volumes:
        out.line(1, f"{' ' if indent else ''}{volume['name']}:")
        _describe_source(out, volume)


def _describe_source(out: Description, volume: Object) -> None:
    for name, (title, fields) in _KINDS.items():
        if name in volume:
            source = volume[name] or {}
            out.line(2, f"Type:\t{title}")
            for label, field, missing in fields:
                out.line(2, f"{label}:\t{_shown(source.get(field), missing)}")
            return
    if "projected" in volume:
        _describe_projected(out, volume["projected"])
    elif "downwardAPI" in volume:
        out.line(2, "Type:\tDownwardAPI (a volume populated by information about the pod)")
        out.line(2, "Items:")
        for item in volume["downwardAPI"].get("items") or ():
            if item.get("fieldRef"):
                out.line(3, f"{item['fieldRef']['fieldPath']} -> {item['path']}")
    else:
        kinds = [name for name in volume if name != "name"]
        out.line(2, f"Type:\t{kinds[0] if kinds else '<unknown>'}")


def _describe_projected(out: Description, projected: Object) -> None:
    out.line(2, "Type:\tProjected (a volume that contains injected data from multiple sources)")
    for source in projected.get("sources") or ():
        if "secret" in source:
            out.line(2, f"SecretName:\t{source['secret'].get('name', '')}")
        elif "configMap" in source:
            out.line(2, f"ConfigMapName:\t{source['configMap'].get('name', '')}")
            out.line(2, f"Optional:\t{_shown(source['configMap'].get('optional'), 'false')}")
        elif "downwardAPI" in source:
            out.line(2, "DownwardAPI:\ttrue")
        elif "serviceAccountToken" in source:
            out.line(2, f"TokenExpirationSeconds:\t{source['serviceAccountToken'].get('expirationSeconds', 3600)}")


def _shown(value: Any, missing: str) -> str:
    if value is None:
        return missing
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
