"""What a Deployment reports: counts, whether enough pods are available, and how its rollout gets on."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.conditions import (
    Condition,
    find_condition,
    new_condition,
    with_condition,
    without_condition,
)
from actors.apimachinery.meta import parse_time
from actors.controllers.deployment.new_replicaset import PROGRESSING
from actors.controllers.deployment.rollout import Rollout

AVAILABLE: Final = "Available"
REPLICA_FAILURE: Final = "ReplicaFailure"

NEW_REPLICASET_AVAILABLE: Final = "NewReplicaSetAvailable"
REPLICASET_UPDATED: Final = "ReplicaSetUpdated"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
PAUSED: Final = "DeploymentPaused"
RESUMED: Final = "DeploymentResumed"

#: Fields of the status that are left out when they are 0.
_COUNTS: Final = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
)
#: How much later than the deadline to look, since times are of whole seconds.
_DEADLINE_SLACK_S: Final = 1.0

Status = dict[str, Any]


def check_paused(rollout: Rollout) -> None:
    """Say that the rollout was paused or resumed: meanwhile the progress deadline doesn't run."""
    if rollout.progress_deadline_s is None:
        return
    current = find_condition(rollout.status.get("conditions"), PROGRESSING) or {}
    reason = current.get("reason")
    paused = bool(rollout.spec.get("paused"))
    if reason == TIMED_OUT or paused == (reason == PAUSED):
        return
    reason, message = (PAUSED, "Deployment is paused") if paused else (RESUMED, "Deployment is resumed")
    _set(rollout.status, new_condition(PROGRESSING, "Unknown", reason, message, rollout.now_s, update_time=True))


def sync_status(rollout: Rollout) -> None:
    """Report counts and availability, and nothing about progress (while paused or scaled)."""
    rollout.status = _calculate(rollout)


def sync_rollout_status(rollout: Rollout) -> None:
    """Report counts, availability and progress, and ask for another look when the deadline will have passed."""
    before, after = rollout.status, _calculate(rollout)
    deadline_s = rollout.progress_deadline_s
    current = find_condition(before.get("conditions"), PROGRESSING)
    if deadline_s is None:
        after["conditions"] = without_condition(after["conditions"], PROGRESSING)
    elif not _was_complete(after, current):
        _judge_progress(rollout, before, after, current, deadline_s)
    failure = _replica_failure(rollout)
    if failure is None:
        after["conditions"] = without_condition(after["conditions"], REPLICA_FAILURE)
    else:
        _set(after, failure)
    rollout.status = after
    if deadline_s is not None and not is_complete(rollout):
        rollout.requeue_after_s = _until_deadline_s(rollout, deadline_s)


def is_complete(rollout: Rollout) -> bool:
    """Whether all pods are of the newest template and available, by the status in hand."""
    return _complete(rollout, rollout.status)


def _complete(rollout: Rollout, status: Status) -> bool:
    counts = (status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas"))
    generation = int(rollout.deployment["metadata"].get("generation") or 0)
    return all(count == rollout.desired for count in counts) and status.get("observedGeneration", 0) >= generation


def _calculate(rollout: Rollout) -> Status:
    available = rollout.total("availableReplicas")
    counts = (
        int(rollout.deployment["metadata"].get("generation") or 0),
        rollout.total("replicas"),
        rollout.new.count("replicas") if rollout.new is not None else 0,
        rollout.total("readyReplicas"),
        available,
        max(0, sum(rs.size for rs in rollout.all) - available),
    )
    status: Status = {name: count for name, count in zip(_COUNTS, counts, strict=True) if count}
    status["terminatingReplicas"] = rollout.total("terminatingReplicas")
    if rollout.status.get("collisionCount") is not None:
        status["collisionCount"] = rollout.status["collisionCount"]
    status["conditions"] = list(rollout.status.get("conditions") or ())
    enough = available >= rollout.desired - rollout.max_unavailable
    _set(status, _availability(enough, rollout.now_s))
    return status


def _availability(enough: bool, now_s: float) -> Condition:
    if enough:
        message = "Deployment has minimum availability."
        return new_condition(AVAILABLE, "True", "MinimumReplicasAvailable", message, now_s, update_time=True)
    message = "Deployment does not have minimum availability."
    return new_condition(AVAILABLE, "False", "MinimumReplicasUnavailable", message, now_s, update_time=True)


def _was_complete(status: Status, current: Condition | None) -> bool:
    """Whether the newest template was rolled out already: pods that come and go then are no rollout."""
    is_reported = current is not None and current.get("reason") == NEW_REPLICASET_AVAILABLE
    return is_reported and status.get("replicas", 0) == status.get("updatedReplicas", 0)


def _judge_progress(
    rollout: Rollout, before: Status, after: Status, current: Condition | None, deadline_s: int
) -> None:
    """Set the condition Progressing in `after`."""
    who = (
        f'ReplicaSet "{rollout.new.name}"' if rollout.new else f'Deployment "{rollout.deployment["metadata"]["name"]}"'
    )
    if _complete(rollout, after):
        message = f"{who} has successfully progressed."
        _set(after, _progressing("True", NEW_REPLICASET_AVAILABLE, message, rollout.now_s))
    elif _has_progressed(before, after):
        condition = _progressing("True", REPLICASET_UPDATED, f"{who} is progressing.", rollout.now_s)
        if current is not None:
            if current["status"] == "True":
                condition["lastTransitionTime"] = current.get("lastTransitionTime")
            after["conditions"] = without_condition(after["conditions"], PROGRESSING)
        _set(after, condition)
    elif _has_timed_out(current, deadline_s, rollout.now_s):
        _set(after, _progressing("False", TIMED_OUT, f"{who} has timed out progressing.", rollout.now_s))


def _progressing(status: str, reason: str, message: str, now_s: float) -> Condition:
    return new_condition(PROGRESSING, status, reason, message, now_s, update_time=True)


def _has_progressed(before: Status, after: Status) -> bool:
    """More new pods, fewer old ones, more ready or more available ones."""

    def old_pods(status: Status) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    if old_pods(after) < old_pods(before):
        return True
    return any(after.get(n, 0) > before.get(n, 0) for n in ("updatedReplicas", "readyReplicas", "availableReplicas"))


def _has_timed_out(current: Condition | None, deadline_s: int, now_s: float) -> bool:
    if current is None or current.get("reason") == NEW_REPLICASET_AVAILABLE:
        return False
    return current.get("reason") == TIMED_OUT or _updated_s(current) + deadline_s < now_s


def _updated_s(condition: Condition) -> float:
    time = condition.get("lastUpdateTime")
    return parse_time(time) if time else 0.0


def _until_deadline_s(rollout: Rollout, deadline_s: int) -> float | None:
    current = find_condition(rollout.status["conditions"], PROGRESSING)
    if current is None or current.get("reason") == TIMED_OUT:
        return None
    return max(0.0, _updated_s(current) + deadline_s - rollout.now_s) + _DEADLINE_SLACK_S


def _replica_failure(rollout: Rollout) -> Condition | None:
    """A ReplicaSet's condition ReplicaFailure as the Deployment's: the newest one's, or else an old one's."""
    newest = [rollout.new] if rollout.new is not None else []
    for rs in [*newest, *rollout.old]:
        found = find_condition((rs.obj.get("status") or {}).get("conditions"), REPLICA_FAILURE)
        if found is not None and found["status"] == "True":
            time = found.get("lastTransitionTime")
            return {**found, "lastUpdateTime": time}
    return None


def _set(status: Status, condition: Condition) -> None:
    status["conditions"] = with_condition(status.get("conditions"), condition)
