"""Profiles: how much of each fault is drawn from the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any, Final

from actors.simulation.fault_plan import Step

#: Delays and pauses are drawn up to these.
DELAY_MAX_S: Final = 0.5
REORDER_MAX_S: Final = 0.005
FAULT_MIN_S: Final = 0.05
FAULT_MAX_S: Final = 3.0
SKEW_MAX_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class FaultProfile:
    """Probabilities a message (first group), a request to the API server (second), and events a minute (third)."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0

    cut: float = 0.0
    conflict: float = 0.0
    too_many_requests: float = 0.0
    error_after_commit: float = 0.0
    expired: float = 0.0

    crash: float = 0.0
    restart: float = 0.0
    restart_onto_old_view: float = 0.0
    pause: float = 0.0
    partition: float = 0.0
    one_way_partition: float = 0.0
    slow: float = 0.0
    skew: float = 0.0
    jump: float = 0.0
    commit_crash: float = 0.0
    disk_full: float = 0.0
    slow_sync: float = 0.0
    lagging_replica: float = 0.0
    watch_reset: float = 0.0
    missing_bookmarks: float = 0.0

    def __post_init__(self) -> None:
        names = [f.name for f in fields(self)]
        for name in names:
            value = getattr(self, name)
            if value < 0 or (name in MESSAGE_RATES + API_RATES and value > 1):
                raise ValueError(f"{name}: {value} is out of range")
        for group in (MESSAGE_RATES, API_RATES):
            if sum(getattr(self, name) for name in group) > 1:
                raise ValueError(f"{', '.join(group)} add up to more than 1")

    @staticmethod
    def from_plain(spec: Mapping[str, Any]) -> FaultProfile:
        """From a mapping with these names (``-`` or ``_``). Raises `ValueError`."""
        known = {f.name for f in fields(FaultProfile)}
        values: dict[str, float] = {}
        for name, value in spec.items():
            plain = str(name).replace("-", "_")
            if plain not in known:
                raise ValueError(f"{name}: unknown fault; known are {', '.join(sorted(known))}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name}: {value!r} is not a number")  # noqa: TRY004 - what is wrong is the file
            values[plain] = float(value)
        return FaultProfile(**values)

    def to_plain(self) -> dict[str, float]:
        """What is not zero."""
        return {name: value for name, value in asdict(self).items() if value}


MESSAGE_RATES: Final = ("drop", "duplicate", "delay", "reorder", "corrupt")
API_RATES: Final = ("cut", "conflict", "too_many_requests", "error_after_commit", "expired")

PROFILES: Final[Mapping[str, FaultProfile]] = {
    "none": FaultProfile(),
    "light": FaultProfile(drop=0.02, duplicate=0.02, delay=0.02, reorder=0.05, crash=2, pause=1),
    "messages": FaultProfile(drop=0.1, duplicate=0.1, delay=0.1, reorder=0.1, corrupt=0.02),
    "crashes": FaultProfile(crash=30, restart=10, restart_onto_old_view=10, commit_crash=6, cut=0.05),
    "api": FaultProfile(
        conflict=0.1, too_many_requests=0.1, error_after_commit=0.1, expired=0.1,
        lagging_replica=8, watch_reset=20, missing_bookmarks=6,
    ),
    "heavy": FaultProfile(
        drop=0.08, duplicate=0.08, delay=0.08, reorder=0.08, corrupt=0.02,
        cut=0.01, conflict=0.03, too_many_requests=0.03, error_after_commit=0.03, expired=0.03,
        crash=10, restart=2, restart_onto_old_view=4, pause=4, partition=2, one_way_partition=2, slow=4, skew=1, jump=1,
        commit_crash=2, disk_full=1, slow_sync=2, lagging_replica=2, watch_reset=2, missing_bookmarks=1,
    ),
}  # fmt: skip
TIMED_RATES: Final = tuple(f.name for f in fields(FaultProfile) if f.name not in MESSAGE_RATES + API_RATES)


def draw_steps(profile: FaultProfile, random: Random, actors: Sequence[str], duration_s: float) -> list[Step]:
    """The faults with a time of their own, drawn for a run of that length."""
    steps: list[Step] = []
    for name in TIMED_RATES:
        expected = getattr(profile, name) * duration_s / 60
        count = int(expected) + (random.random() < expected % 1)
        for _ in range(count):
            at_s = round(random.uniform(0, duration_s), 3)
            steps.append(draw_fault(name.replace("_", "-"), at_s, random, actors))
    return sorted(steps, key=lambda step: step.at_s)


def draw_fault(kind: str, at_s: float, random: Random, actors: Sequence[str]) -> Step:
    """One fault of a kind, its details drawn."""
    for_s = round(random.uniform(FAULT_MIN_S, FAULT_MAX_S), 3)
    delay_s = round(random.uniform(0.0, DELAY_MAX_S), 3)
    actor = random.choice(list(actors))
    by_s = round(random.uniform(-SKEW_MAX_S, SKEW_MAX_S), 1)
    ends = _link(random, actors)
    details: Mapping[str, Mapping[str, Any]] = {
        "crash": {"actor": random.choice([*actors, "broker"]), "restart_after_s": for_s},
        "restart": {"actor": actor},
        "restart-onto-old-view": {"actor": actor, "behind_s": for_s, "for_s": for_s},
        "pause": {"actor": actor, "for_s": for_s},
        "partition": {"from": ends[0], "to": ends[1], "for_s": for_s},
        "one-way-partition": {"from": ends[0], "to": ends[1], "for_s": for_s, "one_way": True},
        "slow": {"from": ends[0], "to": ends[1], "for_s": for_s, "delay_s": delay_s},
        "skew": {"actor": actor, "by_s": by_s, "for_s": for_s},
        "jump": {"actor": actor, "by_s": by_s},
        "commit-crash": {"when_committing": random.choice(["before", "after"])},
        "disk-full": {"for_s": for_s},
        "slow-sync": {"for_s": for_s, "delay_s": delay_s},
        "lagging-replica": {"actor": actor, "delay_s": delay_s, "for_s": for_s},
        "watch-reset": {"actor": actor},
        "missing-bookmarks": {"for_s": for_s},
    }
    return Step(at_s, "partition" if kind == "one-way-partition" else kind, details[kind])


def _link(random: Random, actors: Sequence[str]) -> tuple[str, str]:
    """Some actor and the API server, one way or the other; or the API server and the store."""
    other = random.choice([name for name in actors if name != "apiserver"])
    return ("apiserver", other) if random.random() < 0.5 else (other, "apiserver")
