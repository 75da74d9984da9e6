"""Users: what they do, as calls to the API server; each insists until the cluster says that it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from actors.apimachinery.meta import annotations_of, controller_of, uid_of
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.resources import resource_for_kind
from actors.client.client import Client
from actors.simulation.fault_plan import Step
from broker.context import RequestError

DEPLOYMENTS: Final = "apps/v1/deployments"
REPLICASETS: Final = "apps/v1/replicasets"
PODS: Final = "v1/pods"
NODES: Final = "v1/nodes"
REVISION: Final = "deployment.kubernetes.io/revision"
CONTAINER: Final = "main"
#: A user who got no answer, or a refusal that may pass, tries again after this long.
RETRY_S: Final = 0.5
#: Answers after which it is worth trying again.
PASSING: Final = (409, 429, 500, 503, 504)
#: Between switching a node off and removing it: what it sent last is not on its way any more.
LAST_WORDS_S: Final = 1.0


class Premises(Protocol):
    """Where a user works: the API, and the machines."""

    @property
    def client(self) -> Client: ...

    def add_node(self, name: str) -> None: ...

    def switch_off_node(self, name: str) -> None: ...


class Refused(Exception):
    """What is asked is wrong, and always will be."""


@dataclass(slots=True)
class InsistingUser:
    """Does one operation after another, each until the cluster says that it is done."""

    premises: Premises
    steps: Sequence[Step]
    refused: list[str] = field(default_factory=list)
    """Operations that were refused for good."""
    undone: dict[int, Object | None] = field(default_factory=dict)
    """By the number of an ``undo`` among the steps, the pod template it went back to; None when there was none."""
    done: int = 0

    async def act(self, start_s: float) -> None:
        """Do all of them, each no sooner than its time after `start_s`."""
        for number, step in enumerate(self.steps):
            ctx = self.premises.client.ctx
            await ctx.sleep(max(0.0, start_s + step.at_s - ctx.monotonic_s()))
            await self.do(number)

    async def do(self, number: int) -> None:
        """Do one of them now."""
        step = self.steps[number]
        try:
            await self._do(number, step)
        except Refused as refusal:
            self.refused.append(f"{step}: {refusal}")
        self.done += 1

    async def _do(self, number: int, step: Step) -> None:
        d = step.details
        if step.kind in ("create", "apply"):
            await self._create(step)
        elif step.kind == "undo":
            self.undone[number] = await self._undo(d)
        elif step.kind == "delete":
            await self._ask(operation_of(step), gone_is_fine=True)
        elif step.kind in ("cordon", "uncordon"):
            await self._cordon(d["node"], step.kind == "cordon")
        elif step.kind == "drain":
            await self._drain(d["node"])
        elif step.kind == "add-node":
            self.premises.add_node(d["node"])
            while not (await self._ask(Operation("get", NODES, "", d["node"]), gone_is_fine=True)).ok:
                await self.premises.client.ctx.sleep(RETRY_S)
        elif step.kind == "remove-node":
            self.premises.switch_off_node(d["node"])
            await self.premises.client.ctx.sleep(LAST_WORDS_S)
            await self._ask(Operation("delete", NODES, "", d["node"]), gone_is_fine=True)
        else:
            await self._ask(operation_of(step))

    async def _ask(self, operation: Operation, *, gone_is_fine: bool = False, exists_is_fine: bool = False) -> Result:
        """Ask until it is answered for good. Raises `Refused`."""
        while True:
            client = self.premises.client
            try:
                (result,) = await client.batch([operation])
            except RequestError:
                await client.ctx.sleep(RETRY_S)
                continue
            reason = (result.status or {}).get("reason", "")
            if result.ok or (gone_is_fine and result.code == 404) or (exists_is_fine and reason == "AlreadyExists"):
                return result
            if result.code not in PASSING or reason == "AlreadyExists":
                raise Refused(str((result.status or {}).get("message", result.code)))
            await client.ctx.sleep(RETRY_S)

    async def _create(self, step: Step) -> None:
        operation = operation_of(step)
        result = await self._ask(operation, exists_is_fine=True)
        if not result.ok and step.kind == "apply":
            options = {"patchType": "strategic"}
            where = (operation.resource, operation.namespace, operation.name)
            await self._ask(Operation("patch", *where, body=operation.body, options=options))

    async def _cordon(self, node: str, cordoned: bool) -> None:
        patch = {"spec": {"unschedulable": True if cordoned else None}}
        await self._ask(Operation("patch", NODES, "", node, body=patch, options={"patchType": "merge"}))

    async def _drain(self, node: str) -> None:
        """Cordon it, evict its pods, and wait until they are gone."""
        await self._cordon(node, cordoned=True)
        selector = {"fieldSelector": f"spec.nodeName={node}"}
        while pods := (await self._ask(Operation("list", PODS, options=selector))).objects:
            for pod in pods:
                metadata = pod["metadata"]
                if "deletionTimestamp" not in metadata:
                    name = {"name": metadata["name"], "namespace": metadata["namespace"]}
                    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
                    eviction = Operation("create", PODS, metadata["namespace"], metadata["name"], "eviction", body)
                    await self._ask(eviction, gone_is_fine=True)
            await self.premises.client.ctx.sleep(RETRY_S)

    async def _undo(self, d: Any) -> Object | None:
        """Go back to the template of the revision before the newest, as ``rollout undo`` does."""
        namespace, name = d.get("namespace", "default"), d["name"]
        deployment = (await self._ask(Operation("get", DEPLOYMENTS, namespace, name))).object
        listed = (await self._ask(Operation("list", REPLICASETS, namespace))).objects
        own = [rs for rs in listed if (controller_of(rs) or {}).get("uid") == uid_of(deployment)]
        history = {int(annotations_of(rs).get(REVISION) or 0): rs for rs in own}
        wanted = d.get("to_revision") or (sorted(history)[-2] if len(history) > 1 else 0)
        if wanted not in history:
            return None
        template: Object = history[wanted]["spec"]["template"]
        labels = {k: v for k, v in template["metadata"].get("labels", {}).items() if k != "pod-template-hash"}
        template = {**template, "metadata": {**template["metadata"], "labels": labels}}
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        options = {"patchType": "json"}
        await self._ask(Operation("patch", DEPLOYMENTS, namespace, name, body=patch, options=options))
        return template


def operation_of(step: Step) -> Operation:
    """The one API operation of a simple step. Raises `ValueError` for a kind of object that does not exist."""
    d = step.details
    namespace = d.get("namespace", "default")
    target = d.get("resource", DEPLOYMENTS)
    if step.kind in ("create", "apply"):
        manifest = d["manifest"]
        resource = resource_for_kind(manifest.get("apiVersion", ""), manifest.get("kind", ""))
        if resource is None:
            raise ValueError(f"no kind {manifest.get('kind')} in {manifest.get('apiVersion')}")
        namespace = manifest["metadata"].get("namespace", "default") if resource.namespaced else ""
        return Operation("create", resource.key, namespace, manifest["metadata"]["name"], body=manifest)
    if step.kind == "delete":
        return Operation("delete", target, namespace, d["name"])
    return Operation("patch", target, namespace, d["name"], body=patch_of(step), options={"patchType": "strategic"})


def patch_of(step: Step) -> Object:
    """What a ``scale``, ``set-image`` or ``update`` changes, as a strategic merge patch."""
    d = step.details
    if step.kind == "scale":
        return {"spec": {"replicas": d["replicas"]}}
    if step.kind == "update":
        return dict(d["patch"])
    containers = [{"name": d.get("container", CONTAINER), "image": d["image"]}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}
