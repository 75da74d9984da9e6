"""Nodes that come and go are told of once; new taints say since when they are there."""

from __future__ import annotations

from controller_world import T0, World

from actors.apimachinery.meta import Key, format_time
from actors.controllers.node_lifecycle.actor import NODES, NodeLifecycleController
from actors.controllers.node_lifecycle.health import wanted_taints

KEY = Key("", "n")


def node(ready: str = "True"):
    conditions = [{"type": "Ready", "status": ready, "lastHeartbeatTime": format_time(T0)}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n"},
        "spec": {},
        "status": {"conditions": conditions},
    }


def test_registering_and_removing_are_told_once_each() -> None:
    controller = NodeLifecycleController()
    world = World(controller)
    world.add(node())
    world.reconcile(controller, KEY)
    world.reconcile(controller, KEY)
    world.remove(NODES, KEY)
    world.reconcile(controller, KEY)
    world.reconcile(controller, KEY)
    assert world.events == [
        ("RegisteredNode", "Node n event: Registered Node n in Controller"),
        ("RemovingNode", "Node n event: Removing Node n from Controller"),
    ]


def test_a_node_that_was_replaced_is_another_node() -> None:
    controller = NodeLifecycleController()
    world = World(controller)
    world.add(node())
    world.reconcile(controller, KEY)
    world.remove(NODES, KEY)
    world.add(node())
    world.reconcile(controller, KEY)
    assert [reason for reason, _ in world.events] == ["RegisteredNode", "RemovingNode", "RegisteredNode"]


def test_new_taints_say_since_when_and_old_ones_stay_as_they_are() -> None:
    silent = node("Unknown")
    times = {taint["effect"]: taint.get("timeAdded") for taint in wanted_taints(silent, T0)}
    assert times == {"NoSchedule": format_time(T0), "NoExecute": format_time(T0)}
    registered = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    silent = node("False")
    silent["spec"]["taints"] = [registered]
    assert registered in wanted_taints(silent, T0)
    silent["spec"]["taints"] = wanted_taints(silent, T0)
    assert wanted_taints(silent, T0 + 60) == silent["spec"]["taints"]
