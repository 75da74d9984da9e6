"""The strategy Recreate: all old pods are gone before the first new one comes."""

from __future__ import annotations

from actors.controllers.deployment.rollout import Rollout


def scale_down_old(rollout: Rollout) -> bool:
    """Scale all old ReplicaSets to nothing; whether that was a step."""
    active = [rs for rs in rollout.old if rs.size > 0]
    for rs in active:
        rollout.scale(rs, 0)
    return bool(active)


def old_pods_run(rollout: Rollout) -> bool:
    """Whether pods of old ReplicaSets may still be there.

    Kubernetes' controller looks at the pods. ReplicaSets report those that are terminating too, so their statuses tell
    the same, once they are of the ReplicaSet's current generation, and no pod has to be watched here.
    """
    return any(
        rs.count("replicas") > 0
        or rs.count("terminatingReplicas") > 0
        or rs.count("observedGeneration") < int(rs.obj["metadata"].get("generation") or 0)
        for rs in rollout.old
    )
