"""Update and patch: a new state computed from the old, put in its place if it is still there.

The same function serves both, and the status subresource: what differs is where the new object comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from actors.apimachinery.defaults import apply_defaults
from actors.apimachinery.depth import check_depth
from actors.apimachinery.json_patch import apply_json_patch
from actors.apimachinery.merge_patch import apply_merge_patch
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError, bad_request, conflict, invalid, status_failure
from actors.apimachinery.strategic_merge import apply_strategic_merge
from actors.apimachinery.strategy import is_unchanged, prepare_for_update, validate_update
from actors.apiserver.admission import keep_cluster_ip
from actors.apiserver.call import Call, check_size, object_body
from actors.apiserver.conversion import is_stored_so, shown_entry, stored_object
from actors.apiserver.decoding import decoded
from actors.apiserver.deletion import is_finished
from actors.apiserver.entry import Entry
from actors.apiserver.field_managers import (
    MANAGED_FIELDS,
    Record,
    record_update,
    shown_to_clients,
    speaks_of_managers,
    with_text,
)
from actors.apiserver.write import Answer, Commit, Outcome, Plan

#: Makes the wanted object from the present one.
Change = Callable[[Object], Object]

_PATCH_TYPES: Final = ("json", "merge", "strategic")


def replacement(call: Call) -> Change:
    """The change of an update: the client's object replaces the present one. Raises `ApiError`."""
    body = object_body(call, call.resource.api_version, call.resource.kind)
    metadata = body["metadata"]
    name = metadata.get("name")
    if name != call.name:
        raise bad_request(f"the name of the object ({name or ''}) does not match the name on the URL ({call.name})")
    if call.resource.namespaced and metadata.get("namespace", call.namespace) != call.namespace:
        raise bad_request(
            f"the namespace of the object ({metadata['namespace']}) does not match the namespace on the URL "
            f"({call.namespace})"
        )
    return lambda _: body


def patching(call: Call) -> Change:
    """The change of a patch. Raises `ApiError` (415) for types that aren't supported."""
    patch_type = call.operation.options.get("patchType") or "merge"
    patch = call.operation.body
    if patch_type not in _PATCH_TYPES:
        accepted = ", ".join(f"application/{kind}-patch+json" for kind in ("json", "merge", "strategic-merge"))
        message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise ApiError(status_failure(415, "UnsupportedMediaType", message))
    check_depth(patch if isinstance(patch, (dict, list)) else [])
    resource = call.resource
    if patch_type == "json":
        change: Change = lambda obj: apply_json_patch(obj, patch)  # noqa: E731
    elif patch_type == "merge":
        change = lambda obj: apply_merge_patch(obj, patch)  # noqa: E731
    else:
        change = lambda obj: apply_strategic_merge(obj, patch, resource)  # noqa: E731
    if speaks_of_managers(patch):
        return lambda obj: change(shown_to_clients(obj))
    return change


def plan_update(call: Call, change: Change, state: Entry, record: Record = record_update) -> Plan:
    """Change the object. Raises `ApiError`."""
    if not state.exists:
        raise call.not_found()
    resource = call.resource
    old = shown_entry(resource, state).object
    wanted = change(old)
    _check_identity(call, wanted, old)
    sent = wanted["metadata"].get(MANAGED_FIELDS)
    new, warnings = decoded(call, wanted)
    for name in ("apiVersion", "kind"):
        new.setdefault(name, old[name])  # a patch may take them out; an object is never without
    apply_defaults(resource, new)
    _settle_metadata(call, new, old)
    if resource.key == "v1/services":
        keep_cluster_ip(new, old)
    subresource = call.operation.subresource
    prepare_for_update(resource, new, old, subresource)
    if call.vet is not None:
        call.vet(call, new, old)
    errors = validate_update(resource, new, old, subresource)
    if errors:
        raise invalid(resource.kind, resource.group, call.name, errors)
    with_text(new, record(call, sent, old, new))
    return stored_change(resource, new, state, warnings)


def stored_change(resource: Resource, new: Object, state: Entry, warnings: list[str] | None = None) -> Plan:
    """Store a changed object: nothing when it is the same, and a delete when it only waited for its finalizers."""
    extra = {"warnings": warnings} if warnings else None
    old = shown_entry(resource, state).object
    if is_finished(resource, new) and not is_finished(resource, old):
        return Commit(None, answer=encode_object(new), extra={**(extra or {}), "removed": True})
    stored = stored_object(resource, new)
    blob = encode_object(stored)
    if blob == state.blob or (is_unchanged(new, old) and is_stored_so(resource, state)):
        return Answer(Outcome(200, state.revision, [state.data], [state.revision], None, extra))
    check_size(blob)
    return Commit(blob, object=stored, extra=extra)


def _check_identity(call: Call, wanted: Object, old: Object) -> None:
    """The object meant must be this one, in the state the client knows, if it says which."""
    resource = call.resource
    metadata = wanted.get("metadata")
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    known = old["metadata"]
    if metadata.get("name") != known["name"]:
        message = f"the name of the object ({metadata.get('name', '')}) does not match the name on the URL"
        raise bad_request(f"{message} ({known['name']})")
    uid = metadata.get("uid")
    if uid and uid != known.get("uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {known.get('uid', '')}"
        raise conflict(resource.plural, resource.group, call.name, why)
    version = metadata.get("resourceVersion")
    if version and version != "0" and version != known["resourceVersion"]:
        raise conflict(resource.plural, resource.group, call.name)
    stated = (wanted.get("apiVersion", old.get("apiVersion")), wanted.get("kind", old.get("kind")))
    if stated != (old.get("apiVersion"), old.get("kind")):
        raise bad_request(f"the kind of the object ({stated[0]}, {stated[1]}) does not match what is stored")


def _settle_metadata(call: Call, new: Object, old: Object) -> None:
    metadata = new["metadata"]
    if call.resource.namespaced:
        metadata.setdefault("namespace", old["metadata"].get("namespace", call.namespace))
    metadata.pop("resourceVersion", None)
