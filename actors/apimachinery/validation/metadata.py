"""Rules of every object's metadata (``ValidateObjectMeta`` and ``ValidateObjectMetaUpdate``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.label_syntax import check_dns_label, check_label_value, check_qualified_name
from actors.apimachinery.names import name_faults
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ERRORS_SHOWN_MAX, format_value
from actors.apimachinery.validation.field import (
    Errors,
    check_immutable,
    forbidden,
    invalid,
    required,
    too_long,
)

#: All annotations of an object together.
ANNOTATIONS_BYTES_MAX: Final = 256 * 1024

_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def validate_metadata(resource: Resource, obj: Object) -> Errors:
    """What is wrong with the metadata of an object."""
    metadata = obj.get("metadata") or {}
    errors: Errors = []
    if prefix := metadata.get("generateName"):
        for fault in name_faults(resource, prefix, is_prefix=True):
            errors.append(invalid("metadata.generateName", prefix, fault))
    name = metadata.get("name")
    if not name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        for fault in name_faults(resource, name):
            errors.append(invalid("metadata.name", name, fault))
    _check_namespace(errors, resource, metadata.get("namespace"))
    if labels := metadata.get("labels"):
        check_labels(errors, "metadata.labels", labels)
    if annotations := metadata.get("annotations"):
        check_annotations(errors, "metadata.annotations", annotations)
    if references := metadata.get("ownerReferences"):
        _check_owners(errors, references)
    for finalizer in metadata.get("finalizers") or ():
        _check_finalizer(errors, finalizer)
    return errors


def _check_namespace(errors: Errors, resource: Resource, namespace: str | None) -> None:
    if not resource.namespaced:
        if namespace:
            errors.append(forbidden("metadata.namespace", "not allowed on this type"))
    elif not namespace:
        errors.append(required("metadata.namespace"))
    else:
        for fault in check_dns_label(namespace):
            errors.append(invalid("metadata.namespace", namespace, fault))


def check_labels(errors: Errors, path: str, labels: Mapping[str, str]) -> None:
    """Keys are qualified names, values at most 63 characters."""
    for key, value in labels.items():
        if len(errors) > ERRORS_SHOWN_MAX:
            return
        for fault in check_qualified_name(key):
            errors.append(invalid(path, key, fault))
        for fault in check_label_value(value):
            errors.append(invalid(path, value, fault))


def check_annotations(errors: Errors, path: str, annotations: Mapping[str, str]) -> None:
    """Keys are qualified names in either case; all together they have a size limit."""
    size = 0
    for key, value in annotations.items():
        if len(errors) > ERRORS_SHOWN_MAX:
            return
        for fault in check_qualified_name(key.lower()):
            errors.append(invalid(path, key, fault))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_BYTES_MAX:
        errors.append(too_long(path, ANNOTATIONS_BYTES_MAX))


def _check_owners(errors: Errors, references: Sequence[Mapping[str, Any]]) -> None:
    controller = ""
    for reference in references:
        if len(errors) > ERRORS_SHOWN_MAX:
            return
        for field in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(field):
                detail = "version must not be empty" if field == "apiVersion" else "must not be empty"
                errors.append(invalid(f"metadata.ownerReferences.{field}", reference.get(field, ""), detail))
        if reference.get("apiVersion") == "v1" and reference.get("kind") == "Event":
            detail = "/v1, Kind=Event is disallowed from being an owner"
            errors.append(invalid("metadata.ownerReferences", dict(reference), detail))
        if reference.get("controller"):
            if controller:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {reference.get('name')}"
                )
                errors.append(invalid("metadata.ownerReferences", list(references), detail))
                return
            controller = str(reference.get("name"))


def _check_finalizer(errors: Errors, finalizer: str) -> None:
    for fault in check_qualified_name(finalizer):
        errors.append(invalid("metadata.finalizers", finalizer, fault))
    if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        errors.append(invalid("metadata.finalizers", finalizer, detail))


def validate_metadata_update(resource: Resource, new: Object, old: Object) -> Errors:
    """What is wrong with a change of the metadata, and with the metadata it leads to."""
    after, before = new["metadata"], old["metadata"]
    errors = validate_metadata(resource, new) if not _same_user_metadata(after, before) else []
    for name in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if name in after or name in before:
            check_immutable(errors, f"metadata.{name}", after.get(name), before.get(name))
    if before.get("deletionTimestamp"):
        added = [f for f in after.get("finalizers") or () if f not in (before.get("finalizers") or ())]
        if added:
            shown = ", ".join(map(format_value, added))
            detail = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{shown}}}"
            )
            errors.append(forbidden("metadata.finalizers", detail))
    return errors


def _same_user_metadata(after: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether the parts that rules look at are as they were, and so are known to be good."""
    names = ("name", "namespace", "generateName", "labels", "annotations", "ownerReferences", "finalizers")
    return all(after.get(name) == before.get(name) for name in names)
