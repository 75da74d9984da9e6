"""What deleting an object means for it: gone at once, or marked and waiting (registry.Store.Delete of Kubernetes).

An object stays, with a deletionTimestamp, while it has finalizers; a pod that runs on a node also for its grace period,
until its kubelet deletes it with a grace period of 0. A namespace stays while its spec has finalizers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.custom_resources.definition import CRDS
from actors.apimachinery.custom_resources.lifecycle import marked_for_deletion
from actors.apimachinery.meta import format_time, parse_time
from actors.apimachinery.operation import Object
from actors.apimachinery.request_options import check_delete_options
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import bad_request, conflict

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"


@dataclass(frozen=True, slots=True)
class Remove:
    """The object goes now."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The object is changed and stays for now."""

    object: Object


@dataclass(frozen=True, slots=True)
class Pending:
    """The object waits already; nothing changes."""


Deletion = Remove | Mark | Pending


def check_options(options: Mapping[str, Any]) -> None:
    """Raises `ApiError` (400, 422) for options that mean nothing."""
    check_delete_options(options)
    grace = options.get("gracePeriodSeconds")
    if grace is not None and (type(grace) is not int or not -(2**63) <= grace < 2**63):
        raise bad_request("gracePeriodSeconds must be a whole number")


def check_preconditions(resource: Resource, obj: Object, options: Mapping[str, Any]) -> None:
    """Raises `ApiError` (409) when the object is not the one the caller means."""
    preconditions = options.get("preconditions") or {}
    metadata = obj["metadata"]
    for option, field, shown in (("uid", "uid", "UID"), ("resourceVersion", "resourceVersion", "ResourceVersion")):
        wanted = preconditions.get(option)
        actual = metadata.get(field, "")
        if wanted is not None and wanted != actual:
            why = f"Precondition failed: {shown} in precondition: {wanted}, {shown} in object meta: {actual}"
            raise conflict(resource.plural, resource.group, metadata["name"], why)


def deletion_of(resource: Resource, obj: Object, options: Mapping[str, Any], now_s: float) -> Deletion:
    """What deleting does to the object. Pure; the object is left alone."""
    if resource.key == "v1/namespaces":
        return _namespace_deletion(obj, options, now_s)
    grace = options.get("gracePeriodSeconds")
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        left = metadata.get("deletionGracePeriodSeconds") or 0
        if left:
            if grace is None or grace >= left:
                return Pending()
            return _shortened(obj, options, left, max(grace, 0))
        return _ungraceful(obj, options, now_s)
    if resource.key == CRDS:
        return _ungraceful(marked_for_deletion(obj, now_s), options, now_s)
    if resource.key == "v1/pods":
        period = _pod_grace_s(obj, grace)
        if period > 0:
            return Mark(_marked(_with_finalizers(obj, options), now_s + period, period))
    return _ungraceful(obj, options, now_s)


def _pod_grace_s(pod: Object, requested: int | None) -> int:
    """How long a pod may take to stop: nothing when it never started or is done."""
    spec = pod.get("spec") or {}
    if not spec.get("nodeName") or (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return 0
    period: int = requested if requested is not None else spec.get("terminationGracePeriodSeconds", 30)
    return 1 if period < 0 else period


def _ungraceful(obj: Object, options: Mapping[str, Any], now_s: float) -> Deletion:
    """Without a grace period: finalizers alone can hold it."""
    changed = _with_finalizers(obj, options)
    if not changed["metadata"].get("finalizers"):
        return Remove()
    if obj["metadata"].get("deletionTimestamp"):
        same = changed["metadata"].get("finalizers") == obj["metadata"].get("finalizers")
        if same and obj["metadata"].get("deletionGracePeriodSeconds") == 0:
            return Pending()
        return Mark({**changed, "metadata": {**changed["metadata"], "deletionGracePeriodSeconds": 0}})
    return Mark(_marked(changed, now_s, 0))


def _shortened(obj: Object, options: Mapping[str, Any], left: int, grace: int) -> Deletion:
    changed = _with_finalizers(obj, options)
    if grace == 0 and not changed["metadata"].get("finalizers"):
        return Remove()
    began_s = parse_time(obj["metadata"]["deletionTimestamp"]) - left
    metadata = {
        **changed["metadata"],
        "deletionTimestamp": format_time(began_s + grace),
        "deletionGracePeriodSeconds": grace,
    }
    return Mark({**changed, "metadata": metadata})


def _marked(obj: Object, at_s: float, grace: int) -> Object:
    """Being deleted from now on: a change of what is wanted, so the generation grows where there is one."""
    metadata = {**obj["metadata"], "deletionTimestamp": format_time(at_s), "deletionGracePeriodSeconds": grace}
    if metadata.get("generation"):
        metadata["generation"] += 1
    return {**obj, "metadata": metadata}


def _with_finalizers(obj: Object, options: Mapping[str, Any]) -> Object:
    """The object with the garbage collector's finalizers as the propagation policy has them."""
    policy = options.get("propagationPolicy")
    finalizers = obj["metadata"].get("finalizers") or []
    orphan = policy == "Orphan" or (not policy and ORPHAN in finalizers)
    foreground = policy == "Foreground" or (not policy and FOREGROUND in finalizers)
    wanted = [name for name in finalizers if name not in (ORPHAN, FOREGROUND)]
    wanted += [ORPHAN] * orphan + [FOREGROUND] * foreground
    if sorted(wanted) == sorted(finalizers):
        return obj
    metadata = {key: value for key, value in obj["metadata"].items() if key != "finalizers"}
    if wanted:
        metadata["finalizers"] = wanted
    return {**obj, "metadata": metadata}


def _namespace_deletion(obj: Object, options: Mapping[str, Any], now_s: float) -> Deletion:
    if not obj["metadata"].get("deletionTimestamp"):
        marked = _marked(_with_finalizers(obj, options), now_s, 0)
        if not (obj.get("spec") or {}).get("finalizers") and not marked["metadata"].get("finalizers"):
            return Remove()
        return Mark({**marked, "status": {**(obj.get("status") or {}), "phase": "Terminating"}})
    if (obj.get("spec") or {}).get("finalizers") or obj["metadata"].get("finalizers"):
        return Pending()
    return Remove()


def is_finished(resource: Resource, obj: Object) -> bool:
    """Whether an object that is being deleted has nothing left to wait for, and so goes with this update."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if resource.key == "v1/namespaces" and (obj.get("spec") or {}).get("finalizers"):
        return False
    return metadata.get("deletionGracePeriodSeconds") in (None, 0)
