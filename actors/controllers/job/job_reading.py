"""What a Job and its pods say: readings of the plain objects, none of which changes them."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.conditions import Condition, find_condition
from actors.apimachinery.meta import annotations_of, is_being_deleted
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import FAILED, SUCCEEDED, phase

JOBS: Final = "batch/v1/jobs"
#: Holds a pod that has ended until it is counted in the Job's status.
TRACKING_FINALIZER: Final = "batch.kubernetes.io/job-tracking"
#: Annotation and label of the pods of an Indexed Job.
COMPLETION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURE_COUNT: Final = "batch.kubernetes.io/job-index-ignored-failure-count"
#: ``spec.managedBy`` of the Jobs that are this controller's.
OWN_NAME: Final = "kubernetes.io/job-controller"

SUSPENDED: Final = "Suspended"
COMPLETE: Final = "Complete"
JOB_FAILED: Final = "Failed"
SUCCESS_CRITERIA_MET: Final = "SuccessCriteriaMet"
FAILURE_TARGET: Final = "FailureTarget"


def is_true(job: Object, condition_type: str) -> Condition | None:
    """The Job's condition of a type, if it has one and that is True."""
    found = find_condition((job.get("status") or {}).get("conditions"), condition_type)
    return found if found is not None and found["status"] == "True" else None


def finished_condition(job: Object) -> Condition | None:
    """The condition that ended the Job: Complete or Failed."""
    return is_true(job, COMPLETE) or is_true(job, JOB_FAILED)


def is_indexed(job: Object) -> bool:
    """Whether each of its completions has a number."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_suspended(job: Object) -> bool:
    """Whether it asks for no pods at all for now."""
    return bool(job["spec"].get("suspend"))


def is_managed_elsewhere(job: Object) -> bool:
    """Whether another controller looks after it."""
    return bool((job["spec"].get("managedBy") or OWN_NAME) != OWN_NAME)


def parallelism_of(job: Object) -> int:
    """How many pods may run at a time."""
    return int(job["spec"].get("parallelism", 1))


def completions_of(job: Object) -> int | None:
    """How many must succeed; None: one success ends the work queue."""
    completions = job["spec"].get("completions")
    return None if completions is None else int(completions)


def backoff_limit_of(job: Object) -> int:
    """How many failures it takes before it fails itself."""
    return int(job["spec"].get("backoffLimit", 6))


def backoff_limit_per_index_of(job: Object) -> int | None:
    """How many failures each index may have; None: only their sum counts."""
    limit = job["spec"].get("backoffLimitPerIndex") if is_indexed(job) else None
    return None if limit is None else int(limit)


def replaces_only_failed(job: Object) -> bool:
    """Whether a pod that is being deleted must have ended before another takes its place (and before it counts)."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or bool(spec.get("podFailurePolicy"))


def completion_index(pod: Object) -> int | None:
    """The pod's index; None when it has none."""
    return _whole_number(annotations_of(pod).get(COMPLETION_INDEX))


def index_failures(pod: Object) -> tuple[int, int]:
    """How many pods of its index failed before it: those that counted, and those that were ignored."""
    annotations = annotations_of(pod)
    counted = _whole_number(annotations.get(INDEX_FAILURE_COUNT)) or 0
    return counted, _whole_number(annotations.get(INDEX_IGNORED_FAILURE_COUNT)) or 0


def _whole_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def is_tracked(pod: Object) -> bool:
    """Whether the pod has the finalizer: it isn't counted yet, or not known to be."""
    return TRACKING_FINALIZER in (pod["metadata"].get("finalizers") or ())


def has_valid_index(job: Object, pod: Object) -> bool:
    """Whether the pod counts for what the Job asks: in an Indexed one it has an index below ``completions``."""
    if not is_indexed(job):
        return True
    index = completion_index(pod)
    return index is not None and index < (completions_of(job) or 0)


def has_failed(job: Object, pod: Object) -> bool:
    """Whether the pod counts as failed. One that is being deleted does, unless only ended ones are replaced."""
    if phase(pod) == FAILED:
        return True
    return is_being_deleted(pod) and phase(pod) != SUCCEEDED and not replaces_only_failed(job)
