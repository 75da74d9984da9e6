"""How long to wait after failures before the next pod: 10 s, doubled with each failure, 10 min at the most.

Kubernetes' controller remembers the failures since the last success; a restart makes it forget them. Here they are
read from the pods, which stay until the Job goes, so that nothing is forgotten; those that somebody deleted are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from actors.apimachinery.meta import parse_time
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import SUCCEEDED, condition, phase
from actors.controllers.job.job_reading import has_failed, index_failures

#: ``DefaultJobPodFailureBackOff`` and ``MaxJobPodFailureBackOff``.
BACKOFF_S: Final = 10.0
BACKOFF_MAX_S: Final = 600.0
#: 2 to this power times the first wait is more than the longest.
_DOUBLINGS_MAX: Final = 6


def backoff_left_s(failures: int, last_failure_s: float, now_s: float) -> float:
    """How much is left of the wait after that many failures in a row, the last of them at a time."""
    if failures <= 0:
        return 0.0
    wait_s = min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** min(failures - 1, _DOUBLINGS_MAX))
    elapsed_s = max(0.0, now_s - last_failure_s)  # what ended in the future ended now: the clock was set back
    return float(max(0.0, wait_s - elapsed_s))


def pod_backoff_left_s(job: Object, pods: Sequence[Object], now_s: float) -> float:
    """How long no pod of the Job is to be created."""
    succeeded_s = max((finished_s(pod) for pod in pods if phase(pod) == SUCCEEDED), default=float("-inf"))
    failures = [time_s for pod in pods if has_failed(job, pod) and (time_s := finished_s(pod)) > succeeded_s]
    return backoff_left_s(len(failures), max(failures), now_s) if failures else 0.0


def index_backoff_left_s(replaced: Object | None, now_s: float) -> float:
    """How long no pod of an index is to be created, the failed one that it would replace being there."""
    if replaced is None:
        return 0.0
    return backoff_left_s(sum(index_failures(replaced)) + 1, finished_s(replaced), now_s)


def finished_s(pod: Object) -> float:
    """When a pod ended: its containers, else when it ceased to be ready, was deleted, or (not to be) was created."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    sidecars = {c["name"] for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"}
    statuses = [
        *(status.get("containerStatuses") or ()),
        *(found for found in status.get("initContainerStatuses") or () if found["name"] in sidecars),
    ]
    ends = _ends(statuses)
    if ends:
        return max(ends)
    ready = condition(pod, "Ready")
    if ready is not None and ready["status"] == "False" and ready.get("lastTransitionTime"):
        return parse_time(ready["lastTransitionTime"])
    if metadata.get("deletionTimestamp"):
        return parse_time(metadata["deletionTimestamp"]) - (metadata.get("deletionGracePeriodSeconds") or 0)
    return parse_time(metadata["creationTimestamp"]) if metadata.get("creationTimestamp") else 0.0


def _ends(statuses: Iterable[dict[str, Any]]) -> list[float]:
    """When each container ended; nothing unless all have."""
    ends = []
    for status in statuses:
        finished = ((status.get("state") or {}).get("terminated") or {}).get("finishedAt")
        if not finished:
            return []
        ends.append(parse_time(finished))
    return ends
