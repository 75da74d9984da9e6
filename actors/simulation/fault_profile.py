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

    conflict: float = 0.0
    too_many_requests: float = 0.0
    error_after_commit: float = 0.0
    expired: float = 0.0

    crash: float = 0.0
    pause: float = 0.0
    partition: float = 0.0
    slow: float = 0.0
    skew: float = 0.0
    commit_crash: float = 0.0
    disk_full: float = 0.0
    slow_sync: float = 0.0

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
API_RATES: Final = ("conflict", "too_many_requests", "error_after_commit", "expired")

PROFILES: Final[Mapping[str, FaultProfile]] = {
    "none": FaultProfile(),
    "light": FaultProfile(drop=0.02, duplicate=0.02, delay=0.02, reorder=0.05, crash=2, pause=1),
    "messages": FaultProfile(drop=0.1, duplicate=0.1, delay=0.1, reorder=0.1, corrupt=0.02),
    "crashes": FaultProfile(crash=40, commit_crash=6),
    "api": FaultProfile(conflict=0.1, too_many_requests=0.1, error_after_commit=0.1, expired=0.1),
    "heavy": FaultProfile(
        drop=0.08, duplicate=0.08, delay=0.08, reorder=0.08, corrupt=0.02,
        conflict=0.03, too_many_requests=0.03, error_after_commit=0.03, expired=0.03,
        crash=12, pause=4, partition=4, slow=4, skew=2, commit_crash=2, disk_full=1, slow_sync=2,
    ),
}  # fmt: skip


def draw_steps(profile: FaultProfile, random: Random, actors: Sequence[str], duration_s: float) -> list[Step]:
    """The faults with a time of their own, drawn for a run of that length."""
    steps: list[Step] = []
    for name in ("crash", "pause", "partition", "slow", "skew", "commit_crash", "disk_full", "slow_sync"):
        expected = getattr(profile, name) * duration_s / 60
        count = int(expected) + (random.random() < expected % 1)
        for _ in range(count):
            at_s = round(random.uniform(0, duration_s), 3)
            steps.append(Step(at_s, name.replace("_", "-"), _details(name, random, actors)))
    return sorted(steps, key=lambda step: step.at_s)


def _details(name: str, random: Random, actors: Sequence[str]) -> dict[str, Any]:
    for_s = round(random.uniform(FAULT_MIN_S, FAULT_MAX_S), 3)
    if name == "crash":
        return {"actor": random.choice([*actors, "broker"]), "restart_after_s": for_s}
    if name == "pause":
        return {"actor": random.choice(list(actors)), "for_s": for_s}
    if name == "partition":
        ends = _link(random, actors)
        return {"from": ends[0], "to": ends[1], "for_s": for_s, "one_way": random.random() < 0.5}
    if name == "slow":
        ends = _link(random, actors)
        delay_s = round(random.uniform(0.0, DELAY_MAX_S), 3)
        return {"from": ends[0], "to": ends[1], "for_s": for_s, "delay_s": delay_s}
    if name == "skew":
        return {"actor": random.choice(list(actors)), "by_s": round(random.uniform(-SKEW_MAX_S, SKEW_MAX_S), 1)}
    if name == "commit_crash":
        return {"when": random.choice(["before", "after"])}
    if name == "disk_full":
        return {"for_s": for_s}
    return {"for_s": for_s, "delay_s": round(random.uniform(0.0, DELAY_MAX_S), 3)}


def _link(random: Random, actors: Sequence[str]) -> tuple[str, str]:
    """Some actor and the API server, one way or the other; or the API server and the store."""
    other = random.choice([name for name in actors if name != "apiserver"])
    return ("apiserver", other) if random.random() < 0.5 else (other, "apiserver")
