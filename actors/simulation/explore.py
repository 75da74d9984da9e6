"""Plans from causality: a fault-free run is recorded, and schedules are made from its messages, one fault each.

- *crash between writes*: each batch of k writes of each actor, carried out up to the i-th, then the actor crashes
- *hidden* and *late* events: each watch event, lost on its way to a reader, or held back
- *restart*: each actor that reads the API, crashing as it is told of an event

Schedules that differ only in what cannot matter are run once:

- a publication without events (a progress mark) tells nobody anything: not disturbed
- events that read alike (kind of change, kind of object, owner, phase, bound or not) for the same reader: the pods of a
  ReplicaSet are interchangeable, so one stands for all
- nodes are interchangeable, too
- batches with the same verbs on the same kinds, cut at the same place, likewise
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from actors.apimachinery.operation import OPERATE
from actors.simulation.cluster import CLIENT
from actors.simulation.fault_plan import MESSAGE_KIND_NAMES, Step
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.interception import APISERVER, MessageKey
from actors.simulation.message_surgery import writes_in
from actors.simulation.run import execute
from actors.simulation.schedule import Schedule
from actors.simulation.workload import deployment_manifest
from broker.message import KIND_PUBLICATION, KIND_REQUEST, unpack

#: How long a late event is held back.
LATE_S: Final = 2.0
DURATION_S: Final = 12.0
_NODE: Final = re.compile(r"node-\d+")
#: Collections whose events nobody acts on in a way that a rollout depends on.
UNINTERESTING: Final = ("events", "leases")

#: What makes schedules equivalent: the kind of fault, the actor, and what the message says, names left out.
Class = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule's one fault, and the class of those that are like it."""

    step: Step
    alike: Class


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was made of a run."""

    baseline: Schedule
    generated: int
    schedules: tuple[Schedule, ...]
    """Those to run: one of each class."""

    @property
    def pruned(self) -> int:
        """Schedules that are like one that is run."""
        return self.generated - len(self.schedules)


def rollout(seed: int, nodes: int) -> Schedule:
    """A Deployment's rollout: created, its image changed, scaled."""
    steps = (
        Step(0.0, "create", {"manifest": deployment_manifest("web", 3, "nginx:1.25")}),
        Step(4.0, "set-image", {"name": "web", "image": "nginx:1.26"}),
        Step(8.0, "scale", {"name": "web", "replicas": 5}),
    )
    return Schedule(seed, nodes, DURATION_S, FaultProfile(), steps)


def plan(baseline: Schedule) -> Exploration:
    """Record the run without faults, and make the schedules. Raises `ValueError` when it fails all by itself."""
    candidates: list[Candidate] = []

    def observe(key: MessageKey, frames: Sequence[bytes]) -> None:
        candidates.extend(_candidates(key, frames))

    report = execute(baseline, observe)
    if report.failure is not None:
        raise ValueError(f"the run fails without any fault: {report.failure.kind}: {report.failure.details[0]}")
    chosen: dict[Class, Step] = {}
    for candidate in candidates:
        chosen.setdefault(candidate.alike, candidate.step)
    schedules = tuple(replace(baseline, steps=(*baseline.steps, step)) for step in chosen.values())
    return Exploration(baseline, len(candidates), schedules)


def _candidates(key: MessageKey, frames: Sequence[bytes]) -> list[Candidate]:
    sender, receiver, kind, subject, _ = key
    if kind == KIND_REQUEST and subject == OPERATE and sender != CLIENT:
        writes = writes_in(frames)
        shape = tuple((w[0], w[1], w[4]) for w in writes if w[1].rpartition("/")[2] not in UNINTERESTING)
        if not shape:
            return []
        return [
            Candidate(_step(key, "cut", keep=keep), ("cut", _any_node(sender), shape, keep))
            for keep in range(len(unpack(frames[1])) + 1)
        ]
    if kind != KIND_PUBLICATION or sender != APISERVER or not subject.startswith("watch/"):
        return []
    _, events, _ = unpack(frames[1])
    if not events or _collection(subject) in UNINTERESTING:
        return []
    what = tuple(_gist(event, blob) for event, blob in zip(events, frames[2:], strict=True))
    return [
        Candidate(_step(key, fault, **details), (fault, _any_node(receiver), _any_node(subject), what))
        for fault, details in (("drop", {}), ("delay", {"delay_s": LATE_S}), ("crash-receiver", {}))
        if (fault, receiver) != ("crash-receiver", CLIENT)
    ]


def _any_node(name: str) -> str:
    return _NODE.sub("node-*", name)


def _collection(topic: str) -> str:
    return topic.split("|")[0].rpartition("/")[2]


def _gist(event: Sequence[Any], blob: bytes) -> tuple[Any, ...]:
    """What an event says, names and times left out."""
    obj = unpack(blob)
    metadata, status = obj["metadata"], obj.get("status") or {}
    owner = next((ref["name"] for ref in metadata.get("ownerReferences") or ()), "")
    counts = tuple(sorted((k, v) for k, v in status.items() if isinstance(v, int) and k != "observedGeneration"))
    return (
        event[0],
        obj.get("kind"),
        owner or metadata["name"],
        "deletionTimestamp" in metadata,
        bool((obj.get("spec") or {}).get("nodeName")),
        (obj.get("spec") or {}).get("replicas"),
        status.get("phase"),
        counts,
    )


def _step(key: MessageKey, fault: str, **details: Any) -> Step:
    sender, receiver, kind, subject, n = key
    where = {"sender": sender, "receiver": receiver, "kind": MESSAGE_KIND_NAMES[kind], "subject": subject, "n": n}
    return Step(0.0, "message", {**where, "fault": fault, **details})
