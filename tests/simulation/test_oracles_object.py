"""Each invariant, violated by hand: its oracle must object."""

from __future__ import annotations

from typing import Any

import pytest

from actors.apimachinery.meta import Key
from actors.apimachinery.stream import Stream
from actors.client.informer import Informer
from actors.simulation.oracles import Oracles
from actors.simulation.witness import HistoryWitness
from broker.message import pack


def thing(kind: str, name: str, revision: int, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    own = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": str(revision), **metadata}
    return {"kind": kind, "metadata": own, "spec": spec or {}}


def owned(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}]


def replica_set(name: str, revision: int, replicas: int, *, desired: int = 4, most: int = 5) -> dict[str, Any]:
    prefix = "deployment.kubernetes.io/"
    notes = {f"{prefix}desired-replicas": str(desired), f"{prefix}max-replicas": str(most)}
    spec = {"replicas": replicas}
    return thing("ReplicaSet", name, revision, spec, annotations=notes, ownerReferences=owned("Deployment", "web"))


def objections(*changes: dict[str, Any]) -> str:
    oracles = Oracles()
    for revision, change in enumerate(changes, 1):
        oracles.put(revision, change)
    return "\n".join(oracles.violations)


def test_a_rollout_goes_below_what_must_be_available() -> None:
    web = thing("Deployment", "web", 1, {"replicas": 4, "strategy": {"rollingUpdate": {"maxUnavailable": 1}}})
    assert objections(web, replica_set("a", 2, 4), replica_set("a", 3, 3)) == ""
    assert "below 3" in objections(web, replica_set("a", 2, 4), replica_set("a", 3, 2))


def test_a_rollout_goes_above_its_surge() -> None:
    web = thing("Deployment", "web", 1, {"replicas": 4})
    assert "5 may be" in objections(web, replica_set("a", 2, 4), replica_set("b", 3, 2))


def test_two_replica_sets_are_active_under_recreate() -> None:
    web = thing("Deployment", "web", 1, {"replicas": 4, "strategy": {"type": "Recreate"}})
    changes = (web, replica_set("a", 2, 4, most=9), replica_set("b", 3, 1, most=9))
    assert "active at once" in objections(*changes)


def test_a_pod_is_bound_twice() -> None:
    there, elsewhere = thing("Pod", "p", 1, {"nodeName": "node-1"}), thing("Pod", "p", 2, {"nodeName": "node-2"})
    assert "was bound to node-1 and then to node-2" in objections(there, elsewhere)


def test_a_revision_goes_back_and_a_uid_changes() -> None:
    oracles = Oracles()
    oracles.put(5, thing("Pod", "p", 5))
    oracles.put(4, thing("Pod", "p", 4, uid="another"))
    assert len(oracles.violations) == 2


def test_two_pods_of_one_identity_run() -> None:
    oracles = Oracles()
    oracles.put(1, thing("Pod", "db-0", 1, ownerReferences=owned("StatefulSet", "db")))
    oracles.pod_runs("node-1", "default", "db-0", "one")
    oracles.pod_ends("node-1", "default", "db-0", "one")
    oracles.pod_runs("node-2", "default", "db-0", "two")
    assert oracles.violations == []
    oracles.pod_runs("node-1", "default", "db-0", "three")
    assert "another of that identity" in oracles.violations[0]


def test_an_acknowledged_write_that_is_not_there() -> None:
    oracles = Oracles()
    oracles.put(7, thing("Pod", "p", 7))
    witness = HistoryWitness(oracles)
    for message_id, revision in (("one", 7), ("two", 8)):
        witness.asked(message_id, [["create", "v1/pods", "default", "p", "", {}, [], True]])
        witness.answered(message_id, [b"", pack([[201, revision, [revision], None, None]])])
    assert len(oracles.violations) == 1
    assert "acknowledged at revision 8" in oracles.violations[0]


class _Client:
    ctx = None


class _Reader:
    name = "reader"

    def __init__(self, view: Informer) -> None:
        self.views = [view]


@pytest.mark.parametrize(
    ("revision", "shown", "objection"),
    [(3, "3", ""), (2, "2", ""), (3, "2", "shows"), (3, None, "shows"), (2, "3", "shows")],
)
def test_a_view_that_never_was(revision: int, shown: str | None, objection: str) -> None:
    oracles = Oracles()
    oracles.put(2, thing("Pod", "p", 2))
    oracles.put(3, thing("Pod", "p", 3))
    informer = Informer(_Client(), Stream("v1/pods"))  # type: ignore[arg-type]
    informer.revision = revision
    if shown is not None:
        informer._objects[Key("default", "p")] = thing("Pod", "p", int(shown))
    witness = HistoryWitness(oracles)
    witness.told(_Reader(informer))  # type: ignore[arg-type]
    assert objection in "\n".join(oracles.violations)
    assert bool(oracles.violations) == bool(objection)
    informer.revision = 1
    witness.told(_Reader(informer))  # type: ignore[arg-type]
    assert "went back" in oracles.violations[-1]
