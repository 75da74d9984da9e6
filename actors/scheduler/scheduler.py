"""The scheduler's mind: what it has seen, what it decides. No messages, no clock: the actor around it has those.

Pods and nodes come in as events; `decide` takes waiting pods and gives each a node, or a reason why none fits. A pod
that was given a node is assumed to be there from then on, until an event confirms it or the actor learns that the
binding was refused. While that is unknown it stays assumed: that is what keeps nodes from being overcommitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from actors.apimachinery.meta import is_being_deleted, key_of, labels_of, uid_of
from actors.apimachinery.operation import Object
from actors.scheduler import fit_error, preemption
from actors.scheduler.diagnosis import Diagnosis
from actors.scheduler.framework import Framework
from actors.scheduler.pod_info import PodInfo, is_terminal, needs_scheduling, node_name_of
from actors.scheduler.preemption import DisruptionBudget
from actors.scheduler.queueing_hints import NamespaceEvent, NodeEvent, PodEvent, bare_node
from actors.scheduler.scheduling_queue import QueuedPod, SchedulingQueue
from actors.scheduler.snapshot import Snapshot
from broker.message import NO_CAUSE, Cause


@dataclass(frozen=True, slots=True)
class Assignment:
    """A pod is to be bound to a node."""

    queued: QueuedPod
    info: PodInfo
    node_name: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A pod fits nowhere."""

    queued: QueuedPod
    info: PodInfo
    message: str
    nominated_node: str = ""
    """Where room is being made for it."""
    victims: tuple[PodInfo, ...] = ()
    """The pods to delete for that."""
    displaced: tuple[PodInfo, ...] = ()
    """Less important pods that had room kept there, and lose it."""


@dataclass(slots=True)
class Round:
    """What was decided at once."""

    assignments: list[Assignment] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.assignments or self.failures)


class Scheduler:
    """Pods in, decisions out."""

    def __init__(self, random: Random) -> None:
        self.snapshot = Snapshot()
        self.queue = SchedulingQueue()
        self._framework = Framework(self.snapshot, random)
        self._budgets: dict[str, DisruptionBudget] = {}

    # What happens in the cluster

    def on_pod(self, pod: Object, old: Object | None, now_s: float, cause: Cause = NO_CAUSE) -> None:
        """A pod was added or has changed."""
        if old is not None and uid_of(old) != uid_of(pod):
            self.on_pod_deleted(old, now_s)
            old = None
        if is_terminal(pod):
            self.on_pod_deleted(pod, now_s)
            return
        if node_name_of(pod):
            self._on_bound_pod(pod, old, now_s)
            return
        uid = uid_of(pod)
        if self.snapshot.node_of(uid):
            return  # assumed: the outcome of its binding decides
        if needs_scheduling(pod):
            info = self.snapshot.pod_infos.of(pod)
            if self.queue.get(uid) is None and (node_name := pod.get("status", {}).get("nominatedNodeName")):
                self.snapshot.nominate(info, node_name)
            self.queue.add(info, now_s, cause)
        else:
            self.queue.remove(uid)
            self.snapshot.withdraw(uid)

    def _on_bound_pod(self, pod: Object, old: Object | None, now_s: float) -> None:
        uid, node_name = uid_of(pod), node_name_of(pod)
        self.queue.remove(uid)
        snapshot = self.snapshot
        snapshot.withdraw(uid)
        known = snapshot.nodes[node_name].pods.get(uid) if snapshot.node_of(uid) == node_name else None
        if known is not None and old is not None and not snapshot.is_assumed(uid) and _same(pod, old):
            known.pod = pod
            return
        info = snapshot.pod_infos.of(pod)
        snapshot.confirm(info, node_name)
        if not self.queue.waits_for_events:
            return
        if known is None:
            self.queue.event(PodEvent("add", info), now_s)
        elif known.template.signature != info.template.signature:
            self.queue.event(PodEvent("update", info, known), now_s)

    def on_pod_deleted(self, pod: Object, now_s: float) -> None:
        """A pod is gone, or has ended."""
        uid = uid_of(pod)
        self.queue.remove(uid)
        self.snapshot.withdraw(uid)
        self._release(uid, now_s)

    def on_node(self, node: Object, old: Object | None, now_s: float) -> None:
        """A node was added or has changed."""
        if self.snapshot.set_node(node) and self.queue.waits_for_events:
            self.queue.event(NodeEvent(bare_node(old), bare_node(node)), now_s)

    def on_node_deleted(self, node: Object, now_s: float) -> None:
        """A node's object is gone."""
        self.snapshot.remove_node(node["metadata"]["name"])
        self.queue.event(NodeEvent(bare_node(node), None), now_s)

    def on_namespace(self, namespace: Object, now_s: float, *, gone: bool = False) -> None:
        """A namespace was added, has changed or is gone."""
        self.snapshot.set_namespace(namespace["metadata"]["name"], None if gone else labels_of(namespace))
        self.queue.event(NamespaceEvent(), now_s)

    def on_disruption_budget(self, budget: Object, *, gone: bool = False) -> None:
        """A PodDisruptionBudget was added, has changed or is gone."""
        key = str(key_of(budget))
        if gone:
            self._budgets.pop(key, None)
        else:
            self._budgets[key] = preemption.disruption_budget(budget)

    # Deciding

    def decide(self, limit: int, now_s: float) -> Round:
        """Take up to so many waiting pods and find each a node. Each decision counts for the next."""
        round_ = Round()
        for queued in self.queue.pop(limit, now_s):
            info = queued.info
            placement = self._framework.schedule(info)
            if placement.diagnosis is None:
                self.snapshot.assume(info, placement.node_name)
                self.snapshot.withdraw(info.uid)
                round_.assignments.append(Assignment(queued, info, placement.node_name))
            else:
                round_.failures.append(self._fail(queued, placement.diagnosis, now_s))
        return round_

    def _fail(self, queued: QueuedPod, diagnosis: Diagnosis, now_s: float) -> Failure:
        """Say why, and see whether less important pods can make room."""
        self.queue.unschedulable(queued, diagnosis.plugins, now_s)
        info = queued.info
        snapshot = self.snapshot
        if not diagnosis.node_count:
            return Failure(queued, info, fit_error.message(diagnosis, ""))
        nominated = snapshot.nominated_node(info.uid)
        why = preemption.ineligible(info, nominated)
        if why:
            kept = nominated.name if nominated is not None else ""
            return Failure(queued, info, fit_error.message(diagnosis, fit_error.no_placement(why)), kept)
        found = self._framework.preempt(info, diagnosis, list(self._budgets.values()))
        if not isinstance(found, preemption.Candidate):
            snapshot.nominate(info, "")
            post_filter = fit_error.no_placement(fit_error.preemption_failed(diagnosis, found))
            return Failure(queued, info, fit_error.message(diagnosis, post_filter))
        reserved = snapshot.nominated.get(found.node_name, {}).values()
        displaced = tuple(other for other in reserved if other.priority < info.priority)
        for other in displaced:
            snapshot.nominate(other, "")
        snapshot.nominate(info, found.node_name)
        post_filter = fit_error.found_placement(found.node_name, len(found.victims))
        text = fit_error.message(diagnosis, post_filter)
        victims = tuple(victim for victim in found.victims if not victim.terminating)
        return Failure(queued, info, text, found.node_name, victims, displaced)

    # What became of bindings

    def bound(self, assignment: Assignment) -> None:
        """The binding was carried out; the pod stays assumed until its event comes."""
        self.queue.remove(assignment.info.uid)

    def refused(self, assignment: Assignment, current: Object | None, now_s: float) -> None:
        """The binding was refused for good. `current` is the pod as it is now, None when it is gone."""
        uid = assignment.info.uid
        if not self.snapshot.is_assumed(uid):
            return  # an event has told already what became of the pod
        self._release(uid, now_s)
        if current is not None and uid_of(current) == uid and needs_scheduling(current):
            assignment.queued.info = self.snapshot.pod_infos.of(current)
            self.queue.failed(assignment.queued, now_s)
        else:
            self.queue.remove(uid)

    def _release(self, uid: str, now_s: float) -> None:
        node_name = self.snapshot.node_of(uid)
        if not node_name:
            return
        info = self.snapshot.nodes[node_name].pods[uid]
        self.snapshot.forget(uid)
        if self.queue.waits_for_events:
            self.queue.event(PodEvent("delete", info), now_s)


def _same(pod: Object, old: Object) -> bool:
    """Whether a pod has changed in nothing that scheduling depends on."""
    before, after = old["metadata"], pod["metadata"]
    return bool(
        old["spec"] == pod["spec"]
        and before.get("labels") == after.get("labels")
        and before.get("ownerReferences") == after.get("ownerReferences")
        and is_being_deleted(old) == is_being_deleted(pod)
    )
