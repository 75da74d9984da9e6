"""Custom objects of several versions: stored in one, shown in the one that is asked for (conversion strategy None).

Only apiVersion differs. As Kubernetes does when it reads from etcd, an object is pruned to, and defaulted by, the
schema of the version it is shown in, since it may have been stored under another.
"""

from __future__ import annotations

from actors.apimachinery.custom_resources.defaulting import apply_schema_defaults
from actors.apimachinery.custom_resources.pruning import prune
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.resources import Resource
from actors.apiserver.entry import Entry
from actors.apiserver.write import Answer, Commit, Outcome, Plan


def shown_entry(resource: Resource, entry: Entry) -> Entry:
    """A stored state as the resource's version has it."""
    custom = resource.custom
    if custom is None or custom.stored_as_shown or entry.blob is None:
        return entry
    if entry.shown is not None and entry.shown[0] is custom:
        return entry.shown[1] or entry
    shown = _shown(resource, entry.object)
    if shown == entry.object:
        entry.shown = (custom, None)
        return entry
    made = Entry(encode_object(shown), entry.revision, entry.create_revision, shown)
    entry.shown = (custom, made)
    return made


def _shown(resource: Resource, obj: Object) -> Object:
    custom = resource.custom
    if custom is None:
        return obj
    shown, _ = prune({**obj, "apiVersion": resource.api_version}, custom.schema)
    apply_schema_defaults(shown, custom.schema)
    return shown


def stored_object(resource: Resource, obj: Object) -> Object:
    """An object as it is stored: in the storage version."""
    custom = resource.custom
    if custom is None or custom.storage_api_version == obj.get("apiVersion"):
        return obj
    return {**obj, "apiVersion": custom.storage_api_version}


def is_stored_so(resource: Resource, state: Entry) -> bool:
    """Whether what is stored is of the storage version; else even an update that changes nothing is written."""
    custom = resource.custom
    return custom is None or bool(state.object.get("apiVersion") == custom.storage_api_version)


def shown_plan(resource: Resource, plan: Plan) -> Plan:
    """A plan whose answer shows the object in the resource's version. What is written stays."""
    custom = resource.custom
    if custom is None or custom.stored_as_shown:
        return plan
    if isinstance(plan, Commit):
        answer = plan.answer if plan.answer is not None else plan.blob
        if answer is not None:
            plan.answer = shown_entry(resource, Entry(answer, 0, 0)).data
        return plan
    outcome = plan.outcome
    blobs = [shown_entry(resource, Entry(blob, 0, 0)).data for blob in outcome.blobs]
    return Answer(Outcome(outcome.code, outcome.revision, blobs, outcome.revisions, outcome.status, outcome.extra))
