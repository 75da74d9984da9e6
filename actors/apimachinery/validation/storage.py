"""Rules of PersistentVolumes, PersistentVolumeClaims and StorageClasses."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.label_syntax import check_dns_subdomain, check_qualified_name
from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import parse_quantity
from actors.apimachinery.validation.field import (
    POSITIVE,
    Errors,
    check_enum,
    check_immutable,
    forbidden,
    invalid,
    required,
)
from actors.apimachinery.validation.placement import check_label_selector, check_node_selector

ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_RECLAIM: Final = ("Delete", "Recycle", "Retain")
_VOLUME_MODES: Final = ("Block", "Filesystem")
_NOT_A_SOURCE: Final = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def validate_volume(obj: Object) -> Errors:
    """A PersistentVolume, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    _check_access_modes(errors, spec)
    capacity = spec.get("capacity") or {}
    if not capacity:
        errors.append(required("spec.capacity"))
    elif "storage" not in capacity or len(capacity) > 1:
        from_names = [name for name in capacity if name != "storage"]
        errors.append(invalid("spec.capacity", from_names, "must be 'storage' alone"))
    for name, amount in capacity.items():
        if parse_quantity(amount) <= 0:
            errors.append(invalid(f"spec.capacity[{name}]", amount, POSITIVE))
    check_enum(errors, "spec.persistentVolumeReclaimPolicy", spec.get("persistentVolumeReclaimPolicy"), _RECLAIM)
    check_enum(errors, "spec.volumeMode", spec.get("volumeMode"), _VOLUME_MODES, needed=False)
    sources = [name for name in spec if name not in _NOT_A_SOURCE]
    if not sources:
        errors.append(required("spec", "must specify a volume type"))
    for name in sources[1:]:
        errors.append(forbidden(f"spec.{name}", "may not specify more than 1 volume type"))
    affinity = (spec.get("nodeAffinity") or {}).get("required")
    if affinity is not None:
        check_node_selector(errors, "spec.nodeAffinity.required", affinity)
    elif spec.get("local") is not None:
        errors.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    return errors


def _check_access_modes(errors: Errors, spec: Object) -> None:
    modes = spec.get("accessModes") or ()
    if not modes:
        errors.append(required("spec.accessModes", "at least 1 access mode is required"))
    for mode in modes:
        check_enum(errors, "spec.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        errors.append(forbidden("spec.accessModes", detail))


def validate_claim(obj: Object) -> Errors:
    """A PersistentVolumeClaim, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    _check_access_modes(errors, spec)
    if selector := spec.get("selector"):
        check_label_selector(errors, "spec.selector", selector)
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        errors.append(required("spec.resources[storage]"))
    elif parse_quantity(storage) <= 0:
        errors.append(invalid("spec.resources[storage]", storage, POSITIVE))
    if name := spec.get("storageClassName"):
        for fault in check_dns_subdomain(name):
            errors.append(invalid("spec.storageClassName", name, fault))
    check_enum(errors, "spec.volumeMode", spec.get("volumeMode"), _VOLUME_MODES, needed=False)
    return errors


def validate_claim_update(new: Object, old: Object) -> Errors:
    """Of a bound claim only the requested size can change, and only upwards."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    mutable = ("resources", "volumeAttributesClassName") + (("volumeName",) if not before.get("volumeName") else ())
    fixed_after = {k: v for k, v in after.items() if k not in mutable}
    fixed_before = {k: v for k, v in before.items() if k not in mutable}
    if fixed_after != fixed_before:
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        return [forbidden("spec", detail)]
    wanted = ((after.get("resources") or {}).get("requests") or {}).get("storage")
    present = ((before.get("resources") or {}).get("requests") or {}).get("storage")
    if wanted and present and parse_quantity(wanted) < parse_quantity(present):
        detail = "field can not be less than status.capacity"
        return [forbidden("spec.resources.requests.storage", detail)]
    return []


def validate_volume_update(new: Object, old: Object) -> Errors:
    """What a volume is made of can't change."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    sources_after = {k: v for k, v in after.items() if k not in _NOT_A_SOURCE}
    sources_before = {k: v for k, v in before.items() if k not in _NOT_A_SOURCE}
    if sources_after != sources_before:
        return [forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")]
    errors: Errors = []
    check_immutable(errors, "spec.volumeMode", after.get("volumeMode"), before.get("volumeMode"))
    return errors


def validate_storage_class(obj: Object) -> Errors:
    """A StorageClass, after defaults."""
    errors: Errors = []
    provisioner = obj.get("provisioner")
    if not provisioner:
        errors.append(required("provisioner"))
    else:
        for fault in check_qualified_name(provisioner.lower()):
            errors.append(invalid("provisioner", provisioner, fault))
    check_enum(errors, "reclaimPolicy", obj.get("reclaimPolicy"), ("Delete", "Retain"), needed=False)
    modes = ("Immediate", "WaitForFirstConsumer")
    check_enum(errors, "volumeBindingMode", obj.get("volumeBindingMode"), modes)
    return errors


def validate_storage_class_update(new: Object, old: Object) -> Errors:
    """How a StorageClass provisions can't change."""
    errors: Errors = []
    for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if new.get(field) != old.get(field):
            errors.append(forbidden(field, f"updates to {field} are forbidden."))
    return errors
