"""What the ReplicaSet controller decides.

One reconcile does one thing: take over or give up pods; or create or delete some; or, when their number is right,
report the status. Each write's answer brings the key back, so the next step follows at once, on a view that shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from actors.apimachinery.conditions import find_condition
from actors.apimachinery.meta import Key, controller_of, is_being_deleted, labels_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.selector import LabelSelector
from actors.client.controller import Trigger, View
from actors.client.decision import NOTHING_TO_DO, Decision, EventNote
from actors.controllers.ownership import BY_CONTROLLER, OWNERSHIP_INDEXES, candidates, claim, own_key, owner_keys
from actors.controllers.pace import Pace
from actors.controllers.refusals import Refusal
from actors.controllers.replicaset.pod_creation import PODS, create_operations
from actors.controllers.replicaset.ranking import pods_to_delete
from actors.controllers.replicaset.status import REPLICA_FAILURE, Census, conditions_after, count_pods, new_status

REPLICASETS: Final = "apps/v1/replicasets"
#: Most pods created or deleted in one go (``BurstReplicas``).
BURST_REPLICAS: Final = 500


class ReplicaSetController:
    """Keeps the number of pods of each ReplicaSet. Remembers nothing but when it looked at large ones."""

    name = "replicaset-controller"
    triggers: Sequence[Trigger] = (
        Trigger(REPLICASETS, own_key, {BY_CONTROLLER: OWNERSHIP_INDEXES[BY_CONTROLLER]}),
        Trigger(PODS, owner_keys(REPLICASETS, "ReplicaSet"), OWNERSHIP_INDEXES),
    )

    def __init__(self) -> None:
        self._pace = Pace()

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        """The next step for one ReplicaSet."""
        replicaset = view.get(REPLICASETS, key)
        if replicaset is None:
            self._pace.forget(key)
            return NOTHING_TO_DO
        wait_s = self._pace.wait_s(key, replicaset, now_s)
        if wait_s > 0:
            return Decision(requeue_after_s=wait_s)
        decision, pods = self._look(replicaset, view, now_s)
        self._pace.looked(key, replicaset, pods, now_s)
        return decision

    def _look(self, replicaset: Object, view: View, now_s: float) -> tuple[Decision, int]:
        """The next step, and the number of pods that were looked at; 0 if there is more to do at once."""
        selector = LabelSelector.from_object(replicaset["spec"].get("selector"))
        census = Census.of(candidates(view, PODS, replicaset))
        claimed = claim(replicaset, selector, PODS, census.active)
        if claimed.writes:
            return Decision(claimed.writes), 0
        census.active = claimed.owned
        census.terminating = _owned(replicaset, selector, census.terminating)
        if not is_being_deleted(replicaset):
            surplus = len(census.active) - wanted_replicas(replicaset)
            if surplus < 0:
                return _create(replicaset, view, _creations(replicaset, len(census.active), -surplus)), 0
            if surplus > 0:
                return _delete(replicaset, view, census.active, min(surplus, BURST_REPLICAS), now_s), 0
        return _report_status(replicaset, census, "", now_s), len(census.active) + len(census.terminating)

    def refused(self, key: Key, view: View, now_s: float, refusals: Sequence[Refusal]) -> Decision:
        """Tell of pods that could not be created or deleted: an event each, and the condition ReplicaFailure."""
        replicaset = view.get(REPLICASETS, key)
        failures = [refusal for refusal in refusals if refusal.operation.resource == PODS]
        if replicaset is None or not failures:
            return NOTHING_TO_DO
        selector = LabelSelector.from_object(replicaset["spec"].get("selector"))
        census = Census.of(candidates(view, PODS, replicaset))
        census.active = _owned(replicaset, selector, census.active)
        census.terminating = _owned(replicaset, selector, census.terminating)
        status = _report_status(replicaset, census, failures[0].message, now_s)
        return Decision(status.writes, [_failure_note(replicaset, refusal) for refusal in failures[:1]])


def _create(replicaset: Object, view: View, count: int) -> Decision:
    writes = create_operations(replicaset, count, lambda key: view.get(PODS, key) is not None)
    return Decision(writes, [_note(replicaset, "SuccessfulCreate", f"Created pod: {op.name}") for op in writes])


def _delete(replicaset: Object, view: View, active: list[Object], count: int, now_s: float) -> Decision:
    related = _related_pods(replicaset, view) if count < len(active) else ()
    writes = [_delete_operation(pod) for pod in pods_to_delete(active, related, count, now_s)]
    return Decision(writes, [_note(replicaset, "SuccessfulDelete", f"Deleted pod: {op.name}") for op in writes])


def wanted_replicas(replicaset: Object) -> int:
    """``spec.replicas``, 1 if it is left out."""
    replicas = replicaset["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _creations(replicaset: Object, active: int, missing: int) -> int:
    """How many to create now. After a failure it starts small and doubles, so as not to be refused by the hundred."""
    conditions = (replicaset.get("status") or {}).get("conditions")
    limit = BURST_REPLICAS if find_condition(conditions, REPLICA_FAILURE) is None else max(1, active)
    return min(missing, limit, BURST_REPLICAS)


def _owned(replicaset: Object, selector: LabelSelector, pods: Iterable[Object]) -> list[Object]:
    uid = uid_of(replicaset)
    return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid and selector.matches(labels_of(pod))]


def _related_pods(replicaset: Object, view: View) -> list[Object]:
    """Pods of all ReplicaSets with the same owner, this one included; none when it has no owner."""
    owner = controller_of(replicaset)
    if owner is None:
        return []
    siblings = view.by_index(REPLICASETS, BY_CONTROLLER, owner["uid"])
    return [pod for sibling in siblings for pod in view.by_index(PODS, BY_CONTROLLER, uid_of(sibling))]


def _delete_operation(pod: Object) -> Operation:
    metadata = pod["metadata"]
    options = {"preconditions": {"uid": uid_of(pod)}}
    return Operation("delete", PODS, metadata.get("namespace", ""), metadata["name"], options=options)


def _report_status(replicaset: Object, census: Census, failure: str, now_s: float) -> Decision:
    spec = replicaset["spec"]
    template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    counts = count_pods(census.active, template_labels, spec.get("minReadySeconds", 0), now_s)
    surplus = len(census.active) - wanted_replicas(replicaset)
    status = new_status(replicaset, census, counts, conditions_after(replicaset, failure, surplus, now_s))
    if status == replicaset.get("status"):
        return Decision(requeue_after_s=counts.next_available_s)
    metadata = replicaset["metadata"]
    write = Operation(
        "update",
        REPLICASETS,
        metadata.get("namespace", ""),
        metadata["name"],
        "status",
        {**replicaset, "status": status},
    )
    return Decision([write], requeue_after_s=counts.next_available_s)


def _note(replicaset: Object, reason: str, message: str) -> EventNote:
    return EventNote(replicaset, "Normal", reason, message)


def _failure_note(replicaset: Object, refusal: Refusal) -> EventNote:
    if refusal.operation.verb == "delete":
        return EventNote(replicaset, "Warning", "FailedDelete", f"Error deleting: {refusal.message}")
    return EventNote(replicaset, "Warning", "FailedCreate", f"Error creating: {refusal.message}")
