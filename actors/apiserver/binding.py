"""pods/binding: a pod gets its node, once (BindingREST of Kubernetes)."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.depth import check_depth
from actors.apimachinery.meta import format_time, is_being_deleted
from actors.apimachinery.operation import Object, encode_object
from actors.apimachinery.status import FieldError, bad_request, conflict, invalid
from actors.apiserver.call import Call
from actors.apiserver.entry import Entry
from actors.apiserver.write import Commit, Plan
from broker.message import pack

_SUCCESS: Final = pack({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})


def read_binding(call: Call) -> Object:
    """The Binding that was posted. Raises `ApiError`."""
    body = call.operation.body
    if not isinstance(body, dict) or not isinstance(body.get("target"), dict):
        raise invalid("Binding", "", call.name, [FieldError("FieldValueRequired", "target.name")])
    check_depth(body)
    target = body["target"]
    if target.get("kind") not in (None, "", "Node"):
        error = FieldError(
            "FieldValueNotSupported", "target.kind", 'supported values: "Node", "<empty>"', target["kind"]
        )
        raise invalid("Binding", "", call.name, [error])
    if not target.get("name") or not isinstance(target["name"], str):
        raise invalid("Binding", "", call.name, [FieldError("FieldValueRequired", "target.name")])
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or metadata.get("name", call.name) != call.name:
        raise bad_request("the name in the binding must be the pod's name")
    return body


def plan_binding(call: Call, binding: Object, state: Entry) -> Plan:
    """Set the pod's node and its PodScheduled condition. Raises `ApiError` (404, 409)."""
    if not state.exists:
        raise call.not_found()
    pod = state.object
    _check_bindable(call, binding, pod)
    spec: dict[str, Any] = {**(pod.get("spec") or {}), "nodeName": binding["target"]["name"]}
    metadata = dict(pod["metadata"])
    annotations = (binding.get("metadata") or {}).get("annotations")
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    status = {**(pod.get("status") or {})}
    status["conditions"] = _scheduled(status.get("conditions") or [], format_time(call.now_s))
    status.pop("nominatedNodeName", None)
    bound = {**pod, "metadata": metadata, "spec": spec, "status": status}
    return Commit(encode_object(bound), 201, answer=_SUCCESS, object=bound)


def _check_bindable(call: Call, binding: Object, pod: Object) -> None:
    uid = (binding.get("metadata") or {}).get("uid")
    if uid and uid != pod["metadata"].get("uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata'].get('uid', '')}"
        raise conflict("pods", "", call.name, why)
    spec = pod.get("spec") or {}
    why = ""
    if is_being_deleted(pod):
        why = f"pod {call.name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {call.name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {call.name} has non-empty .spec.schedulingGates"
    if why:
        raise conflict("pods/binding", "", call.name, why)


def _scheduled(conditions: list[Object], now: str) -> list[Object]:
    """The conditions with PodScheduled true."""
    known = next((c for c in conditions if c.get("type") == "PodScheduled"), None)
    if known is not None and known.get("status") == "True":
        return conditions
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
    return [*(c for c in conditions if c.get("type") != "PodScheduled"), condition]
