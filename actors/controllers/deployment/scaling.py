"""A change of ``spec.replicas``, in the middle of a rollout too.

With one active ReplicaSet, it gets the whole number. When the newest one is complete, old ones go to nothing. Otherwise
a rollout is under way: the pods to add or remove are shared out over all active ReplicaSets in proportion to their
sizes, so that the rollout stays as far as it is. What rounding leaves over goes to the largest one.

Each ReplicaSet notes, in annotations, what the Deployment asked for when it was scaled last. That is how a change of
scale is told from a rollout, and what proportions are relative to.
"""

from __future__ import annotations

import math

from actors.controllers.deployment.rollout import DESIRED_REPLICAS, MAX_REPLICAS, Replicas, Rollout


def is_scaling_event(rollout: Rollout) -> bool:
    """Whether an active ReplicaSet was scaled for another number of replicas than is asked for now."""
    noted = (rs.annotated(DESIRED_REPLICAS) for rs in rollout.active)
    return any(replicas is not None and replicas != rollout.desired for replicas in noted)


def scale(rollout: Rollout) -> bool:
    """Bring the sizes to what the Deployment asks for, without moving a rollout on.

    False when that is left to the rollout itself: with Recreate, when old and new ReplicaSets are both active.
    """
    only = active_or_latest(rollout)
    if only is not None:
        rollout.scale(only, rollout.desired)
    elif is_saturated(rollout):
        for rs in rollout.old:
            if rs.size > 0:
                rollout.scale(rs, 0)
    elif rollout.is_rolling:
        _scale_in_proportion(rollout)
    else:
        return False
    return True


def active_or_latest(rollout: Rollout) -> Replicas | None:
    """The only active ReplicaSet; the newest one if none is active; None if several are."""
    active = rollout.active
    if len(active) > 1:
        return None
    if active:
        return active[0]
    if rollout.new is not None:
        return rollout.new
    return rollout.old[-1] if rollout.old else None


def is_saturated(rollout: Rollout) -> bool:
    """Whether the newest ReplicaSet has all pods the Deployment asks for, and all are available."""
    rs = rollout.new
    if rs is None:
        return False
    return rs.size == rs.annotated(DESIRED_REPLICAS) == rs.count("availableReplicas") == rollout.desired


def _scale_in_proportion(rollout: Rollout) -> None:
    active = rollout.active
    allowed = rollout.desired + rollout.max_surge if rollout.desired > 0 else 0
    to_add = allowed - sum(rs.size for rs in active)
    active.sort(key=lambda rs: rs.created, reverse=to_add > 0)
    active.sort(key=lambda rs: -rs.size)
    for rs, size in zip(active, proportional_sizes(rollout, active, to_add), strict=True):
        rollout.scale(rs, size)


def proportional_sizes(rollout: Rollout, replicasets: list[Replicas], to_add: int) -> list[int]:
    """The sizes after sharing out `to_add` (negative: to remove), the largest ReplicaSet given first."""
    sizes = [rs.size for rs in replicasets]
    added = 0
    for index, rs in enumerate(replicasets):
        share = _share(rollout, rs, to_add - added, to_add)
        sizes[index] += share
        added += share
    if to_add and sizes:
        sizes[0] = max(0, sizes[0] + to_add - added)
    return sizes


def _share(rollout: Rollout, rs: Replicas, left: int, to_add: int) -> int:
    """What one ReplicaSet gets of what is left to add or to remove; when removing, none grows."""
    if rs.size == 0 or to_add == 0 or left == 0:
        return 0
    fraction = _fraction(rollout, rs)
    return min(fraction, left) if to_add > 0 else min(0, max(fraction, left))


def _fraction(rollout: Rollout, rs: Replicas) -> int:
    """How much it grows or shrinks if it keeps its part of the whole."""
    if rollout.desired == 0:
        return -rs.size
    before = rs.annotated(MAX_REPLICAS) or int((rollout.deployment.get("status") or {}).get("replicas") or 0)
    if before == 0:
        return 0
    size = rs.size * (rollout.desired + rollout.max_surge) / before
    return math.floor(size + 0.5) - rs.size
