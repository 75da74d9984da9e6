"""How far a rollout is, in kubectl's words. Pure."""

from __future__ import annotations

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import count_of, of
from actors.kubectl.failure import CommandFailed

REVISION = "deployment.kubernetes.io/revision"


def rollout_status(obj: Object, revision: int = 0) -> tuple[str, bool]:
    """What to say, and whether the rollout is done. Raises `CommandFailed` when it can't succeed any more."""
    kind = obj["kind"]
    if kind == "Deployment":
        return _deployment(obj, revision)
    if kind == "DaemonSet":
        return _daemon_set(obj)
    if kind == "StatefulSet":
        return _stateful_set(obj)
    raise CommandFailed(f"no status viewer has been implemented for {kind}")


def _is_observed(obj: Object) -> bool:
    return count_of(obj, "metadata", "generation") <= count_of(obj, "status", "observedGeneration")


def _deployment(obj: Object, revision: int) -> tuple[str, bool]:
    name = obj["metadata"]["name"]
    if revision:
        running = int((obj["metadata"].get("annotations") or {}).get(REVISION) or 0)
        if running != revision:
            raise CommandFailed(f"desired revision ({revision}) is different from the running revision ({running})")
    if not _is_observed(obj):
        return "Waiting for deployment spec update to be observed...", False
    for condition in of(obj, "status", "conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise CommandFailed(f'deployment "{name}" exceeded its progress deadline')
    wanted = of(obj, "spec", "replicas")
    updated = count_of(obj, "status", "updatedReplicas")
    total = count_of(obj, "status", "replicas")
    available = count_of(obj, "status", "availableReplicas")
    waiting = f'Waiting for deployment "{name}" rollout to finish:'
    if wanted is not None and updated < wanted:
        return f"{waiting} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{waiting} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemon_set(obj: Object) -> tuple[str, bool]:
    name = obj["metadata"]["name"]
    if of(obj, "spec", "updateStrategy", "type") not in (None, "RollingUpdate"):
        raise CommandFailed("rollout status is only available for RollingUpdate strategy type")
    if not _is_observed(obj):
        return "Waiting for daemon set spec update to be observed...", False
    wanted = count_of(obj, "status", "desiredNumberScheduled")
    updated = count_of(obj, "status", "updatedNumberScheduled")
    available = count_of(obj, "status", "numberAvailable")
    waiting = f'Waiting for daemon set "{name}" rollout to finish:'
    if updated < wanted:
        return f"{waiting} {updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{waiting} {available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(obj: Object) -> tuple[str, bool]:
    if of(obj, "spec", "updateStrategy", "type") not in (None, "RollingUpdate"):
        raise CommandFailed("rollout status is only available for RollingUpdate strategy type")
    if not count_of(obj, "status", "observedGeneration") or not _is_observed(obj):
        return "Waiting for statefulset spec update to be observed...", False
    wanted = count_of(obj, "spec", "replicas")
    ready = count_of(obj, "status", "readyReplicas")
    updated = count_of(obj, "status", "updatedReplicas")
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    partition = count_of(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    if partition:
        if updated < wanted - partition:
            return (
                f"Waiting for partitioned roll out to finish: {updated} out of {wanted - partition} "
                "new pods have been updated...",
                False,
            )
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    newest, current = of(obj, "status", "updateRevision"), of(obj, "status", "currentRevision")
    if newest != current:
        return f"waiting for statefulset rolling update to complete {updated} pods at revision {newest}...", False
    replicas = count_of(obj, "status", "currentReplicas")
    return f"statefulset rolling update complete {replicas} pods at revision {current}...", True
