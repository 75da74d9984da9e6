"""What must hold when all faults are over and all has settled.

- nothing is left over: no object outlives its owners, no pod is on a node that does not exist
- writes stop: in a settled cluster only heartbeats and events are written
- reconciles are idempotent: run on the settled state, none of them wants to write
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from actors.apimachinery.meta import Key, key_of, uid_of
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import resource_of
from actors.client.controller import Controller, Trigger
from actors.controllers.deployment.controller import DeploymentController
from actors.controllers.job.controller import JobController
from actors.controllers.replicaset.controller import ReplicaSetController
from actors.simulation.oracles import Oracles

#: Written for ever in a healthy cluster.
HEARTBEATS: Final = ("Lease", "Node", "Event")

Objects = list[Object]


class StoreView:
    """A controller's view of the very state of the store."""

    def __init__(self, oracles: Oracles, triggers: Sequence[Trigger]) -> None:
        self._oracles = oracles
        self._indexes = {(t.resource, name): function for t in triggers for name, function in t.indexes.items()}

    def get(self, resource: str, key: Key) -> Object | None:
        """One object."""
        return self._table(resource).get(key)

    def list(self, resource: str, namespace: str | None = None) -> Objects:
        """A collection."""
        return [obj for key, obj in self._table(resource).items() if namespace in (None, key.namespace)]

    def by_index(self, resource: str, index: str, value: str) -> Objects:
        """The objects for which the index's function gives the value."""
        function = self._indexes[resource, index]
        return [obj for obj in self._table(resource).values() if value in function(obj)]

    def _table(self, resource: str) -> dict[Key, Object]:
        return self._oracles.objects.get(resource_of(resource).kind, {})


def not_idempotent(oracles: Oracles, now_s: float) -> list[str]:
    """Reconciles that would still write something."""
    problems: list[str] = []
    controllers: tuple[tuple[Controller, str], ...] = (
        (DeploymentController(), "Deployment"),
        (ReplicaSetController(), "ReplicaSet"),
        (JobController(), "Job"),
    )
    for controller, kind in controllers:
        view = StoreView(oracles, controller.triggers)
        for obj in oracles.of_kind(kind):
            writes = controller.reconcile(key_of(obj), view, now_s).writes
            if writes:
                what = ", ".join(f"{op.verb} {op.resource} {op.name}" for op in writes)
                problems.append(f"{controller.name} would still write for {kind} {key_of(obj)}: {what}")
    return problems


def left_over(oracles: Oracles) -> list[str]:
    """Objects whose owners are all gone, and pods on nodes that are."""
    objects = [obj for table in oracles.objects.values() for obj in table.values()]
    uids = {uid_of(obj) for obj in objects}
    problems: list[str] = []
    for obj in objects:
        owners = obj["metadata"].get("ownerReferences") or ()
        if owners and not any(owner["uid"] in uids for owner in owners):
            problems.append(f"{obj.get('kind')} {key_of(obj)} outlives its owners")
        node = obj["spec"].get("nodeName") if obj.get("kind") == "Pod" else None
        if node and Key("", node) not in oracles.objects.get("Node", {}):
            problems.append(f"Pod {key_of(obj)} is on node {node}, which does not exist")
    return problems


def versions(oracles: Oracles) -> dict[tuple[str, Key], str]:
    """What was written last to each object, heartbeats left out: equal as long as nothing is written."""
    return {
        (kind, key): str(obj["metadata"].get("resourceVersion"))
        for kind, table in oracles.objects.items()
        if kind not in HEARTBEATS
        for key, obj in table.items()
    }


def written_between(before: dict[tuple[str, Key], str], after: dict[tuple[str, Key], str]) -> list[str]:
    """The objects that were written, created or deleted."""
    changed: Iterable[tuple[str, Key]] = [k for k in {**before, **after} if before.get(k) != after.get(k)]
    return [f"{kind} {key} was still written when all had settled" for kind, key in changed]
