"""namespaces/finalize: the update by which a namespace's finalizers are taken off, and the namespace ends."""

from __future__ import annotations

from collections.abc import Callable

from actors.apimachinery.status import conflict
from actors.apiserver.call import Call
from actors.apiserver.entry import Entry
from actors.apiserver.update import replacement, stored_change
from actors.apiserver.write import Plan


def finalization(call: Call) -> Callable[[Entry], Plan]:
    """What it plans: only the finalizers of the spec change."""
    change = replacement(call)

    def plan(state: Entry) -> Plan:
        if not state.exists:
            raise call.not_found()
        old = state.object
        wanted = change(old)
        version = wanted["metadata"].get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            raise conflict(call.resource.plural, call.resource.group, call.name)
        spec = {**(old.get("spec") or {}), "finalizers": (wanted.get("spec") or {}).get("finalizers") or []}
        if not spec["finalizers"]:
            del spec["finalizers"]
        return stored_change(call.resource, {**old, "metadata": dict(old["metadata"]), "spec": spec}, state)

    return plan
