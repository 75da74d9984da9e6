"""One pod, the planner and the sim runtime on a clock that the test moves: the kubelet without its actor."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from actors.client.decision import EventNote
from actors.kubelet.config import NodeConfig
from actors.kubelet.pod_memory import PodMemory
from actors.kubelet.pod_plan import plan_pod
from actors.kubelet.pod_results import call_answered, hook_answered, probe_answered
from actors.kubelet.pod_spec import PodSpec
from actors.kubelet.pod_status import PodView, pod_status
from actors.runtime.protocol import CREATE_CONTAINER, RuntimeRefused
from actors.runtime.service import RuntimeService
from actors.runtime.sim import SimDriver


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    spec.setdefault("containers", [{"name": "web", "image": "nginx:1.25"}])
    spec.setdefault("restartPolicy", "Always")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-0",
            "namespace": "default",
            "uid": "00000000-0000-4000-8000-000000000001",
            "generation": 1,
            "annotations": {f"sim.podchain.dev/{key}": value for key, value in (annotations or {}).items()},
        },
        "spec": spec,
        "status": {"phase": "Pending"},
    }


class PodWorld:
    """Looks at the pod whenever something is due, as the agent does."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.now_s = 1_767_225_600.0
        self.start_s = self.now_s
        self.pod = manifest
        self.memory = PodMemory(start_time_s=self.now_s)
        self.notes: list[tuple[float, EventNote]] = []
        self.statuses: list[tuple[float, dict[str, Any]]] = []
        self.created: list[tuple[str, int]] = []
        """Containers that this kubelet has made: name and attempt."""
        self.writes = True
        """The API takes statuses; otherwise nobody hears of what happens."""
        self.forgets_after = ""
        """The runtime loses all once it has carried out a call of this method."""
        self._timers: list[tuple[float, int, Timer, Callable[[], None]]] = []
        self._sequence = 0
        self.service = RuntimeService("node-1", "1", SimDriver(), lambda: self.now_s, self._call_later)
        self.service.on_change = lambda sandbox: self.look()
        self.node = NodeConfig("node-1")
        self._wake_s = float("inf")
        self.stopped = False
        self.look()

    def _call_later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        self._sequence += 1
        timer = Timer()
        heapq.heappush(self._timers, (self.now_s + delay_s, self._sequence, timer, call))
        return timer

    @property
    def sandbox(self) -> Any:
        return self.service.pods.get(self.pod["metadata"]["uid"])

    @property
    def status(self) -> dict[str, Any]:
        return self.pod["status"]

    def container(self, name: str = "web") -> dict[str, Any]:
        everybody = [*self.status.get("initContainerStatuses", []), *self.status["containerStatuses"]]
        return next(status for status in everybody if status["name"] == name)

    def reasons(self, *kinds: str) -> list[str]:
        return [note.reason for _, note in self.notes if not kinds or note.reason in kinds]

    def at(self, reason: str) -> list[float]:
        """When events with that reason happened, since the start."""
        return [round(at_s - self.start_s, 1) for at_s, note in self.notes if note.reason == reason]

    def condition(self, kind: str) -> dict[str, Any]:
        return next(c for c in self.status["conditions"] if c["type"] == kind)

    def delete(self, grace_s: int = 30) -> None:
        self.pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.pod["metadata"]["deletionGracePeriodSeconds"] = grace_s
        self.look()

    def forget(self) -> None:
        """The runtime loses all it knows."""
        self.service.pods.clear()
        self.look()

    def restart(self) -> None:
        """The kubelet starts anew, with no memory."""
        self.memory = PodMemory(start_time_s=self.now_s)
        self.created.clear()
        self.look()

    def run(self, duration_s: float) -> None:
        until_s = self.now_s + duration_s
        while True:
            next_s = min(self._timers[0][0] if self._timers else float("inf"), self._wake_s)
            if next_s > until_s:
                break
            self.now_s = max(self.now_s, next_s)
            if self._timers and self._timers[0][0] <= self.now_s:
                _, _, timer, call = heapq.heappop(self._timers)
                if not timer.cancelled:
                    call()
            else:
                self.look()
        self.now_s = until_s

    def look(self) -> None:
        spec = PodSpec(self.pod)
        for _ in range(50):
            plan = plan_pod(self.pod, spec, self.memory, self.sandbox, self.service.images, self.node, None, self.now_s)
            self._note(plan.notes)
            for hook in plan.hooks:
                self._call_later(0.5, lambda hook=hook: self._hook_done(hook))
            for container, kind, probe, attempt in plan.probes:
                answers: list[tuple[bool, str]] = []
                params = {"kind": kind, "probe": probe}
                found = self.sandbox.latest(container.name)
                self.service.driver.probe(
                    self.sandbox, found, params, lambda ok, why, answers=answers: answers.append((ok, why))
                )
                self._note(
                    probe_answered(self.pod, self.memory, container, kind, probe, attempt, *answers[0], self.now_s)
                )
            for call in plan.calls:
                failure = None
                try:
                    self.service.call(call.method, call.params)
                except RuntimeRefused as refused:
                    failure = (refused.code, refused.message)
                notes, hooks = call_answered(self.pod, spec, self.memory, call, failure, self.now_s)
                self._note(notes)
                if call.method == CREATE_CONTAINER and failure is None:
                    self.created.append((call.params["container"], call.params["attempt"]))
                if call.method == self.forgets_after:
                    self.forgets_after = ""
                    self.service.pods.clear()
                for hook in hooks:
                    self._call_later(0.5, lambda hook=hook: self._hook_done(hook))
            if not plan.calls and not plan.probes:
                break
        else:
            raise AssertionError("the planner never comes to rest")
        self._wake_s = plan.wake_s if plan.wake_s > self.now_s else self.now_s + 0.001
        self.stopped = plan.stopped
        if not self.writes:
            return
        view = PodView(self.pod, spec, self.memory, self.sandbox, self.node, "sim", plan.stopped, self.now_s)
        status = pod_status(view)
        self.pod = {**self.pod, "status": status}
        if not self.statuses or self.statuses[-1][1] != status:
            self.statuses.append((self.now_s - self.start_s, status))

    def _hook_done(self, hook: Any) -> None:
        self._note(hook_answered(self.pod, self.memory, hook, ""))
        self.look()

    def _note(self, notes: list[EventNote]) -> None:
        self.notes += [(self.now_s, note) for note in notes]
