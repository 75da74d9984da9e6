"""What a kubelet remembers of a pod between two looks at it, beyond what the API and the runtime know.

All of it may be lost in a crash: then back-offs start over and probes begin anew, as with the real kubelet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from actors.client.decision import EventNote
from actors.kubelet.backoff import Backoff
from actors.kubelet.pod_spec import ContainerSpec, Dependency
from actors.kubelet.probe import Kind, ProbeState
from actors.runtime.protocol import Call

HookPhase = Literal["running", "done", "failed"]


class Waiting(NamedTuple):
    """Why a container waits, as its status shows it."""

    reason: str
    message: str = ""


@dataclass(slots=True)
class ImagePull:
    """Getting one container's image for one attempt."""

    attempt: int
    serial: int
    ready: bool = False
    over: bool = False


@dataclass(slots=True)
class Kill:
    """Ending one attempt of a container."""

    attempt: int
    began_s: float
    grace_s: float
    hook: HookPhase | None = None
    stopped: bool = False
    """The runtime was told."""
    told_s: float = 0.0
    """When, the last time."""


@dataclass(slots=True)
class PodMemory:
    """The memory of one pod's worker."""

    waiting: dict[str, Waiting] = field(default_factory=dict)
    pulls: dict[str, ImagePull] = field(default_factory=dict)
    pull_backoff: dict[str, Backoff] = field(default_factory=dict)
    pull_error: dict[str, str] = field(default_factory=dict)
    crash_backoff: dict[str, Backoff] = field(default_factory=dict)
    restarting: dict[str, int] = field(default_factory=dict)
    """Attempts whose back-off was waited out."""
    announced: dict[str, int] = field(default_factory=dict)
    """Attempts for which BackOff was recorded."""
    attempts: dict[str, int] = field(default_factory=dict)
    """The highest attempt known of each container: its number is taken, even if the runtime forgets it before the
    status tells of it (kubelet reads this from the names of the log files)."""
    retry_s: dict[str, float] = field(default_factory=dict)
    """Not before this time: by container, or "" for the sandbox."""
    hooks: dict[str, tuple[int, HookPhase]] = field(default_factory=dict)
    """postStart, by container: of which attempt, and how it went."""
    kills: dict[str, Kill] = field(default_factory=dict)
    probes: dict[tuple[str, Kind], ProbeState] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    """Reason and message of why the whole pod has failed."""
    rejected: bool = False
    """It was not admitted: nothing of it ever ran here."""
    stop_began_s: float | None = None
    start_time_s: float | None = None

    def take_attempt(self, name: str, attempt: int) -> None:
        """There is such an attempt of a container."""
        self.attempts[name] = max(attempt, self.attempts.get(name, 0))


@dataclass(slots=True)
class PodDependencies:
    """The ConfigMaps and Secrets a pod refers to, as they were at one time. None: there is none of that name."""

    objects: Mapping[Dependency, Mapping[str, Any] | None]
    fetched_s: float


@dataclass(frozen=True, slots=True)
class Hook:
    """A lifecycle hook to run."""

    container: ContainerSpec
    attempt: int
    kind: Literal["postStart", "preStop"]
    handler: dict[str, Any]
    timeout_s: float


@dataclass(slots=True)
class Plan:
    """What to do about a pod now."""

    calls: list[Call] = field(default_factory=list)
    notes: list[EventNote] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    probes: list[tuple[ContainerSpec, Kind, dict[str, Any], int]] = field(default_factory=list)
    """Container, kind, probe, attempt."""
    fetch: bool = False
    """Its ConfigMaps and Secrets must be read (again) first."""
    wake_s: float = float("inf")
    """Look again at this time."""
    stopped: bool = False
    """The pod was to end, and nothing of it runs any more."""

    def wake(self, at_s: float) -> None:
        """Look again no later than this."""
        self.wake_s = min(self.wake_s, at_s)
