"""Revisions: each template that becomes the newest gets the next number, and old ReplicaSets are the history.

A ReplicaSet carries its revision in ``deployment.kubernetes.io/revision``; one that becomes the newest again (an undo)
gets a new number and keeps its former ones in ``revision-history``. The Deployment shows the newest one's.
"""

from __future__ import annotations

from typing import Final

from actors.apimachinery.meta import annotations_of, is_being_deleted
from actors.controllers.deployment.rollout import (
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    NO_LIMIT,
    Replicas,
    Rollout,
    delete,
)

REVISION: Final = "deployment.kubernetes.io/revision"
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
HISTORY_CHARS_MAX: Final = 2000

#: A Deployment's annotations that say something of the Deployment only, and are not copied to ReplicaSets.
NOT_COPIED: Final = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
)


def revision_of_replicas(rs: Replicas) -> int:
    """Its revision; 0 when it has none."""
    return rs.annotated(REVISION) or 0


def next_revision(rollout: Rollout) -> int:
    """The number after all old ReplicaSets'."""
    return max(map(revision_of_replicas, rollout.old), default=0) + 1


def annotations_for(rollout: Rollout, rs_annotations: dict[str, str]) -> dict[str, str]:
    """What is to be set on the newest ReplicaSet that has `rs_annotations`: empty when all is right already.

    Its revision only grows: it may be above the next one when younger old ReplicaSets were deleted.
    """
    changes = {
        name: value
        for name, value in annotations_of(rollout.deployment).items()
        if name not in NOT_COPIED and rs_annotations.get(name) != value
    }
    before = rs_annotations.get(REVISION, "")
    if before and not _is_number(before):
        return changes
    revision = next_revision(rollout)
    if int(before or 0) < revision:
        changes[REVISION] = str(revision)
        if before:
            changes[REVISION_HISTORY] = _with_former(rs_annotations.get(REVISION_HISTORY, ""), before)
    return changes


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _with_former(history: str, former: str) -> str:
    """The comma list with one more; the oldest are forgotten when it becomes too long."""
    revisions = [*(history.split(",") if history else ()), former]
    while len(",".join(revisions)) > HISTORY_CHARS_MAX:
        revisions.pop(0)
    return ",".join(revisions)


def show_revision(rollout: Rollout) -> bool:
    """Show the newest ReplicaSet's revision on the Deployment; whether that is news."""
    if rollout.new is None:
        return False
    revision = annotations_of(rollout.new.obj).get(REVISION)
    if revision is None or rollout.annotations.get(REVISION) == revision:
        return False
    rollout.annotations[REVISION] = revision
    return True


def clean_up(rollout: Rollout) -> None:
    """Delete the oldest revisions beyond ``revisionHistoryLimit``, those that are empty and settled."""
    limit = rollout.spec.get("revisionHistoryLimit", 10)
    if limit is None or limit == NO_LIMIT:
        return
    cleanable = [rs for rs in rollout.old if not is_being_deleted(rs.obj)]
    surplus = len(cleanable) - int(limit)
    if surplus <= 0:
        return
    cleanable.sort(key=lambda rs: (revision_of_replicas(rs), rs.created))
    rollout.deletes.extend(delete(rs) for rs in cleanable[:surplus] if _is_settled_empty(rs))


def _is_settled_empty(rs: Replicas) -> bool:
    generation = rs.obj["metadata"].get("generation") or 0
    is_empty = rs.count("replicas") == 0 and rs.size == 0
    return is_empty and generation <= rs.count("observedGeneration") and rs.obj is rs.stored
