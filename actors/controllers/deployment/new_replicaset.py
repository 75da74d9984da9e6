"""The ReplicaSet of a Deployment's current template: found, kept up to date, or created.

Its name is the Deployment's and the hash of the template, so that a repeated create collides. When that name is another
one's (two templates of the same hash), the Deployment's ``collisionCount`` goes up, which makes another hash.
"""

from __future__ import annotations

from typing import Final

from actors.apimachinery.conditions import find_condition, new_condition, with_condition
from actors.apimachinery.meta import Key, key_of, new_controller_reference
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.template_hash import POD_TEMPLATE_HASH, pod_template_hash
from actors.controllers.deployment.history import REVISION_HISTORY, annotations_for, show_revision
from actors.controllers.deployment.rollout import DESIRED_REPLICAS, MAX_REPLICAS, REPLICASETS, Replicas, Rollout

PROGRESSING: Final = "Progressing"
NEW_REPLICASET: Final = "NewReplicaSetCreated"
FOUND_NEW_REPLICASET: Final = "FoundNewReplicaSet"


def sync_new_replicaset(rollout: Rollout) -> None:
    """Give the newest ReplicaSet its revision, annotations and minReadySeconds, and show it on the Deployment."""
    rs = rollout.new
    if rs is None:
        return
    changes = annotations_for(rollout, dict(rs.obj["metadata"].get("annotations") or {}))
    if changes:
        rs.annotate(changes)
    min_ready_s = rollout.spec.get("minReadySeconds", 0)
    if rs.obj["spec"].get("minReadySeconds", 0) != min_ready_s:
        rs.obj = {**rs.obj, "spec": {**rs.obj["spec"], "minReadySeconds": min_ready_s}}
    is_news = show_revision(rollout)
    if rollout.progress_deadline_s is not None:
        _note_progress(rollout, rs, is_news=is_news)


def _note_progress(rollout: Rollout, rs: Replicas, *, is_news: bool) -> None:
    """Say that the ReplicaSet was created, if it is new altogether, or found, if nothing was said of progress yet.

    Creating is one decision and telling of it the next, so that a create that fails isn't told. A ReplicaSet that is
    news to the Deployment and has no former revisions was just created.
    """
    conditions = rollout.status.get("conditions")
    if is_news and REVISION_HISTORY not in (rs.obj["metadata"].get("annotations") or {}):
        reason, message = NEW_REPLICASET, f'Created new replica set "{rs.name}"'
    elif find_condition(conditions, PROGRESSING) is None:
        reason, message = FOUND_NEW_REPLICASET, f'Found new replica set "{rs.name}"'
    else:
        return
    condition = new_condition(PROGRESSING, "True", reason, message, rollout.now_s, update_time=True)
    rollout.status["conditions"] = with_condition(conditions, condition)


def new_replicaset_key(deployment: Object) -> Key:
    """Where the ReplicaSet of the current template is, or is to be."""
    key = key_of(deployment)
    count = (deployment.get("status") or {}).get("collisionCount")
    return Key(key.namespace, f"{key.name}-{pod_template_hash(deployment['spec']['template'], count)}")


def create_replicaset(rollout: Rollout, size: int, occupant: Object | None) -> None:
    """Create the ReplicaSet of the current template with that many pods.

    `occupant` is what has its name already. If there is one, it isn't this Deployment's ReplicaSet of this template, or
    it would have been found: the names collide.
    """
    if occupant is not None:
        rollout.status["collisionCount"] = int(rollout.status.get("collisionCount") or 0) + 1
        return
    obj = _replicaset(rollout, size)
    key = key_of(obj)
    rollout.creates.append(Operation("create", REPLICASETS, key.namespace, key.name, "", obj))
    if size > 0:
        rollout.event("Normal", "ScalingReplicaSet", f"Scaled up replica set {key.name} from 0 to {size}")


def _replicaset(rollout: Rollout, size: int) -> Object:
    deployment = rollout.deployment
    key = new_replicaset_key(deployment)
    template = deployment["spec"]["template"]
    label = {POD_TEMPLATE_HASH: key.name.removeprefix(deployment["metadata"]["name"] + "-")}
    template_metadata = template.get("metadata") or {}
    labels = {**(template_metadata.get("labels") or {}), **label}
    selector = deployment["spec"]["selector"]
    annotations = annotations_for(rollout, {})
    annotations[DESIRED_REPLICAS] = str(rollout.desired)
    annotations[MAX_REPLICAS] = str(rollout.desired + rollout.max_surge)
    spec = {
        "replicas": size,
        "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **label}},
        "template": {**template, "metadata": {**template_metadata, "labels": labels}},
    }
    if rollout.spec.get("minReadySeconds"):
        spec["minReadySeconds"] = rollout.spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [new_controller_reference(deployment)],
        },
        "spec": spec,
    }
