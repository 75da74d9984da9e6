"""Which running pods a Job has too many of, and how they go: uncounted, as if they had never been."""

from __future__ import annotations

from collections import defaultdict

from actors.apimachinery.meta import key_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.controllers.job.census import Census
from actors.controllers.job.job_reading import completion_index, has_valid_index, is_indexed, is_tracked
from actors.controllers.job.tracking import PODS, release
from actors.controllers.replicaset.ranking import pods_to_delete


def surplus_pods(job: Object, census: Census, wanted: int, now_s: float) -> list[Object]:
    """The pods to remove so that no more than `wanted` are left.

    First of all those whose index is too high or has another pod already, and those without the finalizer: they are
    half removed, and what becomes of them would never be counted.
    """
    untracked = [pod for pod in census.active if not is_tracked(pod)]
    kept = [pod for pod in census.active if is_tracked(pod)]
    removed = untracked
    if is_indexed(job):
        removed = untracked + [pod for pod in kept if not has_valid_index(job, pod)]
        by_index: dict[int | None, list[Object]] = defaultdict(list)
        for pod in kept:
            if has_valid_index(job, pod):
                by_index[completion_index(pod)].append(pod)
        for same in by_index.values():
            removed = removed + (pods_to_delete(same, (), len(same) - 1, now_s) if len(same) > 1 else [])
        gone = {uid_of(pod) for pod in removed}
        kept = [pod for pod in kept if uid_of(pod) not in gone]
    more = max(0, len(kept) - wanted)
    return removed + (pods_to_delete(kept, (), more, now_s) if more else [])


def remove(pod: Object) -> Operation:
    """The next step of a removal: its finalizer, then the pod itself."""
    return release(pod) if is_tracked(pod) else delete(pod)


def delete(pod: Object) -> Operation:
    """Delete a pod."""
    key = key_of(pod)
    return Operation("delete", PODS, key.namespace, key.name, options={"preconditions": {"uid": uid_of(pod)}})
