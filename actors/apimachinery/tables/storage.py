"""Tables of volumes, claims and storage classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import Cell, age_of, items_of, name_of, of, or_unset, table, truth

_ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def access_modes(modes: Sequence[str] | None) -> str:
    """``RWO,ROX``: in Kubernetes' order, each once."""
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in (modes or ()))


def _storage_class_of(obj: Object) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    legacy = annotations.get("volume.beta.kubernetes.io/storage-class")
    name: str = of(obj, "spec", "storageClassName") or "" if legacy is None else legacy
    return name


def _phase(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(of(obj, "status", "phase") or "")


def _volume(obj: Object, now_s: float) -> Sequence[Cell]:
    claim = of(obj, "spec", "claimRef")
    return (
        name_of(obj),
        _amount(of(obj, "spec", "capacity", "storage")),
        access_modes(of(obj, "spec", "accessModes")),
        of(obj, "spec", "persistentVolumeReclaimPolicy") or "",
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _storage_class_of(obj),
        or_unset(of(obj, "spec", "volumeAttributesClassName")),
        of(obj, "status", "reason") or "",
        age_of(obj, now_s),
        or_unset(of(obj, "spec", "volumeMode")),
    )


def _amount(quantity: Any) -> str:
    return "" if quantity is None else str(quantity)


def _claim(obj: Object, now_s: float) -> Sequence[Cell]:
    volume = of(obj, "spec", "volumeName") or ""
    return (
        name_of(obj),
        _phase(obj),
        volume,
        _amount(of(obj, "status", "capacity", "storage")) if volume else "",
        access_modes(of(obj, "status", "accessModes")) if volume else "",
        _storage_class_of(obj),
        or_unset(of(obj, "spec", "volumeAttributesClassName")),
        age_of(obj, now_s),
        or_unset(of(obj, "spec", "volumeMode")),
    )


def _storage_class(obj: Object, now_s: float) -> Sequence[Cell]:
    annotations = obj["metadata"].get("annotations") or {}
    default = any(annotations.get(name) == "true" for name in _DEFAULT_CLASS)
    return (
        name_of(obj) + (" (default)" if default else ""),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        truth(obj.get("allowVolumeExpansion")),
        age_of(obj, now_s),
    )


def _volume_attachment(obj: Object, now_s: float) -> Sequence[Cell]:
    return (
        name_of(obj),
        of(obj, "spec", "attacher") or "",
        of(obj, "spec", "source", "persistentVolumeName") or "",
        of(obj, "spec", "nodeName") or "",
        truth(of(obj, "status", "attached")),
        age_of(obj, now_s),
    )


def _csi_node(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), len(items_of(obj, "spec", "drivers")), age_of(obj, now_s))


def _csi_driver(obj: Object, now_s: float) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    attach = spec.get("attachRequired")
    return (
        name_of(obj),
        truth(attach is None or attach),
        truth(spec.get("podInfoOnMount")),
        truth(spec.get("storageCapacity")),
        or_unset(",".join(request.get("audience", "") for request in spec.get("tokenRequests") or ())),
        truth(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ("Persistent",)),
        age_of(obj, now_s),
    )


def _csi_capacity(obj: Object, _now_s: float) -> Sequence[Cell]:
    return (name_of(obj), obj.get("storageClassName", ""), _amount(obj.get("capacity")) or "<unset>")


def _attributes_class(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), obj.get("driverName", ""), age_of(obj, now_s))


TABLES = {
    "v1/persistentvolumes": table(
        "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim"
        "|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode*",
        _volume,
    ),
    "v1/persistentvolumeclaims": table(
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode*", _claim
    ),
    "storage.k8s.io/v1/storageclasses": table(
        "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age", _storage_class
    ),
    "storage.k8s.io/v1/volumeattachments": table("Name|Attacher|PV|Node|Attached|Age", _volume_attachment),
    "storage.k8s.io/v1/csinodes": table("Name|Drivers|Age", _csi_node),
    "storage.k8s.io/v1/csidrivers": table(
        "Name|AttachRequired|PodInfoOnMount|StorageCapacity|TokenRequests|RequiresRepublish|Modes|Age", _csi_driver
    ),
    "storage.k8s.io/v1/csistoragecapacities": table("Name|StorageClassName|Capacity", _csi_capacity),
    "storage.k8s.io/v1/volumeattributesclasses": table("Name|DriverName|Age", _attributes_class),
}
