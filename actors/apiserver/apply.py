"""Server-side apply: a patch that creates what isn't there (``PATCH`` with ``application/apply-patch+yaml``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.apimachinery.depth import check_depth
from actors.apimachinery.managed_fields.apply import apply
from actors.apimachinery.managed_fields.conflict import FieldConflict, conflict_error
from actors.apimachinery.managed_fields.field_type import field_type_of
from actors.apimachinery.managed_fields.last_applied import KUBECTL, may_be_taken, with_last_applied
from actors.apimachinery.managed_fields.managers import APPLY, NOBODY, managers_of, text_of
from actors.apimachinery.managed_fields.well_formed import check_shape
from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.apimachinery.status import ApiError, bad_request, conflict, status_failure
from actors.apiserver.call import Call
from actors.apiserver.create import NewObject, own_uid, plan_create
from actors.apiserver.entry import Entry
from actors.apiserver.field_managers import MANAGED_FIELDS, manager_id, manager_name, with_text
from actors.apiserver.update import plan_update
from actors.apiserver.write import Answer, Outcome, Plan


def applied_config(call: Call) -> Object:
    """The object that is applied, looked over. Raises `ApiError` (400)."""
    config = call.operation.body
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: the applied configuration must be an object")
    check_depth(config)
    resource = call.resource
    if config.get("apiVersion") != resource.api_version:
        stated = config.get("apiVersion") or ""
        message = "Incorrect version specified in apply patch. Specified patch version: "
        raise bad_request(f"{message}{stated}, expected: {resource.api_version}")
    if config.get("kind") != resource.kind:
        stated = config.get("kind") or ""
        raise bad_request(f"invalid object type: {resource.group}/{resource.version}, Kind={stated}")
    metadata = config.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    if metadata.get(MANAGED_FIELDS):
        raise bad_request("metadata.managedFields must be nil")
    _check_names(call, metadata)
    problem = check_shape(config, field_type_of(resource))
    if problem:
        kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
        where = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {kind}"
        # A reason isn't given, as in Kubernetes, which calls it an error of its own (500); it is the client's.
        message = f"failed to create typed patch object ({where}): {problem}"
        raise ApiError(status_failure(400, "", message))
    return config


def _check_names(call: Call, metadata: Object) -> None:
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if name and name != call.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.name})")
    if call.resource.namespaced and namespace and namespace != call.namespace:
        raise bad_request(
            f"the namespace of the object ({namespace}) does not match the namespace on the URL ({call.namespace})"
        )


def _named(call: Call, config: Object) -> Object:
    """The configuration with the names that the URL states."""
    metadata = {**(config.get("metadata") or {}), "name": call.name}
    if call.resource.namespaced:
        metadata["namespace"] = call.namespace
    return {**config, "metadata": metadata}


def merged_into(call: Call, live: Object, config: Object) -> Object:
    """The object with what is applied, its managers' text included; itself if nothing changes. Raises `ApiError`."""
    resource = call.resource
    managers = managers_of(live["metadata"].get(MANAGED_FIELDS, ""))
    own_id, now = manager_id(call, APPLY), format_time(call.now_s)
    force = bool(call.operation.options.get("force"))
    by_kubectl = manager_name(call) == KUBECTL
    plain = {**live, "metadata": {k: v for k, v in live["metadata"].items() if k != MANAGED_FIELDS}}
    try:
        result = apply(managers, plain, config, resource, own_id, now, force=force)
    except FieldConflict as found:
        left = found.without(may_be_taken(live, resource)) if by_kubectl else found.conflicts
        if left:
            raise conflict_error(left) from None
        result = apply(managers, plain, config, resource, own_id, now, force=True)
    if result is None:
        return live
    merged, after = result
    merged = {**merged, "metadata": dict(merged["metadata"])}
    if by_kubectl:
        merged = with_last_applied(merged, live, config)
    with_text(merged, text_of(after))
    return merged


def plan_apply(call: Call, config: Object, make: Callable[[Object, str], NewObject], states: Sequence[Entry]) -> Plan:
    """Apply to what is there, or create it; `make` makes the new object. Raises `ApiError`."""
    config = _named(call, config)
    existing = states[0]
    if existing.exists and existing.object["metadata"].get("uid") == own_uid(call, call.name):
        # The operation was delivered before, and created it then.
        return Answer(Outcome(201, existing.revision, [existing.data], [existing.revision]))
    if existing.exists:
        return plan_update(call, lambda live: merged_into(call, live, config), existing, as_merged)
    if call.operation.subresource:
        raise call.not_found()
    uid = config["metadata"].get("uid")
    if uid:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(call.resource.plural, call.resource.group, call.name, why)
    own_id, now = manager_id(call, APPLY), format_time(call.now_s)
    result = apply(NOBODY, {"metadata": {}}, config, call.resource, own_id, now, force=True)
    text = text_of(result[1]) if result is not None else ""
    return plan_create(call, make(config, text), states)


def as_merged(_call: Call, sent: object, _old: Object, _new: Object) -> str:
    """What applying made of the managers is final."""
    return sent if isinstance(sent, str) else ""
