"""Planted bugs: Scheduler, kubelet, supervisor."""

from __future__ import annotations

from typing import Final

from planting import Bug

SCHEDULER: Final = (
    Bug(
        "bound pods are not counted",
        "actors/scheduler/scheduler.py",
        "                self.snapshot.assume(info, placement.node_name)\n",
        "",
        "tests/scheduler/test_never_overcommits.py tests/scheduler/test_scheduler_actor.py",
    ),
    Bug(
        "bindings are not fenced",
        "actors/scheduler/pod_status.py",
        'binding", body, {"fence": fence}, assignment',
        'binding", body, {}, assignment',
        "tests/scheduler/test_scheduler_actor.py",
    ),
    Bug(
        "waiting keeps others from running",
        "actors/scheduler/actor.py",
        "            self._wake.clear()\n            while",
        "            while",
        "tests/scheduler/test_many_rounds.py",
    ),
    Bug(
        "a refused binding is forgotten",
        "actors/scheduler/scheduler.py",
        "            self.queue.failed(assignment.queued, now_s)",
        "            pass",
        "tests/scheduler/test_never_overcommits.py",
    ),
)

KUBELET: Final = (
    Bug(
        "a restarted runtime is believed",
        "actors/kubelet/runtime_link.py",
        '            return [(UNANSWERED, "the container runtime was restarted")] * calls',
        "            self._meet(incarnation)",
        "tests/kubelet/test_runtime_link.py",
        always=True,
    ),
    Bug(
        "a stop is told once only",
        "actors/kubelet/pod_stop.py",
        "        if now_s < again_s:",
        "        if True:",
        "tests/kubelet/test_stop_again.py",
    ),
    Bug(
        "the end is not reported",
        "actors/kubelet/agent.py",
        "        if stopped and is_being_deleted(pod):",
        "        if False:",
        "tests/kubelet/test_node_in_simulation.py",
    ),
)

SUPERVISOR: Final = (
    Bug(
        "a hung actor is left alone",
        "actors/supervisor/supervised.py",
        "        if silent_s >= limit_s:",
        "        if False:",
        "tests/supervisor/test_supervision.py",
    ),
    Bug(
        "what ends again and again comes again at once",
        "actors/supervisor/backoff.py",
        "        self.ends_in_a_row += 1",
        "        self.ends_in_a_row = 1",
        "tests/supervisor/test_backoff.py",
    ),
    Bug(
        "an actor that ended is not started again",
        "actors/supervisor/supervised.py",
        "        self.restart_at_s = now_s + self.backoff.delay_s(now_s - self.forked_s)",
        '        self.restart_at_s = float("inf")',
        "tests/supervisor/test_supervision.py",
    ),
)
