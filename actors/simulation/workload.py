"""What users do: operations drawn from a seed, a user who insists on them, and what must come of them in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from actors.apimachinery.meta import controller_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.resources import resource_for_kind
from actors.client.client import Client
from actors.simulation.fault_plan import Step
from actors.simulation.oracles import Oracles
from broker.context import RequestError

NAMES: Final = ("web", "api", "worker", "cache", "front", "back")
IMAGES: Final = ("nginx:1.25", "nginx:1.26", "nginx:1.27")
REPLICAS_MAX: Final = 6
#: A user's next operation comes after at least this long, so that nothing of the one before is still on its way.
GAP_MIN_S: Final = 1.0
OPERATIONS_A_MINUTE: Final = 12
#: A user who got no answer, or a refusal that may pass, tries again after this long.
RETRY_S: Final = 0.5
DEPLOYMENTS: Final = "apps/v1/deployments"


def deployment_manifest(name: str, replicas: int, image: str) -> Object:
    """A Deployment of one container a pod."""
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image, "resources": resources}]},
            },
        },
    }


def draw_operations(random: Random, duration_s: float) -> list[Step]:
    """Deployments come, change and go. A name is used once."""
    steps: list[Step] = []
    unused: list[str] = list(NAMES)
    live: list[str] = []
    count = max(2, round(OPERATIONS_A_MINUTE * duration_s / 60))
    at_s = 0.0
    for _ in range(count):
        verb = random.choice(["create", "scale", "scale", "set-image", "set-image", "delete"])
        if not live or (verb == "create" and unused):
            if not unused:
                break
            name = unused.pop(0)
            live.append(name)
            manifest = deployment_manifest(name, random.randint(0, REPLICAS_MAX), random.choice(IMAGES))
            steps.append(Step(round(at_s, 3), "create", {"manifest": manifest}))
        else:
            name = random.choice(live)
            if verb == "delete":
                live.remove(name)
                steps.append(Step(round(at_s, 3), "delete", {"name": name}))
            elif verb == "set-image":
                steps.append(Step(round(at_s, 3), "set-image", {"name": name, "image": random.choice(IMAGES)}))
            else:
                details = {"name": name, "replicas": random.randint(0, REPLICAS_MAX)}
                steps.append(Step(round(at_s, 3), "scale", details))
        at_s += random.uniform(GAP_MIN_S, max(GAP_MIN_S, 2 * duration_s / count - GAP_MIN_S))
    return steps


def operation_of(step: Step) -> Operation:
    """The API operation of a user's step. Raises `ValueError` for a kind of object that does not exist."""
    d = step.details
    namespace = d.get("namespace", "default")
    if step.kind == "create":
        manifest = d["manifest"]
        resource = resource_for_kind(manifest.get("apiVersion", ""), manifest.get("kind", ""))
        if resource is None:
            raise ValueError(f"no kind {manifest.get('kind')} in {manifest.get('apiVersion')}")
        namespace = manifest["metadata"].get("namespace", "default") if resource.namespaced else ""
        return Operation("create", resource.key, namespace, manifest["metadata"]["name"], body=manifest)
    if step.kind == "delete":
        return Operation("delete", d.get("resource", DEPLOYMENTS), namespace, d["name"])
    if step.kind == "scale":
        patch: dict[str, Any] = {"spec": {"replicas": d["replicas"]}}
    else:
        containers = [{"name": "main", "image": d["image"]}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    return Operation("patch", DEPLOYMENTS, namespace, d["name"], body=patch, options={"patchType": "strategic"})


@dataclass(slots=True)
class InsistingUser:
    """Does one operation after another, each until the cluster says that it is done."""

    client: Callable[[], Client]
    steps: Sequence[Step]
    refused: list[str]
    """Operations that were refused for good: what is asked is wrong."""
    done: int = 0

    async def act(self, start_s: float) -> None:
        """Do all of them, each no sooner than its time after `start_s`."""
        for step in self.steps:
            ctx = self.client().ctx
            await ctx.sleep(max(0.0, start_s + step.at_s - ctx.monotonic_s()))
            await self._insist(step)
            self.done += 1

    async def _insist(self, step: Step) -> None:
        operation = operation_of(step)
        while True:
            client = self.client()
            try:
                (result,) = await client.batch([operation])
            except RequestError:
                await client.ctx.sleep(RETRY_S)
                continue
            reason = (result.status or {}).get("reason", "")
            if result.ok or (step.kind == "create" and reason == "AlreadyExists"):
                return
            if step.kind == "delete" and result.code == 404:
                return
            if result.code in (409, 429, 500, 503, 504):
                await client.ctx.sleep(RETRY_S)
                continue
            self.refused.append(f"{step}: {(result.status or {}).get('message', result.code)}")
            return


def final_state(steps: Sequence[Step]) -> dict[str, tuple[int, str]]:
    """Replicas and image of every Deployment that is left when all operations are done, whatever fate did."""
    state: dict[str, tuple[int, str]] = {}
    for step in steps:
        d = step.details
        if step.kind == "create" and d["manifest"].get("kind") == "Deployment":
            spec = d["manifest"]["spec"]
            image = spec["template"]["spec"]["containers"][0]["image"]
            state[d["manifest"]["metadata"]["name"]] = (spec.get("replicas", 1), image)
        elif step.kind == "scale" and d["name"] in state:
            state[d["name"]] = (d["replicas"], state[d["name"]][1])
        elif step.kind == "set-image" and d["name"] in state:
            state[d["name"]] = (state[d["name"]][0], d["image"])
        elif step.kind == "delete" and d.get("resource", DEPLOYMENTS) == DEPLOYMENTS:
            state.pop(d["name"], None)
    return state


def state_of(oracles: Oracles) -> dict[str, tuple[int, str]]:
    """The same of the Deployments that are there, counted by their running pods."""
    state: dict[str, tuple[int, str]] = {}
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


def _owner(obj: Object) -> str:
    owner = controller_of(obj)
    return str(owner["uid"]) if owner else ""
