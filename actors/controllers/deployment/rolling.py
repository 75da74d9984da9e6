"""The strategy RollingUpdate: new pods up to the surge, old ones down as far as enough stay available.

One step at a time: the new ReplicaSet is scaled, or the old ones are, never both in one decision. What may go is judged
by sizes, not only by reported counts, so that a report that lags behind can't let too many go.
"""

from __future__ import annotations

from actors.controllers.deployment.rollout import Replicas, Rollout


def reconcile_new(rollout: Rollout) -> bool:
    """Scale the newest ReplicaSet as far as it may go; whether that was a step."""
    rs = rollout.new
    if rs is None or rs.size == rollout.desired:
        return False
    if rs.size > rollout.desired:
        return rollout.scale(rs, rollout.desired)
    return rollout.scale(rs, new_size(rollout))


def new_size(rollout: Rollout) -> int:
    """The size the newest ReplicaSet may have now, created or not (``NewRSNewReplicas``)."""
    size = rollout.new.size if rollout.new is not None else 0
    if not rollout.is_rolling:
        return rollout.desired
    room = rollout.desired + rollout.max_surge - sum(rs.size for rs in rollout.all)
    if room <= 0:
        return size
    return size + min(room, rollout.desired - size)


def reconcile_old(rollout: Rollout) -> bool:
    """Scale old ReplicaSets down as far as they may go; whether that was a step."""
    active = [rs for rs in rollout.old if rs.size > 0]
    if not active:
        return False
    min_available = rollout.desired - rollout.max_unavailable
    new_unavailable = rollout.new.size - rollout.new.available if rollout.new is not None else 0
    may_go = sum(rs.size for rs in rollout.all) - min_available - new_unavailable
    if may_go <= 0:
        return False
    cleaned_up = _clean_up_unhealthy(rollout, active, may_go)
    scaled_down = _scale_down(rollout, active, min_available)
    return cleaned_up or scaled_down


def _clean_up_unhealthy(rollout: Rollout, replicasets: list[Replicas], limit: int) -> bool:
    """Take unavailable pods from old ReplicaSets first: they would block the rollout for ever."""
    removed = 0
    for rs in replicasets:
        count = min(limit - removed, rs.size - rs.available)
        if count > 0:
            rollout.scale(rs, rs.size - count)
            removed += count
    return removed > 0


def _scale_down(rollout: Rollout, replicasets: list[Replicas], min_available: int) -> bool:
    """Take available pods from old ReplicaSets, as many as there are above the minimum."""
    limit = sum(rs.available for rs in rollout.all) - min_available
    removed = 0
    for rs in replicasets:
        count = min(limit - removed, rs.size)
        if count > 0:
            rollout.scale(rs, rs.size - count)
            removed += count
    return removed > 0
