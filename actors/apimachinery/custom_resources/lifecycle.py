"""From a CRD's creation to its end, as pure decisions: what to write next about each definition.

A new CRD has its names accepted and is established. One that is being deleted (it has the finalizer since then) has
its instances deleted, and goes when the last of them has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.apimachinery.custom_resources.definition import CRDS, ESTABLISHED, TERMINATING, condition_is_true
from actors.apimachinery.custom_resources.naming import NamesInUse, condition, settled_status, with_conditions
from actors.apimachinery.operation import Object, Operation

CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"


def marked_for_deletion(crd: Object, now_s: float) -> Object:
    """A CRD whose deletion was asked for just now: with the finalizer, and the condition that tells it."""
    finalizers = crd["metadata"].get("finalizers") or []
    if CLEANUP not in finalizers:
        crd = {**crd, "metadata": {**crd["metadata"], "finalizers": [*finalizers, CLEANUP]}}
    message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    terminating = condition(crd, TERMINATING, True, "InstanceDeletionPending", message, now_s)
    return {**crd, "status": {**(crd.get("status") or {}), "conditions": with_conditions(crd, terminating)}}


def next_writes(crds: Sequence[Object], count_instances: Callable[[Object], int], now_s: float) -> list[Operation]:
    """What to write about all definitions, given how many instances each has. Nothing when all is as it should be."""
    current = {crd["metadata"]["name"]: crd for crd in crds}
    writes: list[Operation] = []
    for crd in sorted(crds, key=lambda each: (each["metadata"].get("creationTimestamp", ""), each["metadata"]["name"])):
        name = crd["metadata"]["name"]
        if crd["metadata"].get("deletionTimestamp"):
            writes += _ending(crd, count_instances(crd), now_s)
            continue
        others = [
            other for key, other in current.items() if key != name and other["spec"]["group"] == crd["spec"]["group"]
        ]
        status = settled_status(crd, NamesInUse.of(others), now_s)
        if status != crd.get("status"):
            current[name] = {**crd, "status": status}
            writes.append(_status_update(crd, status))
    return writes


def _status_update(crd: Object, status: Object) -> Operation:
    return Operation("update", CRDS, "", crd["metadata"]["name"], "status", {**crd, "status": status})


def _ending(crd: Object, instances: int, now_s: float) -> list[Operation]:
    finalizers = crd["metadata"].get("finalizers") or ()
    if CLEANUP not in finalizers:
        return []  # somebody else's finalizer holds it
    if instances and condition_is_true(crd, ESTABLISHED):
        message = "CustomResource deletion is in progress"
        terminating = condition(crd, TERMINATING, True, "InstanceDeletionInProgress", message, now_s)
        conditions = with_conditions(crd, terminating)
        writes: list[Operation] = []
        if conditions != (crd.get("status") or {}).get("conditions"):
            writes.append(_status_update(crd, {**(crd.get("status") or {}), "conditions": conditions}))
        return [*writes, Operation("deletecollection", instances_key(crd))]
    kept: Any = [each for each in finalizers if each != CLEANUP] or None
    patch = {"metadata": {"finalizers": kept, "uid": crd["metadata"]["uid"]}}
    patch["metadata"]["resourceVersion"] = crd["metadata"]["resourceVersion"]
    return [Operation("patch", CRDS, "", crd["metadata"]["name"], "", patch, {"patchType": "merge"})]


def instances_key(crd: Object) -> str:
    """A resource whose collection is the CRD's instances: of any version that is served, else of the stored one."""
    spec = crd["spec"]
    version = next((v for v in spec["versions"] if v.get("served")), spec["versions"][0])
    return f"{spec['group']}/{version['name']}/{spec['names']['plural']}"
