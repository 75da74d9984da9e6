"""Fences: a write that happens only while its author holds a Lease (the option ``fence`` of operations).

A lease that was taken over has been deleted and made anew, so its uid tells; the check is part of the write's own
transaction. So a write that was delayed on its way is refused once another has taken its author's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from actors.apimachinery.meta import uid_of
from actors.apimachinery.status import bad_request, conflict
from actors.apiserver.call import Call
from actors.apiserver.entry import Entry
from actors.apiserver.write import Plan, Target, Write

_LEASES: Final = "coordination.k8s.io/leases"


class Fence(NamedTuple):
    """Which Lease must stand."""

    namespace: str
    name: str
    uid: str


def read_fence(fence: Any) -> Fence:
    """The option as a client gave it. Raises `ApiError` (400)."""
    if isinstance(fence, dict):
        values = [fence.get(name) for name in Fence._fields]
        if all(isinstance(value, str) and value for value in values):
            return Fence(*values)  # type: ignore[arg-type]
    raise bad_request("fence must name a lease by namespace, name and uid")


def guard(write: Write, fence: Fence, call: Call) -> None:
    """Have a write refused (409) when its lease does not stand as it is committed."""
    plan = write.plan

    def fenced(states: Sequence[Entry]) -> Plan:
        lease = states[-1]
        if not lease.exists or uid_of(lease.object) != fence.uid:
            why = f"the lease {fence.namespace}/{fence.name} has been taken over"
            raise conflict(call.resource.plural, call.resource.group, call.name, why)
        return plan(states[:-1])

    write.plan = fenced
    write.targets = [*write.targets, Target.of(_LEASES, f"{fence.namespace}/{fence.name}")]
    write.watched_by = [*write.watched_by, "create"]
