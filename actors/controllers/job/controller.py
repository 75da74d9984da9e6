"""What the Job controller decides.

One reconcile does one thing; each write's answer brings the key back, on a view that shows it. In this order:

1. pods that were this Job's, or nobody's, are taken over, given up, or freed of the finalizer
2. what has ended is written down, and where the Job is heading (`tracking`, `outcome`)
3. pods are deleted or created
4. finalizers come off those that are written down
5. the rest of the status; with nothing left to do, the Job's end
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from actors.apimachinery.meta import Key, controller_of, is_being_deleted, labels_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.selector import LabelSelector
from actors.client.controller import Trigger, View
from actors.client.decision import NOTHING_TO_DO, Decision, EventNote
from actors.controllers.job.census import Census
from actors.controllers.job.job_reading import (
    JOBS,
    TRACKING_FINALIZER,
    backoff_limit_per_index_of,
    completions_of,
    finished_condition,
    is_indexed,
    is_managed_elsewhere,
    is_suspended,
    is_tracked,
    parallelism_of,
    replaces_only_failed,
)
from actors.controllers.job.outcome import Outcome, deadline_left_s, outcome_of
from actors.controllers.job.pod_backoff import index_backoff_left_s, pod_backoff_left_s
from actors.controllers.job.pod_creation import create_indexed_pods, create_pods, pending_indexes
from actors.controllers.job.pod_removal import delete, remove, surplus_pods
from actors.controllers.job.status import must_come_first, new_status, notes
from actors.controllers.job.time_to_live import deletion, time_left_s
from actors.controllers.job.tracking import PODS, count, patch_metadata, release, releases
from actors.controllers.ownership import BY_CONTROLLER, OWNERSHIP_INDEXES, candidates, claim, own_key, owner_keys
from actors.controllers.pace import Pace
from actors.controllers.refusals import Refusal

#: Most pods created or deleted in one go (``MaxPodCreateDeletePerSync``).
PODS_A_STEP_MAX: Final = 500
#: Index of pods with the finalizer: the Job that they are, or were, a part of.
TRACKED: Final = "tracked"
_JOB_NAME_LABEL: Final = "batch.kubernetes.io/job-name"


def _job_of(pod: Object) -> Key | None:
    """The Job by whose name a pod with the finalizer is looked for; its own name when it tells of none."""
    if not is_tracked(pod):
        return None
    reference = controller_of(pod)
    if reference is not None and reference["kind"] != "Job":
        return None
    metadata = pod["metadata"]
    name = reference["name"] if reference is not None else labels_of(pod).get(_JOB_NAME_LABEL, metadata["name"])
    return Key(metadata.get("namespace", ""), name)


def _tracked(pod: Object) -> Iterable[str]:
    key = _job_of(pod)
    return () if key is None else (str(key),)


_owners: Final = owner_keys(JOBS, "Job")


def _keys_of_pod(pod: Object, view: View) -> Iterable[Key]:
    key = _job_of(pod)
    return (*(() if key is None else (key,)), *_owners(pod, view))


class JobController:
    """Runs the pods of each Job. Remembers nothing but when it looked at large ones."""

    name = "job-controller"
    triggers: Sequence[Trigger] = (
        Trigger(JOBS, own_key),
        Trigger(PODS, _keys_of_pod, {**OWNERSHIP_INDEXES, TRACKED: _tracked}),
    )

    def __init__(self) -> None:
        self._pace = Pace()

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        """The next step for one Job."""
        job = view.get(JOBS, key)
        if job is None:
            self._pace.forget(key)
            return Decision([release(pod) for pod in _strays(key, None, view)])
        left_s = time_left_s(job, now_s)
        if left_s == 0:
            return Decision([deletion(job)])
        if is_managed_elsewhere(job):
            return Decision(requeue_after_s=left_s)
        strays = _strays(key, job, view)
        if strays:
            return Decision([release(pod) for pod in strays])
        if finished_condition(job) is not None:
            self._pace.forget(key)
            return Decision(_after_the_end(job, view), requeue_after_s=left_s)
        wait_s = self._pace.wait_s(key, job, now_s)
        if wait_s > 0:
            return Decision(requeue_after_s=wait_s)
        decision, pods = _look(job, view, now_s)
        self._pace.looked(key, job, pods, now_s)
        return decision

    def refused(self, key: Key, view: View, _now_s: float, refusals: Sequence[Refusal]) -> Decision:
        """Tell of a pod that could not be created or deleted."""
        job = view.get(JOBS, key)
        if job is None:
            return NOTHING_TO_DO
        for refusal in refusals:
            if refusal.operation.resource == PODS and refusal.operation.verb in ("create", "delete"):
                verb = "creating" if refusal.operation.verb == "create" else "deleting"
                reason = "FailedCreate" if verb == "creating" else "FailedDelete"
                return Decision(events=[EventNote(job, "Warning", reason, f"Error {verb}: {refusal.message}")])
        return NOTHING_TO_DO


def _look(job: Object, view: View, now_s: float) -> tuple[Decision, int]:
    """The next step, and the number of pods that were looked at; 0 if there is more to do at once."""
    selector = LabelSelector.from_object(job["spec"].get("selector"))
    claimed = claim(job, selector, PODS, candidates(view, PODS, job))
    if claimed.writes:
        adopted = {(pod["metadata"]["name"]): pod for pod in claimed.adopted}
        return Decision([_with_finalizer(write, view, adopted) for write in claimed.writes]), 0
    census = Census.of(job, claimed.owned)
    outcome = outcome_of(job, census, now_s)
    status = new_status(job, census, outcome, count(job, census, outcome), now_s)
    if must_come_first(job, status, outcome):
        return Decision([_status_update(job, status)], notes(job, status)), 0
    managed = _manage(job, census, outcome, view, now_s)
    if managed.writes:
        return managed, 0
    released = releases(job, census, outcome)
    if released:
        return Decision(released), 0
    deadline_s = deadline_left_s(job, now_s) if outcome is None else None
    later = [left_s for left_s in (managed.requeue_after_s, deadline_s) if left_s is not None]
    rest = Decision(requeue_after_s=min(later, default=None))
    if status != (job.get("status") or {}):
        rest = replace(rest, writes=[_status_update(job, status)], events=notes(job, status))
    return rest, len(census.pods)


def _manage(job: Object, census: Census, outcome: Outcome | None, view: View, now_s: float) -> Decision:
    """Delete pods that are too many, or create those that are missing."""
    if outcome is not None:
        return _delete(job, [delete(pod) for pod in census.active])
    if is_being_deleted(job):
        return NOTHING_TO_DO
    wanted = _wanted(job, census)
    surplus = surplus_pods(job, census, wanted, now_s)
    if surplus:
        return _delete(job, [remove(pod) for pod in surplus])
    missing = min(wanted - len(census.active), PODS_A_STEP_MAX)
    if replaces_only_failed(job):
        missing = min(missing, wanted - len(census.active) - len(census.terminating))
    if missing <= 0:
        return NOTHING_TO_DO
    return _create(job, census, missing, view, now_s)


def _wanted(job: Object, census: Census) -> int:
    """How many pods should be active."""
    if is_suspended(job):
        return 0
    completions = completions_of(job)
    if completions is None:
        # A queue's pods see for themselves that it is empty: after the first success no more are started.
        return len(census.active) if census.succeeded else parallelism_of(job)
    return max(0, min(completions - census.succeeded, parallelism_of(job)))


def _create(job: Object, census: Census, missing: int, view: View, now_s: float) -> Decision:
    def is_taken(key: Key) -> bool:
        return view.get(PODS, key) is not None

    wait_s = 0.0
    if backoff_limit_per_index_of(job) is None:
        wait_s = pod_backoff_left_s(job, census.pods, now_s)
        if wait_s > 0:
            return Decision(requeue_after_s=wait_s)
    if not is_indexed(job):
        return _created(job, create_pods(job, census, missing, is_taken))
    indexes = pending_indexes(job, census, missing)
    waits = {index: index_backoff_left_s(census.waiting.get(index), now_s) for index in indexes}
    due = [index for index in indexes if waits[index] == 0]
    if not due:
        return Decision(requeue_after_s=min(waits.values(), default=None))
    return _created(job, create_indexed_pods(job, census, due, is_taken))


def _created(job: Object, writes: list[Operation]) -> Decision:
    return Decision(writes, [EventNote(job, "Normal", "SuccessfulCreate", f"Created pod: {op.name}") for op in writes])


def _delete(job: Object, writes: list[Operation]) -> Decision:
    writes = writes[:PODS_A_STEP_MAX]
    deleted = [op.name for op in writes if op.verb == "delete"]
    return Decision(writes, [EventNote(job, "Normal", "SuccessfulDelete", f"Deleted pod: {name}") for name in deleted])


def _strays(key: Key, job: Object | None, view: View) -> list[Object]:
    """Pods with the finalizer that no Job will count: theirs is gone, or they were orphaned."""
    strays = []
    for pod in view.by_index(PODS, TRACKED, str(key)):
        reference = controller_of(pod)
        if job is not None and (reference is None or reference["uid"] == uid_of(job)):
            adoptable = LabelSelector.from_object(job["spec"].get("selector")).matches(labels_of(pod))
            adoptable = adoptable and not is_being_deleted(job) and finished_condition(job) is None
            if reference is not None or adoptable:
                continue
        strays.append(pod)
    return strays


def _after_the_end(job: Object, view: View) -> list[Operation]:
    """Nothing of a finished Job runs or is held back."""
    pods = view.by_index(PODS, BY_CONTROLLER, uid_of(job))
    return [release(pod) for pod in pods if is_tracked(pod)]


def _with_finalizer(write: Operation, view: View, adopted: dict[str, Object]) -> Operation:
    """A pod that is taken over gets the finalizer; one that is given up loses it."""
    pod = view.get(PODS, Key(write.namespace, write.name))
    assert pod is not None, "it was claimed from this view"
    rest = [name for name in pod["metadata"].get("finalizers") or () if name != TRACKING_FINALIZER]
    wanted = [*rest, TRACKING_FINALIZER] if write.name in adopted else rest
    owners = write.body["metadata"]["ownerReferences"]
    return patch_metadata(pod, {"ownerReferences": owners, "finalizers": wanted or None})


def _status_update(job: Object, status: Object) -> Operation:
    metadata = job["metadata"]
    body = {**job, "status": status}
    return Operation("update", JOBS, metadata.get("namespace", ""), metadata["name"], "status", body)
