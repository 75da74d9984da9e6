"""The pods of a Job, sorted by what they count for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.apimachinery.meta import uid_of
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import SUCCEEDED, is_active, is_ready, is_terminating, phase
from actors.controllers.job.indexes import parse_indexes
from actors.controllers.job.job_reading import (
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    backoff_limit_per_index_of,
    completion_index,
    completions_of,
    has_failed,
    has_valid_index,
    index_failures,
    is_indexed,
    is_tracked,
    is_true,
)
from actors.controllers.job.pod_backoff import finished_s
from actors.controllers.job.pod_failure_policy import FAIL_INDEX, judge


@dataclass(slots=True)
class Census:
    """One look at a Job's pods."""

    pods: Sequence[Object]
    active: list[Object] = field(default_factory=list)
    terminating: list[Object] = field(default_factory=list)
    ready: int = 0
    noted_succeeded: frozenset[str] = frozenset()
    """Uids of ``status.uncountedTerminatedPods``: written down, but not in the counters yet."""
    noted_failed: frozenset[str] = frozenset()
    new_succeeded: list[Object] = field(default_factory=list)
    """Ended, and not in the status in any way yet."""
    new_failed: list[Object] = field(default_factory=list)
    succeeded: int = 0
    """All successes: counted, written down, and new."""
    failed: int = 0
    """All failures that count, likewise."""
    succeeded_indexes: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    """Indexes that are given up (with ``backoffLimitPerIndex``)."""
    waiting: dict[int, Object] = field(default_factory=dict)
    """By index: the failed pod that stays until the one that replaces it is there, which carries its count on."""

    @classmethod
    def of(cls, job: Object, pods: Sequence[Object]) -> Census:
        """Sort the pods that the Job controls."""
        status = job.get("status") or {}
        noted = status.get("uncountedTerminatedPods") or {}
        census = cls(
            pods,
            noted_succeeded=frozenset(noted.get("succeeded") or ()),
            noted_failed=frozenset(noted.get("failed") or ()),
        )
        for pod in pods:
            if is_active(pod):
                census.active.append(pod)
                census.ready += is_ready(pod)
            elif is_terminating(pod):
                census.terminating.append(pod)
            if is_tracked(pod) and has_valid_index(job, pod):
                census._sort_ended(job, pod)
        counted = [pod for pod in census.new_failed if judge(job, pod).counts]
        census.failed = status.get("failed", 0) + len(census.noted_failed) + len(counted)
        census.succeeded = status.get("succeeded", 0) + len(census.noted_succeeded) + len(census.new_succeeded)
        if is_indexed(job):
            census._look_at_indexes(job)
        return census

    def _sort_ended(self, job: Object, pod: Object) -> None:
        if phase(pod) == SUCCEEDED:
            if uid_of(pod) not in self.noted_succeeded and uid_of(pod) not in self.noted_failed:
                self.new_succeeded.append(pod)
        elif has_failed(job, pod) and uid_of(pod) not in self.noted_failed:
            self.new_failed.append(pod)

    def _look_at_indexes(self, job: Object) -> None:
        status, completions = job.get("status") or {}, completions_of(job) or 0
        self.succeeded_indexes = parse_indexes(status.get("completedIndexes"), completions)
        self.succeeded_indexes |= indexes_of(self.new_succeeded)
        self.succeeded = len(self.succeeded_indexes)
        limit = backoff_limit_per_index_of(job)
        if limit is None:
            return
        self.failed_indexes = parse_indexes(status.get("failedIndexes"), completions)
        if is_true(job, FAILURE_TARGET) or is_true(job, SUCCESS_CRITERIA_MET):
            return  # pods that are ended because the Job is say nothing of their indexes
        failed = [pod for pod in self.pods if is_tracked(pod) and has_valid_index(job, pod) and has_failed(job, pod)]
        self.failed_indexes |= indexes_of([pod for pod in failed if _gives_index_up(job, pod, limit)])
        over = self.succeeded_indexes | self.failed_indexes | indexes_of(self.active)
        for pod in sorted(failed, key=lambda pod: (sum(index_failures(pod)), finished_s(pod), uid_of(pod))):
            index = completion_index(pod)
            if index is not None and index not in over:
                self.waiting[index] = pod


def indexes_of(pods: Sequence[Object]) -> set[int]:
    """The indexes of the pods that have one."""
    return {index for pod in pods if (index := completion_index(pod)) is not None}


def _gives_index_up(job: Object, pod: Object, limit: int) -> bool:
    """Whether with this failed pod its index has failed."""
    verdict = judge(job, pod)
    if verdict.action == FAIL_INDEX:
        return True
    return verdict.counts and index_failures(pod)[0] >= limit
