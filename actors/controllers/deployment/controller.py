"""What the Deployment controller decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from actors.apimachinery.conditions import new_condition, with_condition
from actors.apimachinery.meta import Key, is_being_deleted
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.selector import LabelSelector
from actors.client.controller import Trigger, View
from actors.client.decision import NOTHING_TO_DO, Decision, EventNote
from actors.controllers.deployment import recreate, rolling
from actors.controllers.deployment.history import clean_up
from actors.controllers.deployment.new_replicaset import (
    PROGRESSING,
    create_replicaset,
    new_replicaset_key,
    sync_new_replicaset,
)
from actors.controllers.deployment.rollout import DEPLOYMENTS, NO_LIMIT, REPLICASETS, Rollout
from actors.controllers.deployment.scaling import is_scaling_event, scale
from actors.controllers.deployment.status import check_paused, is_complete, sync_rollout_status, sync_status
from actors.controllers.ownership import OWNERSHIP_INDEXES, candidates, claim, own_key, owner_keys
from actors.controllers.refusals import Refusal

FAILED_CREATE: Final = "ReplicaSetCreateError"


class DeploymentController:
    """Moves each Deployment's pods to its newest template, through ReplicaSets."""

    name = "deployment-controller"
    triggers: Sequence[Trigger] = (
        Trigger(DEPLOYMENTS, own_key),
        Trigger(REPLICASETS, owner_keys(DEPLOYMENTS, "Deployment"), OWNERSHIP_INDEXES),
    )

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        """The next step for one Deployment."""
        deployment = view.get(DEPLOYMENTS, key)
        if deployment is None:
            return NOTHING_TO_DO
        selector = LabelSelector.from_object(deployment["spec"].get("selector"))
        if selector.is_empty:
            return _selects_all(deployment)
        claimed = claim(deployment, selector, REPLICASETS, candidates(view, REPLICASETS, deployment))
        if claimed.writes:
            return Decision(claimed.writes)
        rollout = Rollout.begin(deployment, claimed.owned, now_s)
        if is_being_deleted(deployment):
            sync_new_replicaset(rollout)
            sync_status(rollout)
            return rollout.decision()
        check_paused(rollout)
        sync_new_replicaset(rollout)
        if rollout.spec.get("paused"):
            scale(rollout)
            clean_up(rollout)
            sync_status(rollout)
        elif is_scaling_event(rollout) and scale(rollout):
            sync_status(rollout)
        else:
            _roll_out(rollout, view)
        return rollout.decision()

    def refused(self, key: Key, view: View, now_s: float, refusals: Sequence[Refusal]) -> Decision:
        """Tell of a ReplicaSet that could not be created."""
        deployment = view.get(DEPLOYMENTS, key)
        failed = next((refusal for refusal in refusals if refusal.operation.verb == "create"), None)
        if deployment is None or failed is None:
            return NOTHING_TO_DO
        message = f'Failed to create new replica set "{failed.operation.name}": {failed.message}'
        events = [EventNote(deployment, "Warning", FAILED_CREATE, message)]
        if deployment["spec"].get("progressDeadlineSeconds") in (None, NO_LIMIT):
            return Decision(events=events)
        before = deployment.get("status") or {}
        condition = new_condition(PROGRESSING, "False", FAILED_CREATE, message, now_s, update_time=True)
        conditions = with_condition(before.get("conditions"), condition)
        if conditions == before.get("conditions"):
            return Decision(events=events)
        return Decision([_status_update(deployment, {**before, "conditions": conditions})], events)


def _roll_out(rollout: Rollout, view: View) -> None:
    """One step of the rollout. Creating the ReplicaSet is a step of its own, reported once it is there."""
    waits = not rollout.is_rolling and (recreate.scale_down_old(rollout) or recreate.old_pods_run(rollout))
    if rollout.new is None and not waits:
        occupant = view.get(REPLICASETS, new_replicaset_key(rollout.deployment))
        create_replicaset(rollout, rolling.new_size(rollout), occupant)
        return
    if not waits and not _scale_step(rollout) and is_complete(rollout):
        clean_up(rollout)
    sync_rollout_status(rollout)


def _scale_step(rollout: Rollout) -> bool:
    if rollout.is_rolling:
        return rolling.reconcile_new(rollout) or rolling.reconcile_old(rollout)
    return rollout.new is not None and rollout.scale(rollout.new, rollout.desired)


def _selects_all(deployment: Object) -> Decision:
    """A Deployment without a selector would take every ReplicaSet of its namespace: it is left alone."""
    message = "This deployment is selecting all pods. A non-empty selector is required."
    events = [EventNote(deployment, "Warning", "SelectingAll", message)]
    status = deployment.get("status") or {}
    generation = int(deployment["metadata"].get("generation") or 0)
    if status.get("observedGeneration", 0) >= generation:
        return Decision(events=events)
    return Decision([_status_update(deployment, {**status, "observedGeneration": generation})], events)


def _status_update(deployment: Object, status: Object) -> Operation:
    metadata = deployment["metadata"]
    body = {**deployment, "status": status}
    return Operation("update", DEPLOYMENTS, metadata.get("namespace", ""), metadata["name"], "status", body)
