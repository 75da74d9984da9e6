"""Safety invariants, checked at every change of the store. Pure: fed with events, they note what was violated.

They look at the store's log only, so they hold whatever any actor believes:

- revisions only grow, and no object changes its uid without being deleted in between
- a pod is bound at most once
- a node is never given more than it can hold (cpu, memory, number of pods)
- a Deployment's ReplicaSets are never scaled up beyond replicas + maxSurge, nor down below replicas - maxUnavailable,
  and with the strategy Recreate no two of them are ever asked for pods
- no two containers' sandboxes run under one pod name at a time, on whatever nodes: one running pod of each identity
  (fed by the runtimes, not by the store)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from actors.apimachinery.intstr import fenceposts
from actors.apimachinery.meta import Key, annotations_of, controller_of, key_of, uid_of
from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import milli_value

DESIRED_REPLICAS_ANNOTATION: Final = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS_ANNOTATION: Final = "deployment.kubernetes.io/max-replicas"
TERMINAL_PHASES: Final = ("Succeeded", "Failed")


@dataclass(slots=True)
class Oracles:
    """What the store shows now, and everything that went wrong on the way."""

    violations: list[str] = field(default_factory=list)
    revision: int = 0
    objects: dict[str, dict[Key, Object]] = field(default_factory=dict)
    """Kind to key to object, as the store has them."""
    changes: int = 0
    history: dict[str, list[tuple[int, Key, Object | None]]] = field(default_factory=dict)
    """By kind: each change's revision, key, and the object as it was then (None: deleted)."""
    revisions: set[int] = field(default_factory=set)
    """Those at which anything changed."""
    running: dict[tuple[str, str], dict[tuple[str, str], None]] = field(default_factory=dict)
    """By namespace and name of a pod: the nodes on which one of that name runs, each with its uid."""

    def of_kind(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return list(self.objects.get(kind, {}).values())

    def put(self, revision: int, obj: Object) -> None:
        """An object was written."""
        self._advance(revision)
        kind = obj.get("kind", "")
        self.history.setdefault(kind, []).append((revision, key_of(obj), obj))
        table = self.objects.setdefault(kind, {})
        key = key_of(obj)
        old = table.get(key)
        table[key] = obj
        if old is not None and uid_of(old) != uid_of(obj):
            self.object_to(f"{kind} {key}: uid changed from {uid_of(old)} to {uid_of(obj)} without a deletion")
        if kind == "Pod":
            self._check_pod(key, old, obj)
        elif kind == "ReplicaSet":
            self._check_surge(key, old, obj)
            self._check_availability(key, old, obj)

    def delete(self, revision: int, kind: str, key: Key) -> None:
        """An object was deleted."""
        self._advance(revision)
        self.history.setdefault(kind, []).append((revision, key, None))
        self.objects.get(kind, {}).pop(key, None)

    # What the runtimes tell

    def pod_runs(self, node: str, namespace: str, name: str, uid: str) -> None:
        """A container of a pod was started."""
        places = self.running.setdefault((namespace, name), {})
        pod = self.objects.get("Pod", {}).get(Key(namespace, name))
        if places and (node, uid) not in places and pod is not None and has_identity(pod):
            where = ", ".join(place for place, _ in places)
            self.object_to(f"pod {namespace}/{name} runs on {where}, and another of that identity on {node}")
        places[node, uid] = None

    def pod_ends(self, node: str, namespace: str, name: str, uid: str) -> None:
        """A pod's sandbox was stopped, and all containers with it."""
        self.running.get((namespace, name), {}).pop((node, uid), None)

    def node_ends(self, node: str) -> None:
        """All that ran on a node is gone."""
        for places in self.running.values():
            for place in [place for place in places if place[0] == node]:
                del places[place]

    # Checks

    def _advance(self, revision: int) -> None:
        self.changes += 1
        self.revisions.add(revision)
        if revision < self.revision:
            self.object_to(f"revision went back from {self.revision} to {revision}")
        self.revision = max(self.revision, revision)

    def object_to(self, what: str) -> None:
        """Note a violation."""
        self.violations.append(f"revision {self.revision}: {what}")

    def _check_pod(self, key: Key, old: Object | None, new: Object) -> None:
        node = new["spec"].get("nodeName")
        bound_before = old["spec"].get("nodeName") if old is not None and uid_of(old) == uid_of(new) else None
        if bound_before and node != bound_before:
            self.object_to(f"pod {key} was bound to {bound_before} and then to {node}")
        if node and not bound_before:
            self._check_node(node)

    def _check_node(self, name: str) -> None:
        node = self.objects.get("Node", {}).get(Key("", name))
        if node is None:
            return
        allocatable = node.get("status", {}).get("allocatable") or {}
        pods = [pod for pod in self.of_kind("Pod") if pod["spec"].get("nodeName") == name and not is_terminal(pod)]
        if len(pods) > int(allocatable.get("pods", 0)):
            self.object_to(f"node {name} has {len(pods)} pods and room for {allocatable.get('pods')}")
        for resource in ("cpu", "memory"):
            requested = sum(requested_milli(pod, resource) for pod in pods)
            if requested > milli_value(allocatable.get(resource, "0")):
                self.object_to(f"node {name} is overcommitted: {resource} {requested}m of {allocatable.get(resource)}")

    def _check_surge(self, key: Key, old: Object | None, new: Object) -> None:
        owner = controller_of(new)
        limit = annotations_of(new).get(MAX_REPLICAS_ANNOTATION)
        before = replicas_of(old) if old is not None else 0
        if owner is None or limit is None or replicas_of(new) <= before:
            return
        siblings = [rs for rs in self.of_kind("ReplicaSet") if (controller_of(rs) or {}).get("uid") == owner["uid"]]
        total = sum(replicas_of(rs) for rs in siblings)
        if total > int(limit):
            self.object_to(
                f"ReplicaSet {key} was scaled up to a total of {total} replicas of {owner['name']}; {limit} may be"
            )

    def _check_availability(self, key: Key, old: Object | None, new: Object) -> None:
        owner = controller_of(new)
        desired = annotations_of(new).get(DESIRED_REPLICAS_ANNOTATION)
        if owner is None or desired is None or owner["kind"] != "Deployment":
            return
        deployment = self.objects.get("Deployment", {}).get(Key(key.namespace, owner["name"]))
        if deployment is None or uid_of(deployment) != owner["uid"]:
            return
        siblings = [rs for rs in self.of_kind("ReplicaSet") if (controller_of(rs) or {}).get("uid") == owner["uid"]]
        if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
            active = [key_of(rs) for rs in siblings if replicas_of(rs)]
            if replicas_of(new) and len(active) > 1:
                self.object_to(f"two ReplicaSets of {owner['name']} are active at once: {', '.join(map(str, active))}")
            return
        if old is None or replicas_of(new) >= replicas_of(old):
            return
        # A controller may not know of the newest scaling yet: what it was aiming at stands on the replica sets.
        aim = min(int(desired), int(deployment["spec"].get("replicas", 1)))
        total = sum(replicas_of(rs) for rs in siblings)
        fewest = aim - max_unavailable_of(deployment, aim)
        if total < fewest:
            self.object_to(f"ReplicaSet {key} was scaled down to a total of {total} of {owner['name']}, below {fewest}")


def has_identity(pod: Object) -> bool:
    """Whether its name is an identity, of which there may be one pod only: a StatefulSet's."""
    owner = controller_of(pod)
    return owner is not None and owner["kind"] == "StatefulSet"


def max_unavailable_of(deployment: Object, replicas: int) -> int:
    """How many pods of a Deployment may be missing: an amount, or a percentage rounded down."""
    rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
    _, unavailable = fenceposts(rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"), replicas)
    return min(replicas, unavailable)


def is_terminal(pod: Object) -> bool:
    """Whether all of the pod's containers have ended for good."""
    return pod.get("status", {}).get("phase") in TERMINAL_PHASES


def replicas_of(replicaset: Object) -> int:
    """How many pods it asks for."""
    return int(replicaset["spec"].get("replicas", 1))


def requested_milli(pod: Object, resource: str) -> int:
    """What the pod's containers request of a resource, in thousandths."""
    containers: list[dict[str, Any]] = pod["spec"].get("containers", [])
    return sum(milli_value(c.get("resources", {}).get("requests", {}).get(resource, "0")) for c in containers)


def unsettled(oracles: Oracles) -> list[str]:
    """What is not yet as the manifests ask, for Deployments and what they own; empty when all has converged."""
    problems: list[str] = []
    live: dict[str, set[str]] = {}
    # Of the kinds that own something, custom ones included, the uids of what is there.
    for kind in ("ReplicaSet", "Pod"):
        for obj in oracles.of_kind(kind):
            owner = controller_of(obj)
            if owner is None:
                continue
            if owner["kind"] not in live:
                live[owner["kind"]] = {uid_of(each) for each in oracles.of_kind(owner["kind"])}
            if owner["uid"] not in live[owner["kind"]]:
                problems.append(f"{kind} {key_of(obj)} is an orphan")
    for deployment in oracles.of_kind("Deployment"):
        problems.extend(_unsettled_deployment(oracles, deployment))
    nodes = oracles.objects.get("Node", {})
    lost = [
        pod
        for pod in oracles.of_kind("Pod")
        if pod["spec"].get("nodeName") and Key("", pod["spec"]["nodeName"]) not in nodes
    ]
    problems.extend(f"Pod {key_of(pod)} is on node {pod['spec']['nodeName']}, which does not exist" for pod in lost)
    terminating = [pod for pod in oracles.of_kind("Pod") if pod["metadata"].get("deletionTimestamp")]
    problems.extend(f"Pod {key_of(pod)} is still terminating" for pod in terminating)
    return problems


def _unsettled_deployment(oracles: Oracles, deployment: Object) -> list[str]:
    name = key_of(deployment)
    wanted = int(deployment["spec"].get("replicas", 1))
    status = deployment.get("status") or {}
    problems = []
    if status.get("observedGeneration") != deployment["metadata"].get("generation"):
        problems.append(f"Deployment {name}: generation {deployment['metadata'].get('generation')} is not observed")
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    wrong = [count for count in counts if status.get(count, 0) != wanted]
    problems.extend(f"Deployment {name}: {count} is {status.get(count, 0)}, not {wanted}" for count in wrong)
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    sets = {uid_of(rs) for rs in oracles.of_kind("ReplicaSet") if _owner_uid(rs) == uid_of(deployment)}
    pods = [pod for pod in oracles.of_kind("Pod") if _owner_uid(pod) in sets]
    running = [p for p in pods if p.get("status", {}).get("phase") == "Running"]
    if len(pods) != wanted or len(running) != wanted:
        problems.append(f"Deployment {name}: {len(running)} of {len(pods)} pods run, not {wanted}")
    if any(pod["spec"]["containers"][0]["image"] != image for pod in pods):
        problems.append(f"Deployment {name}: a pod has an old image")
    return problems


def _owner_uid(obj: Object) -> str:
    owner = controller_of(obj)
    return owner["uid"] if owner else ""
