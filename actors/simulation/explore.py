"""Plans from causality: a fault-free run is recorded, and schedules are made from its messages, one fault each.

- *crash between writes*: each batch of k writes of each actor, carried out up to the i-th, then the actor crashes
- *hidden* and *late* events: each watch event, lost on its way to a reader, or held back
- *restart*: each actor that reads the API, crashing as it is told of an event
- *older view*: the same, and it is back with the view from before that event
- *swap*: each pair of messages that reach an actor one right after the other by different links, none caused by the
  other, the other way round

Schedules that differ only in what cannot matter are run once:

- a publication without events (a progress mark) tells nobody anything: not disturbed
- events that read alike (kind of change, kind of object, owner, phase, bound or not) for the same reader: the pods of a
  ReplicaSet are interchangeable, so one stands for all
- nodes are interchangeable, too
- batches with the same verbs on the same kinds, cut at the same place, likewise
- writes of different objects commute: of all such pairs at the API server one is swapped
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from actors.apimachinery.operation import OPERATE
from actors.simulation.cluster import CLIENT
from actors.simulation.fault_plan import MESSAGE_KIND_NAMES, Step
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.interception import APISERVER, MessageKey
from actors.simulation.message_surgery import writes_in
from actors.simulation.ordered_scale import NAME as ORDERED_SCALE
from actors.simulation.ordered_scale import SETS, set_manifest
from actors.simulation.pairs import Pairs
from actors.simulation.run import Run
from actors.simulation.schedule import Schedule
from actors.simulation.workload import deployment_manifest
from broker.message import KIND_PUBLICATION, KIND_REPLY, KIND_REQUEST, unpack

#: How long a late event is held back.
LATE_S: Final = 2.0
DURATION_S: Final = 12.0
_NODE: Final = re.compile(r"node-\d+")
#: Collections whose events nobody acts on in a way that a rollout depends on.
UNINTERESTING: Final = ("events", "leases")

_LATE_AND_CRASHED: Final[tuple[tuple[str, dict[str, float]], ...]] = (
    ("delay", {"delay_s": LATE_S}),
    ("crash-receiver", {}),
    ("crash-onto-old-view", {"for_s": LATE_S}),
)

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


def ordered_scale(seed: int, nodes: int) -> Schedule:
    """Pods with identities, in order: created, scaled up, their image changed, scaled down."""
    resource = {"name": "db", "resource": SETS}
    steps = (
        Step(0.0, "create", {"manifest": set_manifest("db", 2, "nginx:1.25")}),
        Step(3.0, "scale", {**resource, "replicas": 3}),
        Step(5.0, "set-image", {**resource, "image": "nginx:1.26"}),
        Step(9.0, "scale", {**resource, "replicas": 1}),
    )
    return Schedule(seed, nodes, DURATION_S, FaultProfile(), steps, controllers=(ORDERED_SCALE,))


#: What `simulate --explore` can explore when it is given no scenario.
WORKLOADS: Final[Mapping[str, Callable[[int, int], Schedule]]] = {"rollout": rollout, "ordered-scale": ordered_scale}


class Recorder:
    """Makes the candidates of a run from its messages, as they arrive."""

    def __init__(self, concerns: Callable[[MessageKey], bool] = lambda _: True) -> None:
        """Faults are planned for those messages alone that `concerns` picks."""
        self.candidates: list[Candidate] = []
        self._concerns = concerns
        self._pairs = Pairs()

    def observe(self, now_s: float, key: MessageKey, frames: Sequence[bytes]) -> None:
        """A message reaches an actor, at a virtual time."""
        is_concerned = self._concerns(key)
        if is_concerned:
            self.candidates.extend(_candidates(key, frames))
        pair = self._pairs.arrived(now_s, key, frames, _meaning(key, frames))
        if pair is not None and is_concerned:
            swap = _step(pair.first, "swap", by=pair.second_as_plain())
            self.candidates.append(Candidate(swap, ("swap", *pair.alike)))

    def chosen(self) -> list[Step]:
        """One of each class, in the order of their moments."""
        chosen: dict[Class, Step] = {}
        for candidate in self.candidates:
            chosen.setdefault(candidate.alike, candidate.step)
        return list(chosen.values())


def plan(baseline: Schedule) -> Exploration:
    """Record the run without faults, and make the schedules. Raises `ValueError` when it fails all by itself."""
    recorder = Recorder()
    run = Run(baseline, lambda key, frames: recorder.observe(run.cluster.sim.now_s, key, frames))
    report = run.execute()
    if report.failure is not None:
        raise ValueError(f"the run fails without any fault: {report.failure.kind}: {report.failure.details[0]}")
    schedules = tuple(replace(baseline, steps=(*baseline.steps, step)) for step in recorder.chosen())
    return Exploration(baseline, len(recorder.candidates), schedules)


def _meaning(key: MessageKey, frames: Sequence[bytes]) -> Class | None:
    """What a message says to its receiver, names left out; None when its place among others cannot matter."""
    sender, receiver, kind, subject, _ = key
    if kind == KIND_REQUEST and subject == OPERATE and receiver == APISERVER:
        writes = [w for w in writes_in(frames) if w[1].rpartition("/")[2] not in UNINTERESTING]
        return (_any_node(sender), *((w[0], w[1], w[4]) for w in writes)) if writes else None
    if kind == KIND_REPLY and subject == OPERATE and sender == APISERVER:
        return (_any_node(receiver), "answer")
    if kind == KIND_PUBLICATION and sender == APISERVER and subject.startswith("watch/"):
        _, events, _ = unpack(frames[1])
        if events and _collection(subject) not in UNINTERESTING:
            what = tuple(_gist(event, blob) for event, blob in zip(events, frames[2:], strict=True))
            return (_any_node(receiver), _any_node(subject), what)
    return None


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
        for fault, details in (("drop", {}), *_LATE_AND_CRASHED)
        if not (fault.startswith("crash") and receiver == CLIENT)
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
