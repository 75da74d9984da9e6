"""What determines a run, and what it comes to: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from actors.apimachinery.meta import Key
from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import FaultProfile, draw_steps
from actors.simulation.workload import draw_operations

#: Control-plane actors that faults befall; all those of the nodes are added.
CONTROL_PLANE: Final = (
    "store",
    "apiserver",
    "deployment-controller",
    "replicaset-controller",
    "garbage-collector",
    "namespace-controller",
    "node-lifecycle-controller",
    "scheduler",
    "job-controller",
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a field of an object must be in the end; `None` for an object that must not exist."""

    kind: str
    key: Key
    path: tuple[str, ...] = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """All that determines a run."""

    seed: int
    nodes: int = 3
    duration_s: float = 60.0
    profile: FaultProfile = field(default_factory=FaultProfile)
    """Faults of messages that are drawn while it runs; those with a time are among the steps."""
    steps: tuple[Step, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    controllers: tuple[str, ...] = ()
    """Controllers that run besides the control plane's own, by name (`actors.simulation.extra_controllers`)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An oracle's objection."""

    kind: str
    """``invariant``, ``not converged``, ``final state``, ``still writing``, ``left over``, ``not idempotent``, ..."""
    details: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did and came to."""

    schedule: Schedule
    """Replays the run: the faults that were drawn are among its steps."""
    trace_hash: str
    virtual_s: float
    messages: int
    faults: Mapping[str, int]
    checks: int
    converged_after_s: float
    """From the end of all faults and operations; negative when it did not."""
    actor_errors: tuple[str, ...]
    """Exceptions that ended an actor's incarnation, store failures that were injected left out."""
    failure: Failure | None

    def to_plain(self) -> dict[str, Any]:
        """For programs."""
        return {
            "seed": self.schedule.seed,
            "trace_hash": self.trace_hash,
            "virtual_s": round(self.virtual_s, 3),
            "messages": self.messages,
            "operations": sum(not step.is_fault for step in self.schedule.steps),
            "faults": dict(sorted(self.faults.items())),
            "checks": self.checks,
            "converged_after_s": round(self.converged_after_s, 3),
            "actor_errors": list(self.actor_errors),
            "ok": self.failure is None,
        }


def draw_schedule(seed: int, nodes: int, duration_s: float, profile: FaultProfile) -> Schedule:
    """Operations and faults of a seed."""
    random = Random(f"schedule/{seed}")  # noqa: S311 - replay from a seed is the point
    operations = draw_operations(random, duration_s, nodes)
    faults = draw_steps(profile, random, crashable([f"node-{i + 1}" for i in range(nodes)]), duration_s)
    return Schedule(seed, nodes, duration_s, profile, (*operations, *faults))


def crashable(nodes: list[str]) -> list[str]:
    """The actors that faults befall."""
    return [*CONTROL_PLANE, *(f"{actor}-{node}" for node in nodes for actor in ("kubelet", "runtime"))]
