"""What a Job is heading for: the condition that is written down first (FailureTarget, SuccessCriteriaMet).

Once written down it stands: what pods do afterwards doesn't change it. Only when all pods have ended and are counted
does the Job end, with Failed or Complete, for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from actors.apimachinery.meta import parse_time
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import PENDING, RUNNING, phase
from actors.controllers.job.census import Census
from actors.controllers.job.job_reading import (
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    SUSPENDED,
    backoff_limit_of,
    completions_of,
    has_failed,
    is_indexed,
    is_suspended,
    is_true,
)
from actors.controllers.job.pod_failure_policy import judge
from actors.controllers.job.success_policy import matched_rule


@dataclass(frozen=True, slots=True)
class Outcome:
    """A Job's end that is in sight."""

    type: str
    """FailureTarget or SuccessCriteriaMet."""
    reason: str
    message: str

    @property
    def is_failure(self) -> bool:
        """Whether the Job fails."""
        return self.type == FAILURE_TARGET


_BACKOFF_LIMIT: Final = Outcome(FAILURE_TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE: Final = Outcome(FAILURE_TARGET, "DeadlineExceeded", "Job was active longer than specified deadline")
_MAX_FAILED_INDEXES: Final = Outcome(
    FAILURE_TARGET, "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
)
_FAILED_INDEXES: Final = Outcome(FAILURE_TARGET, "FailedIndexes", "Job has failed indexes")
_COMPLETIONS: Final = Outcome(SUCCESS_CRITERIA_MET, "CompletionsReached", "Reached expected number of succeeded pods")


def outcome_of(job: Object, census: Census, now_s: float) -> Outcome | None:
    """The end that is in sight, the one that was written down before any other; None while the Job goes on."""
    for condition_type in (SUCCESS_CRITERIA_MET, FAILURE_TARGET):
        known = is_true(job, condition_type)
        if known is not None:
            return Outcome(condition_type, known.get("reason", ""), known.get("message", ""))
    return _failure(job, census, now_s) or _success(job, census)


def _failure(job: Object, census: Census, now_s: float) -> Outcome | None:
    for pod in census.pods if job["spec"].get("podFailurePolicy") else ():
        message = judge(job, pod).message if has_failed(job, pod) else ""
        if message:
            return Outcome(FAILURE_TARGET, "PodFailurePolicy", message)
    if census.failed > backoff_limit_of(job) or _restarted_too_often(job, census):
        return _BACKOFF_LIMIT
    left_s = deadline_left_s(job, now_s)
    if left_s is not None and left_s <= 0:
        return _DEADLINE
    if census.failed_indexes:
        most = job["spec"].get("maxFailedIndexes")
        if most is not None and len(census.failed_indexes) > most:
            return _MAX_FAILED_INDEXES
        if len(census.failed_indexes | census.succeeded_indexes) >= (completions_of(job) or 0):
            return _FAILED_INDEXES
    return None


def _success(job: Object, census: Census) -> Outcome | None:
    if is_indexed(job):
        rule = matched_rule(job, census.succeeded_indexes)
        if rule is not None:
            return Outcome(SUCCESS_CRITERIA_MET, "SuccessPolicy", f"Matched rules at index {rule}")
    wanted = completions_of(job)
    enough = census.succeeded > 0 if wanted is None else census.succeeded >= wanted
    return _COMPLETIONS if enough and not census.active else None


def _restarted_too_often(job: Object, census: Census) -> bool:
    """With the restart policy OnFailure, it is the containers' restarts that count."""
    if (job["spec"]["template"].get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    statuses = [pod.get("status") or {} for pod in census.pods if phase(pod) in (RUNNING, PENDING)]
    restarts = sum(
        container.get("restartCount", 0)
        for status in statuses
        for kind in ("initContainerStatuses", "containerStatuses")
        for container in status.get(kind) or ()
    )
    return bool(restarts >= max(1, backoff_limit_of(job)))


def deadline_left_s(job: Object, now_s: float) -> float | None:
    """How long the Job may still be active; None when there is no limit, or while it is suspended.

    A Job that goes on after a suspension has all its time again, from the moment that is written down.
    """
    limit_s, started = job["spec"].get("activeDeadlineSeconds"), (job.get("status") or {}).get("startTime")
    if limit_s is None or not started or is_suspended(job) or is_true(job, SUSPENDED):
        return None
    return float(parse_time(started) + limit_s - now_s)
