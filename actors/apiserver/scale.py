"""The scale subresource: replicas of a workload as an ``autoscaling/v1`` Scale."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.selector import LabelSelector
from actors.apimachinery.status import FieldError, bad_request, conflict, invalid
from actors.apiserver.call import Call
from actors.apiserver.entry import Entry
from actors.apiserver.update import Change, plan_update
from actors.apiserver.write import Answer, Commit, Outcome, Plan

API_VERSION: Final = "autoscaling/v1"
_METADATA: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(obj: Object) -> Object:
    """The Scale of a workload."""
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


def plan_scale(call: Call, change: Change, state: Entry) -> Plan:
    """Set the replicas to what the changed Scale says. Raises `ApiError`."""
    if not state.exists:
        raise call.not_found()
    scale = scale_of(state.object)
    wanted = change(scale)
    replicas = _replicas(call, wanted)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version and version not in ("0", scale["metadata"]["resourceVersion"]):
        raise conflict(call.resource.plural, call.resource.group, call.name)
    planned = plan_update(call, lambda obj: {**obj, "spec": {**obj["spec"], "replicas": replicas}}, state)
    if isinstance(planned, Commit):
        shown = planned.object if planned.object is not None else state.object
        planned.answer = encode_object(scale_of(shown))
        return planned
    return Answer(Outcome(200, state.revision, [encode_object(scale)], [state.revision]))


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
