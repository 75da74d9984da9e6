"""The scale subresource: replicas of a workload as an ``autoscaling/v1`` Scale."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.custom_resources.definition import ScaleColumns, at_path
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.resources import Resource
from actors.apimachinery.selector import LabelSelector
from actors.apimachinery.status import FieldError, bad_request, conflict, invalid
from actors.apiserver.apply import as_merged, merged_into
from actors.apiserver.call import Call, object_body
from actors.apiserver.conversion import shown_entry
from actors.apiserver.entry import Entry
from actors.apiserver.update import Change, plan_update
from actors.apiserver.write import Answer, Commit, Outcome, Plan

API_VERSION: Final = "autoscaling/v1"
_METADATA: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(resource: Resource, obj: Object) -> Object:
    """The Scale of a workload, or of a custom object whose CRD says where it has its replicas."""
    scale = resource.custom.scale if resource.custom is not None else None
    if scale is not None:
        return _custom_scale(scale, obj)
    metadata = {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]}
    spec = obj.get("spec") or {}
    status: Object = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    selector = spec.get("selector")
    if obj["kind"] == "ReplicationController":
        status["selector"] = ",".join(f"{key}={value}" for key, value in sorted((selector or {}).items()))
    elif selector:
        status["selector"] = str(LabelSelector.from_object(selector))
    return {
        "apiVersion": API_VERSION,
        "kind": "Scale",
        "metadata": metadata,
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": status,
    }


def _custom_scale(scale: ScaleColumns, obj: Object) -> Object:
    status: Object = {"replicas": at_path(obj, scale.status_replicas) or 0}
    selector = at_path(obj, scale.label_selector) if scale.label_selector else None
    if selector:
        status["selector"] = selector
    return {
        "apiVersion": API_VERSION,
        "kind": "Scale",
        "metadata": {name: obj["metadata"][name] for name in _METADATA if name in obj["metadata"]},
        "spec": {"replicas": at_path(obj, scale.spec_replicas) or 0},
        "status": status,
    }


def _with_replicas(resource: Resource, obj: Object, replicas: int) -> Object:
    """The object asking for so many replicas."""
    scale = resource.custom.scale if resource.custom is not None else None
    path = scale.spec_replicas if scale is not None else ("spec", "replicas")
    changed = inner = dict(obj)
    for name in path[:-1]:
        inner[name] = inner = dict(inner.get(name) or {})
    inner[path[-1]] = replicas
    return changed


def plan_scale_application(call: Call, state: Entry) -> Plan:
    """Apply a Scale: the replicas become the manager's, and nothing else can. Raises `ApiError`."""
    scale = object_body(call, API_VERSION, "Scale")
    if not state.exists:
        raise call.not_found()
    config: Object = {"apiVersion": call.resource.api_version, "kind": call.resource.kind}
    config["metadata"] = {"name": call.name, "namespace": call.namespace} if call.namespace else {"name": call.name}
    if "replicas" in (scale.get("spec") or {}):
        config = _with_replicas(call.resource, config, _replicas(call, scale))
    planned = plan_update(call, lambda live: merged_into(call, live, config), state, as_merged)
    return _shown_as_scale(call.resource, planned, state)


def _shown_as_scale(resource: Resource, planned: Plan, state: Entry) -> Plan:
    if isinstance(planned, Commit):
        shown = planned.object if planned.object is not None else state.object
        planned.answer = encode_object(scale_of(resource, shown))
        return planned
    scale = scale_of(resource, shown_entry(resource, state).object)
    return Answer(Outcome(200, state.revision, [encode_object(scale)], [state.revision]))


def plan_scale(call: Call, change: Change, state: Entry) -> Plan:
    """Set the replicas to what the changed Scale says. Raises `ApiError`."""
    if not state.exists:
        raise call.not_found()
    resource = call.resource
    scale = scale_of(resource, shown_entry(resource, state).object)
    wanted = change(scale)
    replicas = _replicas(call, wanted)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version and version not in ("0", scale["metadata"]["resourceVersion"]):
        raise conflict(call.resource.plural, call.resource.group, call.name)
    planned = plan_update(call, lambda obj: _with_replicas(resource, obj, replicas), state)
    return _shown_as_scale(resource, planned, state)


def _replicas(call: Call, scale: Any) -> int:
    spec = scale.get("spec") if isinstance(scale, dict) else None
    if not isinstance(spec, dict):
        spec = {}
    replicas = spec.get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal into Go struct field '
            "ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        why = "must be greater than or equal to 0"
        raise invalid(
            "Scale", "autoscaling", call.name, [FieldError("FieldValueInvalid", "spec.replicas", why, replicas)]
        )
    return replicas
