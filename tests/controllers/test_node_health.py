"""Silent nodes, their taints, and which pods must leave."""

from __future__ import annotations

from typing import Any

import pytest

from actors.apimachinery.meta import Key, format_micro_time, format_time
from actors.controllers.node_lifecycle.actor import NodeLifecycleController
from actors.controllers.node_lifecycle.health import evicted_in_s, unknown_conditions, wanted_taints

T0 = 1_800_000_000.0
UNREACHABLE_TAINT = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": format_time(T0)}


class DictView:
    def __init__(self, **collections: dict[Key, Any]) -> None:
        self.collections = collections

    def _of(self, resource: str) -> dict[Key, Any]:
        return self.collections.get(resource.rsplit("/", 1)[1], {})

    def get(self, resource: str, key: Key) -> Any:
        return self._of(resource).get(key)

    def list(self, resource: str, namespace: str | None = None) -> Any:
        return [obj for key, obj in self._of(resource).items() if namespace in (None, key.namespace)]

    def by_index(self, resource: str, index: str, value: str) -> Any:
        assert index == "node"
        return [obj for obj in self._of(resource).values() if obj["spec"].get("nodeName") == value]


def node(ready: str | None = "True", **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "lastHeartbeatTime": format_time(T0)}] if ready else []
    metadata = {"name": "n", "uid": "uid-n", "resourceVersion": "5", "creationTimestamp": format_time(T0)}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions}}


def pod(*tolerations: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "uid-p", **metadata},
        "spec": {"nodeName": "n", "tolerations": list(tolerations)},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def lease(renewed_s: float) -> dict[str, Any]:
    return {
        "metadata": {"name": "n", "namespace": "kube-node-lease"},
        "spec": {"renewTime": format_micro_time(renewed_s)},
    }


def view_of(the_node: Any, the_lease: Any = None, the_pod: Any = None) -> DictView:
    return DictView(
        nodes={Key("", "n"): the_node} if the_node else {},
        leases={Key("kube-node-lease", "n"): the_lease} if the_lease else {},
        pods={Key("default", "p"): the_pod} if the_pod else {},
    )


def test_a_node_whose_lease_is_renewed_is_left_alone() -> None:
    controller = NodeLifecycleController()
    for i in range(100):
        decision = controller.reconcile(Key("", "n"), view_of(node(), lease(T0 + i)), T0 + i * 10)
        assert not decision.writes
        assert decision.requeue_after_s == 5.0


def test_a_silent_node_becomes_unknown_after_the_grace_period_and_its_pods_unready() -> None:
    controller = NodeLifecycleController(grace_period_s=50)
    view = view_of(node(), lease(T0), pod())
    assert not controller.reconcile(Key("", "n"), view, T0).writes
    assert not controller.reconcile(Key("", "n"), view, T0 + 49).writes
    decision = controller.reconcile(Key("", "n"), view, T0 + 51)
    conditions = decision.writes[0].body["status"]["conditions"]
    assert {c["type"]: (c["status"], c["reason"]) for c in conditions}["Ready"] == ("Unknown", "NodeStatusUnknown")
    assert [(op.resource, op.subresource) for op in decision.writes] == [("v1/nodes", "status"), ("v1/pods", "status")]
    assert [event.reason for event in decision.events] == ["NodeNotReady"]


def test_conditions_that_are_unknown_already_are_not_written_again() -> None:
    silent = node("Unknown")
    assert {c["type"] for c in unknown_conditions(silent, T0)} == {"MemoryPressure", "DiskPressure", "PIDPressure"}


@pytest.mark.parametrize(
    ("the_node", "taints"),
    [
        (node("True"), []),
        (node("False"), [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")]),
        (node("Unknown"), [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]),
        (node(None), [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]),
        (node("True", unschedulable=True), [("unschedulable", "NoSchedule")]),
    ],
)
def test_conditions_become_taints(the_node: Any, taints: list[tuple[str, str]]) -> None:
    found = [(taint["key"].rsplit("/", 1)[1], taint["effect"]) for taint in wanted_taints(the_node, T0)]
    assert found == taints


def test_taints_keep_their_time_others_stay_and_outdated_ones_go() -> None:
    mine = {"key": "mine", "effect": "NoSchedule"}
    old = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    the_node = node("Unknown", taints=[mine, old, UNREACHABLE_TAINT])
    taints = wanted_taints(the_node, T0 + 100)
    assert taints[0] == mine
    assert old not in taints
    assert UNREACHABLE_TAINT in taints
    assert wanted_taints({**the_node, "spec": {"taints": taints}}, T0 + 200) == taints


def tolerates(seconds: int | None, key: str = "node.kubernetes.io/unreachable") -> dict[str, Any]:
    toleration: dict[str, Any] = {"key": key, "operator": "Exists", "effect": "NoExecute"}
    return toleration if seconds is None else {**toleration, "tolerationSeconds": seconds}


def test_when_a_pod_must_leave() -> None:
    taints = [UNREACHABLE_TAINT]
    assert evicted_in_s(pod(), taints, T0) == 0.0
    assert evicted_in_s(pod(tolerates(300)), taints, T0) == 300.0
    assert evicted_in_s(pod(tolerates(300), tolerates(None)), taints, T0 + 100) == 200.0
    assert evicted_in_s(pod(tolerates(300)), taints, T0 + 301) == 0.0
    assert evicted_in_s(pod(tolerates(None)), taints, T0) is None
    assert evicted_in_s(pod({"operator": "Exists"}), taints, T0) is None
    assert evicted_in_s(pod(), [{**UNREACHABLE_TAINT, "effect": "NoSchedule"}], T0) is None
    assert evicted_in_s(pod(tolerates(None, key="other")), taints, T0) == 0.0


def test_a_pod_is_evicted_when_its_toleration_ends() -> None:
    controller = NodeLifecycleController()
    gone = node("Unknown", taints=wanted_taints(node("Unknown"), T0))
    view = view_of(gone, None, {**pod(tolerates(300)), "status": {}})
    decision = controller.reconcile(Key("", "n"), view, T0 + 299)
    assert not decision.writes
    assert decision.requeue_after_s == 1.0
    decision = controller.reconcile(Key("", "n"), view, T0 + 300)
    assert [(op.verb, op.subresource) for op in decision.writes] == [("patch", "status"), ("delete", "")]
    assert [event.reason for event in decision.events] == ["TaintManagerEviction"]


def test_pods_of_a_node_that_does_not_exist_go_after_quarantine() -> None:
    controller = NodeLifecycleController()
    view = view_of(None, None, pod())
    assert controller.reconcile(Key("", "n"), view, T0).requeue_after_s == 40.0
    assert not controller.reconcile(Key("", "n"), view, T0 + 39).writes
    writes = controller.reconcile(Key("", "n"), view, T0 + 40).writes
    assert [op.verb for op in writes] == ["patch", "delete"]
    assert writes[1].options["gracePeriodSeconds"] == 0


def test_a_pod_deleted_before_it_had_a_node_is_removed() -> None:
    controller = NodeLifecycleController()
    waiting = {**pod(deletionTimestamp=format_time(T0)), "spec": {}}
    ended, operation = controller.reconcile(Key("default", "p"), view_of(None, None, waiting), T0).writes
    assert (ended.subresource, ended.body["status"]) == ("status", {"phase": "Failed"})
    assert operation.options == {"preconditions": {"uid": "uid-p"}, "gracePeriodSeconds": 0}
    assert not controller.reconcile(Key("default", "p"), view_of(None, None, {**pod(), "spec": {}}), T0).writes
