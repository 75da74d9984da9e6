"""Finished Jobs with ``ttlSecondsAfterFinished`` are deleted, with all that they own.

In Kubernetes a controller of its own does this; here the Job controller does, as that one's service account.
"""

from __future__ import annotations

from typing import Final

from actors.apimachinery.meta import is_being_deleted, key_of, parse_time, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.user import USER, service_account_user
from actors.controllers.job.job_reading import JOBS, finished_condition

ACCOUNT: Final = service_account_user("kube-system", "ttl-after-finished-controller")


def time_left_s(job: Object, now_s: float) -> float | None:
    """How long a finished Job is kept; None for as long as somebody wants it, or when it goes already."""
    ttl_s, finished = job["spec"].get("ttlSecondsAfterFinished"), finished_condition(job)
    if ttl_s is None or finished is None or is_being_deleted(job):
        return None
    return max(0.0, parse_time(finished["lastTransitionTime"]) + float(ttl_s) - now_s)


def deletion(job: Object) -> Operation:
    """Delete the Job, unless it has changed since."""
    key = key_of(job)
    preconditions = {"uid": uid_of(job), "resourceVersion": job["metadata"]["resourceVersion"]}
    options = {"propagationPolicy": "Foreground", "preconditions": preconditions, USER: ACCOUNT.wire()}
    return Operation("delete", JOBS, key.namespace, key.name, options=options)
