"""The status of a Job, as it is to be written next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from actors.apimachinery.conditions import Condition, find_condition, new_condition
from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.client.decision import EventNote
from actors.controllers.job.census import Census
from actors.controllers.job.indexes import format_indexes
from actors.controllers.job.job_reading import (
    COMPLETE,
    JOB_FAILED,
    SUSPENDED,
    backoff_limit_per_index_of,
    completions_of,
    is_suspended,
    is_tracked,
    is_true,
)
from actors.controllers.job.outcome import Outcome
from actors.controllers.job.tracking import Counters

Status = dict[str, Any]

#: What must be stored before any pod is deleted or released: what has been counted, and where the Job is heading.
_COUNTS: Final = ("succeeded", "failed", "completedIndexes", "failedIndexes")


def new_status(job: Object, census: Census, outcome: Outcome | None, counters: Counters, now_s: float) -> Status:
    """The status in its JSON form; zeros are left out but for ``ready`` and ``terminating``."""
    stored = job.get("status") or {}
    conditions = _conditions(job, census, outcome, counters, now_s)
    start = stored.get("startTime")
    resumed = is_true(job, SUSPENDED) is not None and not _is_true(conditions, SUSPENDED)
    if not is_suspended(job) and (start is None or resumed):
        start = format_time(now_s)
    completed = find_condition(conditions, COMPLETE)
    noted = {"succeeded": counters.noted_succeeded, "failed": counters.noted_failed}
    per_index = backoff_limit_per_index_of(job) is not None
    status: Status = {
        "conditions": conditions or None,
        "startTime": start,
        "completionTime": completed["lastTransitionTime"] if completed is not None else None,
        "active": len(census.active) or None,
        "succeeded": counters.succeeded or None,
        "failed": counters.failed or None,
        "completedIndexes": format_indexes(counters.completed_indexes) or None,
        "failedIndexes": format_indexes(census.failed_indexes) if per_index else None,
        "uncountedTerminatedPods": {name: uids for name, uids in noted.items() if uids},
        "terminating": len(census.terminating),
        "ready": census.ready,
    }
    return {name: value for name, value in status.items() if value is not None}


def must_come_first(job: Object, status: Status, outcome: Outcome | None) -> bool:
    """Whether the status says something new that what is done to pods relies on."""
    stored = job.get("status") or {}
    if any((stored.get(name) or 0) != (status.get(name) or 0) for name in _COUNTS):
        return True
    if (stored.get("uncountedTerminatedPods") or {}) != status["uncountedTerminatedPods"]:
        return True
    return outcome is not None and is_true(job, outcome.type) is None


def notes(job: Object, status: Status) -> list[EventNote]:
    """What the new status has to tell."""
    told = []
    before = (job.get("status") or {}).get("conditions")
    for condition in status.get("conditions") or ():
        if condition == find_condition(before, condition["type"]):
            continue
        told += _notes_of(job, status, condition)
    return told


def _notes_of(job: Object, status: Status, condition: Condition) -> list[EventNote]:
    kind, is_on = condition["type"], condition["status"] == "True"
    if kind == SUSPENDED:
        return [EventNote(job, "Normal", "Suspended" if is_on else "Resumed", condition["message"])]
    if kind == JOB_FAILED:
        return [EventNote(job, "Warning", condition["reason"], condition["message"])]
    if kind != COMPLETE:
        return []
    told = [EventNote(job, "Normal", "Completed", "Job completed")]
    wanted = completions_of(job)
    if wanted is not None and status.get("succeeded", 0) > wanted:
        message = "Too many succeeded pods running after completion count reached"
        told.insert(0, EventNote(job, "Warning", "TooManySucceededPods", message))
    return told


def _conditions(
    job: Object, census: Census, outcome: Outcome | None, counters: Counters, now_s: float
) -> list[Condition]:
    conditions: list[Condition] = list((job.get("status") or {}).get("conditions") or ())
    if outcome is not None:
        if is_true(job, outcome.type) is None:
            return _with(conditions, _condition(outcome.type, "True", outcome.reason, outcome.message, now_s))
        if _all_is_over(census, counters):
            kind = JOB_FAILED if outcome.is_failure else COMPLETE
            return _with(conditions, _condition(kind, "True", outcome.reason, outcome.message, now_s))
        return conditions
    if is_suspended(job):
        if census.active:
            return conditions  # told once they are gone
        return _with(conditions, _condition(SUSPENDED, "True", "JobSuspended", "Job suspended", now_s))
    if find_condition(conditions, SUSPENDED) is not None:
        return _with(conditions, _condition(SUSPENDED, "False", "JobResumed", "Job resumed", now_s))
    return conditions


def _all_is_over(census: Census, counters: Counters) -> bool:
    """Whether nothing runs, ends or waits to be counted."""
    noted = counters.noted_succeeded or counters.noted_failed or counters.is_full
    return not (noted or census.active or census.terminating or any(map(is_tracked, census.pods)))


def _condition(kind: str, status: str, reason: str, message: str, now_s: float) -> Condition:
    condition = new_condition(kind, status, reason, message, now_s)
    return {**condition, "lastProbeTime": condition["lastTransitionTime"]}


def _with(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """The list with a condition in its old place, or at the end; one that says the same stays as it is."""
    current = find_condition(conditions, new["type"])
    if current is None:
        return [*conditions, new]
    if all(current.get(name) == new.get(name) for name in ("status", "reason", "message")):
        return list(conditions)
    return [new if condition is current else condition for condition in conditions]


def _is_true(conditions: Sequence[Condition], kind: str) -> bool:
    found = find_condition(conditions, kind)
    return found is not None and found["status"] == "True"
