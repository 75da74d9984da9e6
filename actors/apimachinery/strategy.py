"""What happens to an object between decoding and storing, per kind (the registry strategies of Kubernetes).

    decoded, warnings = decode(resource, obj, field_validation)          # actors.apimachinery.validator
    apply_defaults(resource, decoded)                                    # actors.apimachinery.defaults
    (the caller sets namespace, name from generateName, uid and creationTimestamp, whatever the client sent)
    prepare_for_create(resource, decoded)                                # here, in place
    admit(resource, decoded)                                             # actors.apimachinery.defaults
    errors = validate_create(resource, decoded)                          # here; if any: invalid(kind, ..., errors)

    decoded, warnings = decode(resource, obj, field_validation)
    apply_defaults(resource, decoded)
    prepare_for_update(resource, decoded, old, subresource)              # here, in place
    errors = validate_update(resource, decoded, old, subresource)
    if is_unchanged(decoded, old): ...                                   # answered without writing

`subresource` is empty, ``status``, or the name of another one (``binding``, ``scale``, ``resize``, ``finalize``,
``ephemeralcontainers``), whose changes are the caller's own and aren't checked against what a plain update may change.

`prepare_for_update` takes uid, creationTimestamp, deletionTimestamp and generation from `old` where the client left
them out; `old` is read-only, and parts of it may end up in `new`. When an object with a generation gets its
deletionTimestamp, the caller counts its generation up by one, as Kubernetes does.
"""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.custom_resources.strategy import (
    generation_grows,
    keep_all_but_status,
    validate_custom,
)
from actors.apimachinery.json_patch import equal
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import FieldError
from actors.apimachinery.strategy_rules import rules_of, spec_changed
from actors.apimachinery.validation.metadata import validate_metadata, validate_metadata_update

#: Clients can't set these on a new object.
_NOT_ON_CREATE: Final = (
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
)
_KEPT_ON_UPDATE: Final = ("deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")
#: Of the metadata an update of the status may change these.
_CHANGEABLE_WITH_STATUS: Final = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")


def prepare_for_create(resource: Resource, obj: Object) -> None:
    """Drop what clients may not set, start the generation at 1 where the kind has one, and add what the server adds.

    uid, name and creationTimestamp are set before: a Job's selector is made from its uid.
    """
    rules = rules_of(resource)
    metadata = obj.setdefault("metadata", {})
    for name in _NOT_ON_CREATE:
        metadata.pop(name, None)
    if rules.has_generation:
        metadata["generation"] = 1
    if rules.has_status and not rules.keeps_status_on_create:
        obj.pop("status", None)
        if resource.custom is None:
            obj["status"] = {}  # a struct, not a pointer, in Kubernetes' types: it is never left out
    if rules.prepare_create is not None:
        rules.prepare_create(obj)


def prepare_for_update(resource: Resource, new: Object, old: Object, subresource: str = "") -> None:
    """Keep what this kind of update may not change, and count the generation up when the spec changes.

    A plain update keeps the status. An update of the status keeps everything else but labels, annotations, finalizers
    and owners.
    """
    rules = rules_of(resource)
    custom = resource.custom
    if subresource in ("status", "approval"):
        (_keep_all_but_status if custom is None else keep_all_but_status)(new, old)
    elif rules.has_status and not subresource:
        _carry_over(new, old, "status")
    _keep_system_metadata(new["metadata"], old["metadata"])
    if rules.prepare_update is not None:
        rules.prepare_update(new, old, subresource)
    if not rules.has_generation or subresource == "status":
        return
    if spec_changed(new, old) if custom is None else generation_grows(new, old):
        new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def _carry_over(new: Object, old: Object, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _keep_all_but_status(new: Object, old: Object) -> None:
    for name in [name for name in new if name not in ("status", "metadata") and name not in old]:
        del new[name]
    for name, value in old.items():
        if name not in ("status", "metadata"):
            new[name] = value
    sent = new["metadata"]
    kept = {name: value for name, value in old["metadata"].items() if name not in _CHANGEABLE_WITH_STATUS}
    for name in (*_CHANGEABLE_WITH_STATUS, "resourceVersion", "uid", "name", "namespace"):
        if name in sent:
            kept[name] = sent[name]
    new["metadata"] = kept


def _keep_system_metadata(new: Object, old: Object) -> None:
    """An update that leaves the server's fields out keeps them; one that sends another uid is refused later."""
    for name in ("uid", "creationTimestamp"):
        if not new.get(name) and name in old:
            new[name] = old[name]
    for name in _KEPT_ON_UPDATE:
        _carry_over(new, old, name)


def validate_create(resource: Resource, obj: Object) -> list[FieldError]:
    """Everything wrong with a new object, after defaults; empty when it may be stored."""
    errors = validate_metadata(resource, obj)
    if resource.custom is not None:
        return errors + validate_custom(resource.custom, obj)
    rules = rules_of(resource)
    if rules.validate is not None:
        errors.extend(rules.validate(obj))
    if rules.validate_create is not None:
        errors.extend(rules.validate_create(obj))
    return errors


def validate_update(resource: Resource, new: Object, old: Object, subresource: str = "") -> list[FieldError]:
    """Everything wrong with a changed object, after defaults and `prepare_for_update`; empty when it may be stored."""
    errors = validate_metadata_update(resource, new, old)
    if resource.custom is not None:
        return errors + validate_custom(resource.custom, new, old)
    rules = rules_of(resource)
    if subresource == "status":
        return errors + rules.validate_status(new) if rules.validate_status is not None else errors
    if rules.validate is not None and spec_changed(new, old):
        errors.extend(rules.validate(new))
    if rules.validate_subresource is not None and subresource:
        errors.extend(rules.validate_subresource(new, old, subresource))
    if rules.validate_update is not None and not subresource:
        errors.extend(rules.validate_update(new, old))
    return errors


def is_unchanged(new: Object, old: Object) -> bool:
    """Whether an update would change nothing: it is answered without writing, as in Kubernetes."""
    after, before = _without_version(new), _without_version(old)
    # Python's comparison is fast and takes 1 for true; only when it finds no difference is the exact one needed.
    return after == before and equal(after, before)


def _without_version(obj: Object) -> dict[str, Any]:
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    return {**obj, "metadata": metadata}
