"""A world for pure controllers: an API server's rules for objects in a few lines, and the View onto it."""

from __future__ import annotations

import copy
from typing import Any

from actors.apimachinery.meta import Key, format_time, is_being_deleted, key_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.pods import phase
from actors.apimachinery.resources import resource_for_kind
from actors.client.decision import Decision

T0 = 1_700_000_000.0
WITH_STATUS = ("apps/v1/deployments", "apps/v1/replicasets", "batch/v1/jobs", "v1/nodes", "v1/namespaces")
ENDED = ("Succeeded", "Failed")


class World:
    """Objects by resource and key; takes operations as the API server would. Also a View."""

    def __init__(self, controller: Any = None) -> None:
        self.objects: dict[str, dict[Key, Object]] = {}
        self.revision = 0
        self.uids = 0
        self.now_s = T0
        self.events: list[tuple[str, str]] = []
        self.refuse: Any = None
        """A function of an operation that says why it is forbidden."""
        self.indexes: dict[str, dict[str, Any]] = {}
        if controller is not None:
            self.knows(controller)

    def knows(self, controller: Any) -> None:
        for trigger in controller.triggers:
            self.indexes.setdefault(trigger.resource, {}).update(trigger.indexes)

    # View

    def get(self, resource: str, key: Key) -> Object | None:
        return self.objects.get(resource, {}).get(key)

    def list(self, resource: str, namespace: str | None = None) -> list[Object]:
        return [o for k, o in self.objects.get(resource, {}).items() if namespace in (None, k.namespace)]

    def by_index(self, resource: str, index: str, value: str) -> list[Object]:
        function = self.indexes[resource][index]
        return [obj for obj in self.list(resource) if value in list(function(obj))]

    # Writing

    def add(self, obj: Object) -> Object:
        resource = resource_for_kind(obj["apiVersion"], obj["kind"])
        assert resource is not None
        metadata = obj["metadata"]
        if resource.namespaced:
            metadata.setdefault("namespace", "default")
        op = Operation("create", resource.key, metadata.get("namespace", ""), metadata["name"], "", obj)
        code = self.apply(op)
        assert code == 201, code
        return self.objects[resource.key][key_of(obj)]

    def apply(self, op: Operation) -> int:
        """Carry out one operation; answers its code."""
        table = self.objects.setdefault(op.resource, {})
        key = Key(op.namespace, op.name)
        current = table.get(key)
        if self.refuse is not None and self.refuse(op):
            return 403
        if op.verb == "create":
            if current is not None:
                return 409
            self._store(op.resource, key, self._created(op))
            return 201
        if current is None:
            return 404
        preconditions = op.options.get("preconditions") or {}
        if any(str(current["metadata"].get(name)) != str(value) for name, value in preconditions.items()):
            return 409
        if op.verb == "delete":
            return self._delete(op, key, current)
        if op.verb == "patch":
            known = op.body.get("metadata", {})
            if any(known[n] != current["metadata"][n] for n in ("uid", "resourceVersion") if n in known):
                return 409
            self._store(op.resource, key, merge(copy.deepcopy(current), op.body))
            return 200
        if op.body["metadata"].get("resourceVersion") != current["metadata"]["resourceVersion"]:
            return 409
        self._store(op.resource, key, self._updated(op, current))
        return 200

    def _created(self, op: Operation) -> Object:
        obj = copy.deepcopy(op.body)
        self.uids += 1
        obj["metadata"].update(uid=f"uid-{self.uids:05}", creationTimestamp=format_time(self.now_s), generation=1)
        if op.resource in WITH_STATUS and op.resource != "v1/nodes":
            obj.pop("status", None)
        return obj

    def _updated(self, op: Operation, current: Object) -> Object:
        obj = copy.deepcopy(op.body)
        if op.subresource == "status":
            obj["spec"] = copy.deepcopy(current["spec"])
        elif op.resource in WITH_STATUS:
            obj["status"] = copy.deepcopy(current.get("status"))
            if obj["status"] is None:
                del obj["status"]
            if obj.get("spec") != current.get("spec"):
                obj["metadata"]["generation"] += 1
        return obj

    def _delete(self, op: Operation, key: Key, current: Object) -> int:
        policy = op.options.get("propagationPolicy")
        finalizers = list(current["metadata"].get("finalizers") or ())
        added = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy)
        if added and added not in finalizers:
            finalizers.append(added)
        holds = finalizers or (op.resource == "v1/pods" and op.options.get("gracePeriodSeconds") != 0)
        if holds and not (op.resource == "v1/pods" and not current["spec"].get("nodeName") and not finalizers):
            if not is_being_deleted(current) or added:
                obj = copy.deepcopy(current)
                obj["metadata"].setdefault("deletionTimestamp", format_time(self.now_s))
                if finalizers:
                    obj["metadata"]["finalizers"] = finalizers
                self._store(op.resource, key, obj)
            return 200
        self.remove(op.resource, key)
        return 200

    def _store(self, resource: str, key: Key, obj: Object) -> None:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        if is_being_deleted(obj) and not obj["metadata"].get("finalizers") and self._is_done(resource, key, obj):
            self.remove(resource, key)
            return
        self.objects.setdefault(resource, {})[key] = obj

    def _is_done(self, resource: str, key: Key, obj: Object) -> bool:
        """Whether only finalizers held it: it has just lost the last one, and no kubelet has to end it."""
        held = self.objects.get(resource, {}).get(key, obj)["metadata"].get("finalizers")
        runs = resource == "v1/pods" and obj["spec"].get("nodeName") and phase(obj) not in ENDED
        return bool(held) and not runs

    def remove(self, resource: str, key: Key) -> None:
        self.revision += 1
        self.objects.get(resource, {}).pop(key, None)

    def change(self, resource: str, name: str, change: Object, namespace: str = "default") -> Object:
        """Change the spec or metadata as a user would, by a merge patch."""
        key = Key(namespace, name)
        current = self.objects[resource][key]
        obj = merge(copy.deepcopy(current), change)
        if obj.get("spec") != current.get("spec"):
            obj["metadata"]["generation"] += 1
        self._store(resource, key, obj)
        return obj

    # Running controllers

    def carry_out(self, decision: Decision) -> list[int]:
        codes = [self.apply(op) for op in decision.writes]
        if all(code < 400 for code in codes):
            self.events.extend((note.reason, note.message) for note in decision.events)
        return codes

    def reconcile(self, controller: Any, key: Key) -> Decision:
        """Decide once and carry it out."""
        decision: Decision = controller.reconcile(key, self, self.now_s)
        self.carry_out(decision)
        return decision

    def settle(self, controller: Any, key: Key, limit: int = 60) -> None:
        """Reconcile until nothing is written any more."""
        for _ in range(limit):
            if not self.reconcile(controller, key).writes:
                return
        raise AssertionError(f"still writing after {limit} rounds")


def merge(target: Any, patch: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def template(app: str = "web", image: str = "nginx:1.25") -> Object:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(name: str = "web", replicas: int = 3, image: str = "nginx:1.25", **spec: Any) -> Object:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
            "strategy": strategy,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            **spec,
        },
    }


def replicaset(name: str = "web", replicas: int = 3, **spec: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name),
            **spec,
        },
    }


def pod(name: str, labels: dict[str, str] | None = None, node: str = "", **status: Any) -> Object:
    spec: Object = {"containers": [{"name": "c", "image": "nginx"}]}
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {"app": "web"}},
        "spec": spec,
        "status": {"phase": "Pending", **status},
    }


def set_ready(world: World, obj: Object, ready: bool = True) -> None:
    """Report a pod running, and ready or not."""
    key = key_of(obj)
    changed = copy.deepcopy(world.objects["v1/pods"][key])
    changed["spec"].setdefault("nodeName", "node-1")
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": format_time(world.now_s)}
    changed["status"] = {"phase": "Running", "conditions": [condition]}
    world._store("v1/pods", key, changed)
