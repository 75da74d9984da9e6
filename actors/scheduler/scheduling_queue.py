"""The scheduling queue: which pod is tried next, and when one that failed is tried again.

A pod that waits is in one of four places, as in kube-scheduler:

    active          to be tried now: by priority, then by age
    backoff         to be tried once its backoff is over, or when nothing else is to be done
    unschedulable   fits nowhere; waits for an event that may help, or for `LEFTOVER_S`
    gated           has scheduling gates; waits for them to be removed

The backoff doubles with every failed attempt, from `BACKOFF_INITIAL_S` to `BACKOFF_MAX_S`. Pods that failed for a
reason that is not the cluster's state (an API error) sit out their backoff in full. Time is passed in: the queue has no
clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from actors.scheduler.pod_info import PodInfo
from actors.scheduler.queueing_hints import ClusterEvent, may_help
from broker.message import NO_CAUSE, Cause

BACKOFF_INITIAL_S: Final = 1.0
BACKOFF_MAX_S: Final = 10.0
#: Pods are tried again after so long in the unschedulable pool, whatever happened; looked at every so often.
LEFTOVER_S: Final = 300.0
LEFTOVER_CHECK_S: Final = 30.0

State = Literal["active", "backoff", "unschedulable", "gated", "in-flight"]


@dataclass(eq=False, slots=True)
class QueuedPod:
    """A pod that waits to be scheduled, or whose binding is under way."""

    info: PodInfo
    since_s: float
    """When it was put where it is."""
    cause: Cause = NO_CAUSE
    """The event that told of the pod."""
    state: State = "active"
    attempts: int = 0
    plugins: list[str] = field(default_factory=list)
    """Which plugins rejected it last."""
    failed: bool = False
    """The last attempt failed with an error rather than for want of a node."""
    ticket: int = 0
    """Tells its place in a heap from outdated ones."""

    def backoff_s(self) -> float:
        """How long it waits after its last attempt."""
        if not self.attempts:
            return 0.0
        return float(min(BACKOFF_MAX_S, BACKOFF_INITIAL_S * 2 ** min(self.attempts - 1, 10)))

    @property
    def backoff_until_s(self) -> float:
        """When its backoff is over."""
        return self.since_s + self.backoff_s()


_Entry = tuple[float, float, int, QueuedPod]


class SchedulingQueue:
    """The pods that wait. Pods are known by uid."""

    def __init__(self) -> None:
        self._pods: dict[str, QueuedPod] = {}
        self._active: list[_Entry] = []
        self._backoff: list[_Entry] = []
        self._unschedulable: dict[str, QueuedPod] = {}
        self._tickets = 0
        self._leftover_checked_s = 0.0

    def __len__(self) -> int:
        return len(self._pods)

    def get(self, uid: str) -> QueuedPod | None:
        """The pod, wherever it is."""
        return self._pods.get(uid)

    @property
    def waits_for_events(self) -> bool:
        """Whether any pod is in the unschedulable pool."""
        return bool(self._unschedulable)

    # Pods come, change and go

    def add(self, info: PodInfo, now_s: float, cause: Cause = NO_CAUSE) -> None:
        """A pod to be scheduled was seen, or has changed."""
        queued = self._pods.get(info.uid)
        if queued is None:
            queued = self._pods[info.uid] = QueuedPod(info, now_s, cause)
            self._put(queued, "gated" if is_gated(info) else "active")
            return
        changed = queued.info.template.signature != info.template.signature or is_gated(queued.info) != is_gated(info)
        queued.info = info
        if queued.state == "gated" and not is_gated(info):
            queued.since_s = now_s
            self._put(queued, "active")
        elif changed and queued.state == "unschedulable":
            self._retry(queued, now_s)
        elif changed and queued.state == "active":
            self._put(queued, "active")

    def remove(self, uid: str) -> None:
        """A pod needs no node any more: it has one, or is gone."""
        queued = self._pods.pop(uid, None)
        if queued is not None:
            self._unschedulable.pop(uid, None)
            queued.ticket = 0

    # Attempts

    def pop(self, limit: int, now_s: float) -> list[QueuedPod]:
        """Take the next pods to try; they are in flight until one of the methods below tells what became of them."""
        self._flush(now_s)
        taken: list[QueuedPod] = []
        while len(taken) < limit:
            queued = self._next(self._active)
            if queued is None:
                break
            taken.append(queued)
        if not taken:
            taken = self._pop_early(limit)
        for queued in taken:
            queued.ticket = 0
            queued.state = "in-flight"
            queued.attempts += 1
        return taken

    def unschedulable(self, queued: QueuedPod, plugins: list[str], now_s: float) -> None:
        """The attempt found no node: wait for an event that may help."""
        queued.plugins = plugins
        queued.failed = False
        queued.since_s = now_s
        if self._pods.get(queued.info.uid) is queued:
            self._put(queued, "unschedulable")

    def failed(self, queued: QueuedPod, now_s: float) -> None:
        """The attempt failed with an error: try again after the backoff."""
        queued.plugins = []
        queued.failed = True
        queued.since_s = now_s
        if self._pods.get(queued.info.uid) is queued:
            self._put(queued, "backoff")

    # Time and events

    def event(self, event: ClusterEvent, now_s: float, hint: Callable[..., bool] = may_help) -> None:
        """Something has changed in the cluster: try again the pods it may help."""
        for queued in list(self._unschedulable.values()):
            if hint(queued.plugins, queued.info.template, event):
                self._retry(queued, now_s)

    def next_wake_s(self, now_s: float) -> float | None:
        """When there is something to pop: now, at a later time, or None for when an event says so."""
        self._flush(now_s)
        if self._peek(self._active) is not None:
            return now_s
        times = [entry[0] for entry in self._backoff if self._is_current(entry)]
        if any(not entry[3].failed for entry in self._backoff if self._is_current(entry)):
            return now_s
        if self._unschedulable:
            times.append(self._leftover_checked_s + LEFTOVER_CHECK_S)
        return max(now_s, min(times)) if times else None

    def _flush(self, now_s: float) -> None:
        while (entry := self._peek(self._backoff)) is not None and entry[0] <= now_s:
            heapq.heappop(self._backoff)
            self._put(entry[3], "active")
        if now_s - self._leftover_checked_s >= LEFTOVER_CHECK_S:
            self._leftover_checked_s = now_s
            for queued in list(self._unschedulable.values()):
                if now_s - queued.since_s > LEFTOVER_S:
                    self._retry(queued, now_s)

    def _pop_early(self, limit: int) -> list[QueuedPod]:
        """With nothing active, pods in backoff go first come first served, those that met an error excepted."""
        entries = sorted((e for e in self._backoff if self._is_current(e) and not e[3].failed), key=lambda e: e[:3])
        return [entry[3] for entry in entries[:limit]]

    def _retry(self, queued: QueuedPod, now_s: float) -> None:
        self._put(queued, "backoff" if queued.backoff_until_s > now_s else "active")

    # Places

    def _put(self, queued: QueuedPod, state: State) -> None:
        self._unschedulable.pop(queued.info.uid, None)
        queued.state = state
        self._tickets += 1
        queued.ticket = self._tickets
        if state == "active":
            heapq.heappush(self._active, (-queued.info.priority, queued.since_s, queued.ticket, queued))
        elif state == "backoff":
            heapq.heappush(self._backoff, (queued.backoff_until_s, -queued.info.priority, queued.ticket, queued))
        elif state == "unschedulable":
            self._unschedulable[queued.info.uid] = queued

    @staticmethod
    def _is_current(entry: _Entry) -> bool:
        return entry[2] == entry[3].ticket

    def _peek(self, heap: list[_Entry]) -> _Entry | None:
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _next(self, heap: list[_Entry]) -> QueuedPod | None:
        entry = self._peek(heap)
        if entry is None:
            return None
        heapq.heappop(heap)
        return entry[3]


def is_gated(info: PodInfo) -> bool:
    """Whether the pod has scheduling gates."""
    return bool(info.pod["spec"].get("schedulingGates"))
