"""Delete: plans what `deletion` decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.apimachinery.operation import encode_object
from actors.apiserver.call import Call
from actors.apiserver.deletion import Mark, Pending, check_options, check_preconditions, deletion_of
from actors.apiserver.entry import Entry
from actors.apiserver.namespaces import check_deletable
from actors.apiserver.write import Answer, Commit, Outcome, Plan


def delete_options(call: Call) -> Mapping[str, Any]:
    """The options, from the operation and from a DeleteOptions body. Raises `ApiError` (400)."""
    options: dict[str, Any] = dict(call.operation.options)
    body = call.operation.body
    if isinstance(body, dict):
        for name in ("propagationPolicy", "gracePeriodSeconds", "preconditions", "orphanDependents"):
            if body.get(name) is not None:
                options.setdefault(name, body[name])
    check_options(options)
    orphan = options.pop("orphanDependents", None)
    if orphan is not None:
        options["propagationPolicy"] = "Orphan" if orphan else "Background"
    if call.resource.key == "v1/namespaces":
        check_deletable(call.name)
    return options


def plan_delete(call: Call, options: Mapping[str, Any], state: Entry) -> Plan:
    """Delete the object, or mark it. Raises `ApiError` (404, 409)."""
    if not state.exists:
        raise call.not_found()
    obj = state.object
    check_preconditions(call.resource, obj, options)
    decided = deletion_of(call.resource, obj, options, call.now_s)
    if isinstance(decided, Mark):
        return Commit(encode_object(decided.object), object=decided.object)
    if isinstance(decided, Pending):
        return Answer(Outcome(200, state.revision, [state.data], [state.revision]))
    return Commit(None, answer=state.data, extra={"removed": True})
