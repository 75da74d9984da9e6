"""From hops to the ten steps: follow the causes from a client's write to the containers it made run. Pure.

The steps, and how a hop is known to be one (every hop belongs to the chain because its cause does):

     1  a client's write to the object that is traced (the newest one that wasn't a controller's)
     2  the watch reaches the Deployment controller       3  its write of a ReplicaSet
     4  the watch reaches the ReplicaSet controller       5  its write of a Pod
     6  the watch reaches the scheduler                   7  its binding
     8  the watch reaches the kubelet                     9  its calls to the container runtime
    10  its write of the Pod's status

An even step has no hop of its own: it is the arrival that the following hop names as its cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from actors.tracer.record import COMMIT, RUNTIME, Hop

DEPLOYMENT_CONTROLLER: Final = "deployment-controller"
REPLICASET_CONTROLLER: Final = "replicaset-controller"
SCHEDULER: Final = "scheduler"

DEPLOYMENTS: Final = "apps/v1/deployments"
REPLICASETS: Final = "apps/v1/replicasets"
PODS: Final = "v1/pods"


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the chain."""

    step: int
    """1 to 10."""
    actor: str
    """Who acted: the sender of a write, or the receiver of a watch event."""
    message: str
    object: str
    revision: int
    """Store revision that was written, or that the watch told of; 0 for a call to the runtime."""
    since_start_s: float
    """When it was done, since the API server received step 1."""
    took_s: float
    """How long it took: a write from receipt to commit; a watch from commit to arrival."""
    id: str
    cause: str

    def plain(self) -> dict[str, Any]:
        return asdict(self)


class Trace:
    """All hops that are known, indexed."""

    def __init__(self, hops: Iterable[Hop]) -> None:
        self.hops = list(hops)
        self._by_id = {hop.id: hop for hop in self.hops}
        self._by_revision = {hop.revision: hop for hop in self.hops if hop.kind == COMMIT}
        self._caused: dict[str, list[Hop]] = {}
        for hop in self.hops:
            cause = self.cause_of(hop)
            if cause is not None:
                self._caused.setdefault(cause.id, []).append(hop)

    def cause_of(self, hop: Hop) -> Hop | None:
        """The hop that made this one's sender act, if it is known."""
        if hop.cause_id.startswith("@"):
            return self._by_revision.get(int(hop.cause_id[1:]))
        return self._by_id.get(hop.cause_id)

    def done_s(self, hop: Hop) -> float:
        """When a hop was done: when its sender was answered, or when somebody acted on it already, if that was before
        (the store's watchers hear of a commit at the same time as the API server that asked for it)."""
        arrivals = [each.cause_at_s for each in self.caused_by(hop) if each.cause_at_s >= hop.received_s]
        return min([hop.done_s, *arrivals])

    def caused_by(self, hop: Hop) -> list[Hop]:
        """The hops whose senders acted on this one."""
        return self._caused.get(hop.id, [])

    def roots(self, resource: str, namespace: str, name: str) -> list[Hop]:
        """The writes to an object that nobody's message caused, oldest first: what users did to it."""
        return [
            hop
            for hop in self.hops
            if hop.kind == COMMIT
            and hop.resource == resource
            and hop.namespace == namespace
            and hop.name == name
            and hop.subresource in ("", "scale")
            and not hop.cause_id
        ]

    def writes_of(self, resource: str, namespace: str, name: str) -> list[Hop]:
        """All writes to an object, oldest first."""
        return [
            hop
            for hop in self.hops
            if hop.kind == COMMIT and (hop.resource, hop.namespace, hop.name) == (resource, namespace, name)
        ]

    def chain(self, root: Hop) -> list[Hop]:
        """The root and everything it led to, by cause, in order of time."""
        found = {root.id: root}
        waiting = [root]
        while waiting:
            for hop in self.caused_by(waiting.pop()):
                if hop.id not in found:
                    found[hop.id] = hop
                    waiting.append(hop)
        return sorted(found.values(), key=lambda hop: (hop.done_s, hop.revision))


def step_of(hop: Hop) -> int:
    """Which of the ten steps a hop is, other than the first; 0 for none (status bookkeeping, events)."""
    if hop.kind == RUNTIME:
        return 9
    if hop.sender == DEPLOYMENT_CONTROLLER and hop.resource == REPLICASETS:
        return 3
    if hop.resource != PODS:
        return 0
    if hop.sender == SCHEDULER:
        return 7 if hop.subresource == "binding" else 0
    if hop.subresource == "status" and _is_kubelet(hop.sender):
        return 10
    if hop.verb in ("create", "delete") and not _is_kubelet(hop.sender):
        return 5
    return 0


def _is_kubelet(actor: str) -> bool:
    return actor.startswith("kubelet-") or actor == "hollow-nodes"


def steps_of(trace: Trace, root: Hop) -> list[Step]:
    """The steps of the chain that a write began, in order of step and then of time."""
    start_s = root.received_s
    steps = [_written(1, trace, root, start_s)]
    watched: set[tuple[str, str]] = set()
    for hop in trace.chain(root):
        number = 0 if hop.id == root.id else step_of(hop)
        if number == 0:
            continue
        cause = trace.cause_of(hop)
        arrival = (hop.sender, cause.id) if cause is not None else None
        # Step 10 follows from step 9 in the same actor: no watch lies between.
        if number != 10 and cause is not None and cause.kind == COMMIT and arrival and arrival not in watched:
            watched.add(arrival)
            steps.append(_watched(number - 1, hop, cause, trace.done_s(cause), start_s))
        steps.append(_written(number, trace, hop, start_s))
    return sorted(steps, key=lambda step: (step.step, step.since_start_s))


def _written(number: int, trace: Trace, hop: Hop, start_s: float) -> Step:
    done_s = trace.done_s(hop)
    if hop.kind == RUNTIME:
        what = f"{hop.verb} {hop.container}".strip()
        subject = f"pod/{hop.name}"
    else:
        what = " ".join(part for part in (hop.verb, hop.subresource) if part)
        subject = f"{short_resource(hop.resource)}/{hop.name}"
    return Step(
        step=number,
        actor=hop.sender,
        message=what,
        object=subject,
        revision=hop.revision,
        since_start_s=round(done_s - start_s, 6),
        took_s=round(done_s - hop.received_s, 6),
        id=hop.id,
        cause=hop.cause_id,
    )


def _watched(number: int, hop: Hop, cause: Hop, written_s: float, start_s: float) -> Step:
    return Step(
        step=number,
        actor=hop.sender,
        message="watch",
        object=f"{short_resource(cause.resource)}/{cause.name}",
        revision=cause.revision,
        since_start_s=round(hop.cause_at_s - start_s, 6),
        took_s=round(max(hop.cause_at_s - written_s, 0.0), 6),
        id=cause.id,
        cause=cause.id,
    )


def short_resource(resource: str) -> str:
    """``apps/v1/deployments`` as people write it before a name: ``deployment``."""
    plural = resource.rsplit("/", 1)[-1]
    return plural[:-1] if plural.endswith("s") else plural


def missing_steps(steps: Sequence[Step]) -> list[int]:
    """Which of the steps between the first and the last that are there have no message."""
    present = {step.step for step in steps}
    return [number for number in range(1, max(present, default=0) + 1) if number not in present]
