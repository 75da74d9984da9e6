"""What users do, drawn from a seed, and what must come of it in the end, whatever fate did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from actors.apimachinery.meta import controller_of, uid_of
from actors.apimachinery.operation import Object
from actors.simulation.fault_plan import Step
from actors.simulation.oracles import Oracles
from actors.simulation.user import CONTAINER, DEPLOYMENTS, patch_of

NAMES: Final = ("web", "api", "worker", "cache", "front", "back")
IMAGES: Final = ("nginx:1.25", "nginx:1.26", "nginx:1.27")
REPLICAS_MAX: Final = 6
#: A user's next operation comes after at least this long, so that nothing of the one before is still on its way.
GAP_MIN_S: Final = 1.0
OPERATIONS_A_MINUTE: Final = 12
#: How often each verb is drawn.
_VERBS: Final = {
    "create": 4, "apply": 1, "scale": 4, "set-image": 4, "undo": 1, "delete": 2,
    "cordon": 1, "uncordon": 1, "drain": 1, "add-node": 1, "remove-node": 1,
}  # fmt: skip
NODE_VERBS: Final = ("cordon", "uncordon", "drain", "add-node", "remove-node")


def deployment_manifest(name: str, replicas: int, image: str) -> Object:
    """A Deployment of one container a pod."""
    resources = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": CONTAINER, "image": image, "resources": resources}]},
            },
        },
    }


@dataclass(slots=True)
class _Drawing:
    """What exists while operations are drawn."""

    random: Random
    nodes: dict[str, bool]
    """Name to whether pods may be placed there."""
    unused: list[str] = field(default_factory=lambda: list(NAMES))
    live: list[str] = field(default_factory=list)
    nodes_made: int = 0

    def details(self, verb: str) -> dict[str, Any] | None:
        """One operation's; None when there is nothing to do it to."""
        random = self.random
        if verb in NODE_VERBS:
            return self._node_details(verb)
        if verb == "create":
            if not self.unused:
                return None
            self.live.append(self.unused.pop(0))
            return self._manifest(self.live[-1])
        if not self.live:
            return None
        name = random.choice(self.live)
        if verb == "apply":
            return self._manifest(name)
        if verb == "delete":
            self.live.remove(name)
            return {"name": name}
        if verb == "set-image":
            return {"name": name, "image": random.choice(IMAGES)}
        return {"name": name} if verb == "undo" else {"name": name, "replicas": random.randint(0, REPLICAS_MAX)}

    def _manifest(self, name: str) -> dict[str, Any]:
        random = self.random
        return {"manifest": deployment_manifest(name, random.randint(0, REPLICAS_MAX), random.choice(IMAGES))}

    def _node_details(self, verb: str) -> dict[str, Any] | None:
        """Always leaves a node on which pods may be placed."""
        if verb == "add-node":
            self.nodes_made += 1
            name = f"node-{self.nodes_made}"
            self.nodes[name] = True
            return {"node": name}
        open_nodes = [name for name, is_open in self.nodes.items() if is_open]
        closed = [name for name, is_open in self.nodes.items() if not is_open]
        candidates = closed if verb == "uncordon" else open_nodes[1:]
        if verb == "remove-node":
            candidates = [*closed, *open_nodes[1:]]
        if not candidates:
            return None
        name = self.random.choice(candidates)
        if verb == "remove-node":
            del self.nodes[name]
        else:
            self.nodes[name] = verb == "uncordon"
        return {"node": name}


def draw_operations(random: Random, duration_s: float, nodes: int = 3) -> list[Step]:
    """Deployments come, change and go, and so do nodes. A name is used once."""
    drawing = _Drawing(random, {f"node-{i + 1}": True for i in range(nodes)}, nodes_made=nodes)
    count = max(2, round(OPERATIONS_A_MINUTE * duration_s / 60))
    steps: list[Step] = []
    at_s = 0.0
    for _ in range(count):
        (verb,) = random.choices(list(_VERBS), list(_VERBS.values()))
        if not steps:
            verb = "create"
        details = drawing.details(verb)
        if details is not None:
            steps.append(Step(round(at_s, 3), verb, details))
        at_s += random.uniform(GAP_MIN_S, max(GAP_MIN_S, 2 * duration_s / count - GAP_MIN_S))
    return steps


State = dict[str, tuple[int, str]]


def final_state(steps: Sequence[Step], undone: Mapping[int, Object | None]) -> State:
    """Replicas and image of every Deployment that is left when all operations are done, whatever fate did.

    What an ``undo`` goes back to depends on how far rollouts had come: `undone` says it.
    """
    state: State = {}
    for number, step in enumerate(steps):
        d = step.details
        if step.kind in ("create", "apply"):
            if d["manifest"].get("kind") == "Deployment":
                name = d["manifest"]["metadata"]["name"]
                if step.kind == "create" and name in state:
                    continue
                state[name] = _changed(state.get(name, (1, "")), d["manifest"])
        elif d.get("resource", DEPLOYMENTS) != DEPLOYMENTS or d.get("name") not in state:
            continue
        elif step.kind == "delete":
            del state[d["name"]]
        elif step.kind == "undo":
            template = undone.get(number)
            if template is not None:
                state[d["name"]] = _changed(state[d["name"]], {"spec": {"template": template}})
        else:
            state[d["name"]] = _changed(state[d["name"]], patch_of(step))
    return state


def _changed(before: tuple[int, str], patch: Object) -> tuple[int, str]:
    spec = patch.get("spec") or {}
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or [{}]
    return int(spec.get("replicas", before[0])), str(containers[0].get("image", before[1]))


def state_of(oracles: Oracles) -> State:
    """The same of the Deployments that are there, counted by their running pods."""
    state: State = {}
    for deployment in oracles.of_kind("Deployment"):
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        sets = {uid_of(rs) for rs in oracles.of_kind("ReplicaSet") if _owner(rs) == uid_of(deployment)}
        pods = [pod for pod in oracles.of_kind("Pod") if _owner(pod) in sets]
        running = [
            pod
            for pod in pods
            if pod.get("status", {}).get("phase") == "Running" and pod["spec"]["containers"][0]["image"] == image
        ]
        state[deployment["metadata"]["name"]] = (len(running), image)
    return state


def final_nodes(steps: Sequence[Step], nodes: int) -> dict[str, bool]:
    """The nodes that are left, and whether pods may be placed on each."""
    state = {f"node-{i + 1}": True for i in range(nodes)}
    for step in steps:
        node = step.details.get("node", "")
        if step.kind == "remove-node":
            state.pop(node, None)
        elif step.kind in NODE_VERBS:
            state[node] = step.kind in ("add-node", "uncordon")
    return state


def nodes_of(oracles: Oracles) -> dict[str, bool]:
    """The same of the nodes that are there."""
    nodes = oracles.of_kind("Node")
    return {node["metadata"]["name"]: not node["spec"].get("unschedulable", False) for node in nodes}


def _owner(obj: Object) -> str:
    owner = controller_of(obj)
    return str(owner["uid"]) if owner else ""
