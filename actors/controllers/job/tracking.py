"""Each pod that ends is counted exactly once, whatever crashes between any two writes.

1. A pod is made with a finalizer, so that it can't vanish.
2. When it has ended, its uid is written into ``status.uncountedTerminatedPods``; in an Indexed Job the index of one
   that succeeded goes into ``status.completedIndexes``, which is enough.
3. Only then is the finalizer taken off.
4. A uid whose pod has no finalizer any more leaves the list, and the counter grows by one, in one write.

The writes of the status are void when the Job has changed since it was read. That leaves an old view of the pods, one
that still shows the finalizer of a pod that is counted. So the controller's lease keeps writes of its predecessors
out, and it begins only with a view from after its lease (`actors.controllers.job.actor`); then it sees its own writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from actors.apimachinery.meta import is_being_deleted, key_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.pods import FAILED, SUCCEEDED, phase
from actors.controllers.job.census import Census
from actors.controllers.job.indexes import parse_indexes
from actors.controllers.job.job_reading import (
    TRACKING_FINALIZER,
    completion_index,
    completions_of,
    has_failed,
    has_valid_index,
    is_indexed,
    is_tracked,
)
from actors.controllers.job.outcome import Outcome
from actors.controllers.job.pod_failure_policy import judge

PODS: Final = "v1/pods"
#: Most uids in the status at a time (``MaxUncountedPods``).
UNCOUNTED_MAX: Final = 500


@dataclass(slots=True)
class Counters:
    """The part of the status that counts ended pods."""

    succeeded: int
    failed: int
    noted_succeeded: list[str]
    noted_failed: list[str]
    completed_indexes: set[int] = field(default_factory=set)
    is_full: bool = False
    """Whether there are more pods to write down than may be at a time."""


def count(job: Object, census: Census, outcome: Outcome | None) -> Counters:
    """The counters as they are to be written next."""
    status = job.get("status") or {}
    noted = status.get("uncountedTerminatedPods") or {}
    tracked = {uid_of(pod) for pod in census.pods if is_tracked(pod)}
    lists = [list(noted.get(name) or ()) for name in ("succeeded", "failed")]
    noted_succeeded, noted_failed = [[uid for uid in uids if uid in tracked] for uids in lists]
    counters = Counters(
        status.get("succeeded", 0) + len(lists[0]) - len(noted_succeeded),
        status.get("failed", 0) + len(lists[1]) - len(noted_failed),
        noted_succeeded,
        noted_failed,
        parse_indexes(status.get("completedIndexes"), completions_of(job) or 0) if is_indexed(job) else set(),
    )
    new_indexes = 0
    for pod in sorted(census.pods, key=lambda pod: completion_index(pod) or 0):
        if not is_tracked(pod) or not _is_over(job, census, outcome, pod) or _is_noted(job, pod):
            continue
        if new_indexes + len(counters.noted_succeeded) + len(counters.noted_failed) >= UNCOUNTED_MAX:
            counters.is_full = True
            break
        match _counts_as(job, outcome, pod):
            case "succeeded" if is_indexed(job):
                new_indexes += 1
                counters.completed_indexes.add(completion_index(pod) or 0)
            case "succeeded":
                counters.noted_succeeded.append(uid_of(pod))
            case "failed":
                counters.noted_failed.append(uid_of(pod))
    if is_indexed(job):
        counters.succeeded = len(counters.completed_indexes)
    return counters


def releases(job: Object, census: Census, outcome: Outcome | None) -> list[Operation]:
    """The finalizers to take off: of pods that the status, as it is stored, has written down or that don't count."""
    return [
        release(pod)
        for pod in census.pods
        if is_tracked(pod)
        and _is_over(job, census, outcome, pod)
        and (_is_noted(job, pod) or not _counts_as(job, outcome, pod))
    ][:UNCOUNTED_MAX]


def release(pod: Object) -> Operation:
    """Take the finalizer off a pod; void when it has changed since."""
    rest = [name for name in pod["metadata"]["finalizers"] if name != TRACKING_FINALIZER]
    return patch_metadata(pod, {"finalizers": rest or None})


def patch_metadata(pod: Object, changes: dict[str, Any]) -> Operation:
    """Change a pod's metadata, unless the pod has changed since."""
    known, key = pod["metadata"], key_of(pod)
    same = {name: known[name] for name in ("uid", "resourceVersion") if name in known}
    body = {"metadata": {**same, **changes}}
    return Operation("patch", PODS, key.namespace, key.name, "", body, {"patchType": "merge"})


def _is_over(job: Object, census: Census, outcome: Outcome | None, pod: Object) -> bool:
    """Whether a pod needs its finalizer no longer once it is written down."""
    if is_being_deleted(job) or outcome is not None or phase(pod) == SUCCEEDED:
        return True
    if not has_failed(job, pod):
        return False
    waiting = census.waiting.get(-1 if (index := completion_index(pod)) is None else index)
    return waiting is None or uid_of(waiting) != uid_of(pod)


def _is_noted(job: Object, pod: Object) -> bool:
    """Whether the stored status has a pod written down."""
    status = job.get("status") or {}
    noted = status.get("uncountedTerminatedPods") or {}
    if uid_of(pod) in (noted.get("failed") or ()):
        return True
    if phase(pod) == SUCCEEDED and is_indexed(job):
        return completion_index(pod) in parse_indexes(status.get("completedIndexes"), completions_of(job) or 0)
    return uid_of(pod) in (noted.get("succeeded") or ())


def _counts_as(job: Object, outcome: Outcome | None, pod: Object) -> str:
    """``succeeded``, ``failed``, or empty for a pod that counts as neither.

    When a Job fails, every pod that hasn't succeeded has failed. Those that are ended because it succeeds have not.
    """
    if not has_valid_index(job, pod):
        return ""
    if phase(pod) == SUCCEEDED:
        return "succeeded"
    failed = has_failed(job, pod) if outcome is None else outcome.is_failure or phase(pod) == FAILED
    return "failed" if failed and judge(job, pod).counts else ""
