"""The node lifecycle controller and the pod garbage collector, as one actor.

Keys are nodes (no namespace), and pods that were deleted before they had a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from actors.apimachinery.meta import Key, format_time, is_being_deleted, key_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.pods import is_ready, is_terminal
from actors.client.controller import Trigger, View, run_controller
from actors.client.decision import NOTHING_TO_DO, Decision, EventNote
from actors.controllers.node_lifecycle.health import (
    GRACE_PERIOD_S,
    NO_EXECUTE,
    evicted_in_s,
    heartbeat,
    ready_status,
    unknown_conditions,
    wanted_taints,
)
from broker.context import Context

NODES: Final = "v1/nodes"
PODS: Final = "v1/pods"
LEASES: Final = "coordination.k8s.io/v1/leases"
NODE_LEASES_NAMESPACE: Final = "kube-node-lease"
BY_NODE: Final = "node"
#: How often each node is looked at (``node-monitor-period``).
MONITOR_PERIOD_S: Final = 5.0
#: Pods of a node that doesn't exist are kept this long, lest the node only be late (``quarantineTime``).
QUARANTINE_S: Final = 40.0


def _node_of(pod: Object) -> Iterable[str]:
    node = pod["spec"].get("nodeName")
    return (node,) if node else ()


class NodeLifecycleController:
    """Remembers when each node was last heard of; decides from that and what it sees."""

    name = "node-lifecycle-controller"

    def __init__(self, grace_period_s: float = GRACE_PERIOD_S) -> None:
        self._grace_period_s = grace_period_s
        self._heard: dict[str, tuple[str, float]] = {}
        """Node to its last sign of life, and when that was first seen, by this controller's own clock."""
        self._missing_since_s: dict[str, float] = {}
        self._registered: dict[str, str] = {}
        """Nodes that are looked after, with their uids."""
        self.triggers: Sequence[Trigger] = (
            Trigger(NODES, lambda node, _view: (key_of(node),)),
            Trigger(PODS, self._keys_of_pod, {BY_NODE: _node_of}),
            Trigger(LEASES, self._keys_of_lease),
        )

    @staticmethod
    def _keys_of_pod(pod: Object, view: View) -> Iterable[Key]:
        """A pod concerns its node only when that is gone or evicts; most changes of pods cost nothing here."""
        name = pod["spec"].get("nodeName")
        if not name:
            return (key_of(pod),) if is_being_deleted(pod) else ()
        node = view.get(NODES, Key("", name))
        return (Key("", name),) if node is None or _evicting(node) else ()

    @staticmethod
    def _keys_of_lease(lease: Object, view: View) -> Iterable[Key]:
        """A renewed lease matters at once only for a node that isn't ready; else the next look finds it."""
        key = key_of(lease)
        if key.namespace != NODE_LEASES_NAMESPACE:
            return ()
        node = view.get(NODES, Key("", key.name))
        return (Key("", key.name),) if node is not None and ready_status(node) != "True" else ()

    def reconcile(self, key: Key, view: View, now_s: float) -> Decision:
        """What to do about a node, or about a pod without one."""
        if key.namespace:
            return self._unscheduled(view.get(PODS, key))
        node = view.get(NODES, key)
        pods = view.by_index(PODS, BY_NODE, key.name)
        events = self._registration(key.name, uid_of(node) if node is not None else "")
        if node is None:
            self._heard.pop(key.name, None)
            decision = self._orphaned(key.name, pods, now_s)
        else:
            self._missing_since_s.pop(key.name, None)
            lease = view.get(LEASES, Key(NODE_LEASES_NAMESPACE, key.name))
            decision = self._watched(node, lease, pods, now_s)
        return replace(decision, events=[*events, *decision.events]) if events else decision

    def _registration(self, name: str, uid: str) -> list[EventNote]:
        """Tell of a node that is looked after from now on, or (without a uid) no longer."""
        before = self._registered.get(name, "")
        if before == uid:
            return []
        events = []
        if before:
            del self._registered[name]
            message = f"Node {name} event: Removing Node {name} from Controller"
            events.append(EventNote(_node_reference(name, before), "Normal", "RemovingNode", message))
        if uid:
            self._registered[name] = uid
            message = f"Node {name} event: Registered Node {name} in Controller"
            events.append(EventNote(_node_reference(name, uid), "Normal", "RegisteredNode", message))
        return events

    # Nodes that are there

    def _watched(self, node: Object, lease: Object | None, pods: Sequence[Object], now_s: float) -> Decision:
        name = node["metadata"]["name"]
        sign = heartbeat(node, lease)
        if self._heard.get(name, ("", 0.0))[0] != sign:
            self._heard[name] = (sign, now_s)
        silent = now_s - self._heard[name][1] > self._grace_period_s
        writes: list[Operation] = []
        events: list[EventNote] = []
        conditions = unknown_conditions(node, now_s) if silent else []
        if conditions:
            node = _with_conditions(node, conditions)
            writes.append(_strategic("v1/nodes", node, {"status": {"conditions": conditions}}, "status"))
            events.append(EventNote(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady"))
        if ready_status(node) != "True":
            writes.extend(_not_ready(pod, now_s) for pod in pods if is_ready(pod))
        taints = wanted_taints(node, now_s)
        if taints != ((node.get("spec") or {}).get("taints") or []):
            patch = {
                "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
                "spec": {"taints": taints or None},
            }
            # With its conditions changed in the same go the node has a new revision: its taints come the next time.
            if not conditions:
                writes.append(Operation("patch", NODES, "", name, "", patch, {"patchType": "merge"}))
        evictions, due_s = _evictions(pods, (node.get("spec") or {}).get("taints") or (), now_s)
        for pod in evictions:
            writes.extend(_evict(pod, now_s))
            message = f"Marking for deletion Pod {key_of(pod)}"
            events.append(EventNote(pod, "Normal", "TaintManagerEviction", message))
        return Decision(writes, events, min(due_s, MONITOR_PERIOD_S))

    # Pods that nobody will end

    def _orphaned(self, node: str, pods: Sequence[Object], now_s: float) -> Decision:
        if not pods:
            self._missing_since_s.pop(node, None)
            return NOTHING_TO_DO
        since_s = self._missing_since_s.setdefault(node, now_s)
        left_s = since_s + QUARANTINE_S - now_s
        if left_s > 0:
            return Decision(requeue_after_s=left_s)
        writes: list[Operation] = []
        for pod in pods:
            if not is_terminal(pod):
                status = {"phase": "Failed", "conditions": [_disruption("DeletionByPodGC", _NO_NODE, now_s)]}
                writes.append(_strategic(PODS, pod, {"status": status}, "status"))
            writes.append(_deletion(pod, grace_period_s=0))
        return Decision(writes, requeue_after_s=QUARANTINE_S)

    @staticmethod
    def _unscheduled(pod: Object | None) -> Decision:
        """A pod deleted before it had a node has no kubelet to end it."""
        if pod is None or not is_being_deleted(pod) or pod["spec"].get("nodeName"):
            return NOTHING_TO_DO
        writes = [_deletion(pod, grace_period_s=0)]
        if not is_terminal(pod):  # what holds it may wait for its end
            writes.insert(0, _strategic(PODS, pod, {"status": {"phase": "Failed"}}, "status"))
        return Decision(writes)


_NO_NODE: Final = "PodGC: node no longer exists"


def _node_reference(name: str, uid: str) -> Object:
    """As much of a node as an event needs, also when it is gone."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": uid}}


def _evicting(node: Object) -> bool:
    return any(taint.get("effect") == NO_EXECUTE for taint in (node.get("spec") or {}).get("taints") or ())


def _with_conditions(node: Object, conditions: Sequence[dict[str, Any]]) -> Object:
    changed = {c.get("type") for c in conditions}
    status = node.get("status") or {}
    kept = [c for c in status.get("conditions") or () if c.get("type") not in changed]
    return {**node, "status": {**status, "conditions": [*kept, *conditions]}}


def _strategic(resource: str, obj: Object, patch: Object, subresource: str = "") -> Operation:
    key = key_of(obj)
    patch = {**patch, "metadata": {"uid": uid_of(obj)}}
    return Operation("patch", resource, key.namespace, key.name, subresource, patch, {"patchType": "strategic"})


def _not_ready(pod: Object, now_s: float) -> Operation:
    """The pod of a node that isn't ready serves nobody."""
    condition = {"type": "Ready", "status": "False", "lastTransitionTime": format_time(now_s)}
    return _strategic(PODS, pod, {"status": {"conditions": [condition]}}, "status")


def _evictions(pods: Sequence[Object], taints: Sequence[dict[str, Any]], now_s: float) -> tuple[list[Object], float]:
    """The pods that must leave now, and in how many seconds the next must."""
    leaving: list[Object] = []
    next_s = float("inf")
    if any(taint.get("effect") == NO_EXECUTE for taint in taints):
        for pod in pods:
            due_s = None if is_being_deleted(pod) or is_terminal(pod) else evicted_in_s(pod, taints, now_s)
            if due_s == 0.0:
                leaving.append(pod)
            elif due_s is not None:
                next_s = min(next_s, due_s)
    return leaving, next_s


def _evict(pod: Object, now_s: float) -> list[Operation]:
    message = "Taint manager: deleting due to NoExecute taint"
    condition = _disruption("DeletionByTaintManager", message, now_s)
    return [_strategic(PODS, pod, {"status": {"conditions": [condition]}}, "status"), _deletion(pod)]


def _disruption(reason: str, message: str, now_s: float) -> dict[str, Any]:
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": format_time(now_s),
    }


def _deletion(pod: Object, grace_period_s: int | None = None) -> Operation:
    key = key_of(pod)
    options: dict[str, Any] = {"preconditions": {"uid": uid_of(pod)}}
    if grace_period_s is not None:
        options["gracePeriodSeconds"] = grace_period_s
    return Operation("delete", PODS, key.namespace, key.name, options=options)


async def run(ctx: Context) -> None:
    """Run the node lifecycle controller as an actor."""
    await run_controller(ctx, NodeLifecycleController())
