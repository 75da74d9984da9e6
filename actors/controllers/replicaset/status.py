"""What a ReplicaSet reports: counts of its pods, and whether it fails to create or delete them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.apimachinery.conditions import find_condition, new_condition, without_condition
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import TERMINAL_PHASES, available_in_s

REPLICA_FAILURE = "ReplicaFailure"


@dataclass(slots=True)
class Census:
    """Pods of a ReplicaSet, sorted by what they count for, in one pass."""

    active: list[Object] = field(default_factory=list)
    terminating: list[Object] = field(default_factory=list)

    @classmethod
    def of(cls, pods: Iterable[Object]) -> Census:
        """Sort pods into active ones and those being deleted; ended ones are neither."""
        census = cls()
        for pod in pods:
            status = pod.get("status")
            if status and status.get("phase") in TERMINAL_PHASES:
                continue
            (census.terminating if pod["metadata"].get("deletionTimestamp") else census.active).append(pod)
        return census


@dataclass(slots=True)
class Counts:
    """How many of the active pods are how far."""

    fully_labeled: int = 0
    ready: int = 0
    available: int = 0
    next_available_s: float | None = None
    """Until the next ready pod becomes available, if there is one."""


def count_pods(active: Sequence[Object], template_labels: dict[str, str], min_ready_s: int, now_s: float) -> Counts:
    """Count the active pods."""
    counts = Counts()
    wanted = list(template_labels.items())
    for pod in active:
        labels = pod["metadata"].get("labels") or {}
        if all(labels.get(name) == value for name, value in wanted):
            counts.fully_labeled += 1
        status = pod.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition["type"] == "Ready":
                if condition["status"] == "True":
                    _count_ready(counts, pod, min_ready_s, now_s)
                break
    return counts


def _count_ready(counts: Counts, pod: Object, min_ready_s: int, now_s: float) -> None:
    counts.ready += 1
    left_s = 0.0 if min_ready_s <= 0 else available_in_s(pod, min_ready_s, now_s)
    if left_s == 0.0:
        counts.available += 1
    elif left_s is not None and (counts.next_available_s is None or left_s < counts.next_available_s):
        counts.next_available_s = left_s


def new_status(replicaset: Object, census: Census, counts: Counts, conditions: Sequence[Object]) -> dict[str, Any]:
    """The status in its JSON form, where zeros are left out but for ``replicas`` and ``terminatingReplicas``."""
    numbers = {
        "fullyLabeledReplicas": counts.fully_labeled,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
        "observedGeneration": replicaset["metadata"].get("generation", 0),
    }
    status: dict[str, Any] = {"replicas": len(census.active)}
    status.update((name, number) for name, number in numbers.items() if number)
    status["terminatingReplicas"] = len(census.terminating)
    if conditions:
        status["conditions"] = list(conditions)
    return status


def conditions_after(replicaset: Object, failure: str, surplus: int, now_s: float) -> list[Object]:
    """The conditions after pods were managed: with ReplicaFailure if that failed, `surplus` pods being too many.

    A failure that is already shown stays as it is, with the message of its first occurrence.
    """
    conditions = (replicaset.get("status") or {}).get("conditions") or []
    if not failure:
        return without_condition(conditions, REPLICA_FAILURE)
    if find_condition(conditions, REPLICA_FAILURE) is not None:
        return list(conditions)
    reason = "FailedCreate" if surplus < 0 else "FailedDelete" if surplus > 0 else ""
    return [*conditions, new_condition(REPLICA_FAILURE, "True", reason, failure, now_s)]
