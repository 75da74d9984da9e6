"""A simulated cluster as a test sees it: calls that look synchronous, on virtual time.

    def test_my_controller(podchain):
        podchain.run_actor("my-controller", my_controller.run)
        podchain.apply({"apiVersion": "apps/v1", "kind": "Deployment", ...})
        podchain.crash("my-controller")
        podchain.assert_converges(lambda: podchain.get("deployments", "web")["status"].get("readyReplicas") == 3)

Time passes only inside these calls. The whole cluster, faults included, is drawn from one seed: the same seed gives the
same run, message by message.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from actors.apimachinery.custom_resources.definition import CRDS, ESTABLISHED, condition_is_true
from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.resources import RESOURCES, Resource, ResourceTable, UnknownResource
from actors.apimachinery.status import ApiError
from actors.chaos.vocabulary import check
from actors.client.client import Client
from actors.client.discovery import table_with
from actors.simulation.cluster import SimulatedCluster
from actors.simulation.fate import Fate
from actors.simulation.oracles import unsettled
from actors.testing.not_converged import NotConverged
from broker.chaos import NO_CHAOS, Chaos, Fault
from broker.context import Context, RequestTimeout
from broker.faults import FaultPolicy

__all__ = ["ClusterUnderTest", "NotConverged"]

CRDS_NAME: Final = "customresourcedefinitions"
#: How long things may take in virtual seconds unless a test says otherwise.
WITHIN_S: Final = 120.0
#: How long a state must last to count as stable.
STABLE_FOR_S: Final = 30.0

#: A user whom a fault of the API has refused tries again after so many virtual seconds.
RETRY_S: Final = 0.2

Condition = Callable[[], bool]
Manifest = Object | str | Path


def _may_pass(result: Result) -> bool:
    """Whether a refusal is one that faults of the API give."""
    return result.code in (429, 500, 503, 504) or (result.status or {}).get("reason") == "Conflict"


class ClusterUnderTest:
    """A cluster on virtual time."""

    def __init__(self, seed: int = 0, nodes: int = 3, faults: FaultPolicy | None = None) -> None:
        self.seed = seed
        self.under_test: dict[str, None] = {}
        """The names of the actors that `run_actor` added."""
        self._fate: Fate | None = None
        self.simulated = SimulatedCluster(seed=seed, nodes=nodes)
        self.simulated.start()
        self.simulated.set_faults(faults)

    def close(self) -> None:
        """End it."""
        self.simulated.sim.close()

    # Acting

    @property
    def client(self) -> Client:
        """The API server as asynchronous calls, for use with `run`."""
        return self.simulated.client

    def run(self, work: Any, limit_s: float = WITHIN_S) -> Any:
        """Run a coroutine to its end in virtual time."""
        return self.simulated.run(work, limit_s)

    def apply(self, manifest: Manifest, namespace: str = "default") -> list[Object]:
        """Create the objects of a manifest (a dict, YAML text, or a path), or merge them into those that are there.

        A CustomResourceDefinition is waited for until it is established.
        """
        return [self._apply(document, namespace) for document in _documents(manifest)]

    def resource(self, name: str) -> Resource:
        """What a name such as ``pods``, ``deploy`` or ``crontabs.stable.example.com`` means; custom resources, too.

        Raises `UnknownResource`.
        """
        try:
            return RESOURCES.resolve(name)
        except UnknownResource:
            return self._discovered().resolve(name)

    def _discovered(self) -> ResourceTable:
        return table_with(_checked(self._insist(Operation("list", CRDS))).objects)

    def _resource_of(self, document: Object) -> Resource:
        api_version, kind = document["apiVersion"], document["kind"]
        resource = RESOURCES.for_kind(api_version, kind) or self._discovered().for_kind(api_version, kind)
        if resource is None:
            raise ValueError(f"{api_version} has no kind {kind}")
        return resource

    def _apply(self, document: Object, namespace: str) -> Object:
        applied = self._apply_one(document, namespace)
        if document["kind"] == "CustomResourceDefinition":
            name = applied["metadata"]["name"]
            served = self.run_until(lambda: condition_is_true(self.get(CRDS_NAME, name), ESTABLISHED))
            if not served:
                raise NotConverged(self._report(f"the definition {name} was not established"))
        return applied

    def _apply_one(self, document: Object, namespace: str) -> Object:
        resource = self._resource_of(document)
        patch_type = "strategic" if resource.custom is None else "merge"
        where = document["metadata"].get("namespace") or (namespace if resource.namespaced else "")
        name = document["metadata"]["name"]
        result = self._insist(Operation("create", resource.key, where, name, "", document))
        if result.code == 409 and (result.status or {}).get("reason") == "AlreadyExists":
            result = self._insist(
                Operation("patch", resource.key, where, name, "", document, {"patchType": patch_type})
            )
        return _object_of(result)

    def get(self, resource: str, name: str, namespace: str = "default") -> Object:
        """An object. Resources are named as for kubectl: ``pods``, ``deploy``, ``deployments.apps``."""
        found = self.resource(resource)
        return _object_of(self._insist(Operation("get", found.key, namespace if found.namespaced else "", name)))

    def list(self, resource: str, namespace: str = "default", label_selector: str = "") -> Sequence[Object]:
        """The objects of a collection in a namespace."""
        found = self.resource(resource)
        options = {"labelSelector": label_selector} if label_selector else {}
        where = namespace if found.namespaced else ""
        return _checked(self._insist(Operation("list", found.key, where, options=options))).objects

    def patch(
        self, resource: str, name: str, patch: Any, namespace: str = "default", *, subresource: str = ""
    ) -> Object:
        """Merge a patch into an object (strategic merge; a JSON merge patch for custom resources)."""
        found = self.resource(resource)
        where = namespace if found.namespaced else ""
        options = {"patchType": "strategic" if found.custom is None else "merge"}
        return _object_of(self._insist(Operation("patch", found.key, where, name, subresource, patch, options)))

    def scale(self, resource: str, name: str, replicas: int, namespace: str = "default") -> None:
        """Set how many replicas there should be."""
        self.patch(resource, name, {"spec": {"replicas": replicas}}, namespace)

    def delete(self, resource: str, name: str, namespace: str = "default") -> None:
        """Ask for an object's deletion; one that isn't there is fine."""
        found = self.resource(resource)
        result = self._insist(Operation("delete", found.key, namespace if found.namespaced else "", name))
        if result.code != 404:
            _checked(result)

    def _insist(self, operation: Operation) -> Result:
        """Ask until there is an answer: a user doesn't give up because messages get lost."""

        async def until_answered() -> Result:
            while True:
                try:
                    (result,) = await self.client.batch([operation])
                except RequestTimeout:
                    continue
                if not ((self.simulated.sim.chaos.faults or self._fate is not None) and _may_pass(result)):
                    return result
                await self.client.ctx.sleep(RETRY_S)

        result: Result = self.run(until_answered(), 10 * WITHIN_S)
        return result

    def run_actor(self, name: str, main: Callable[[Context], Awaitable[None]]) -> None:
        """Add an actor, such as the controller under test. It is restarted when it crashes."""
        self.under_test[name] = None
        self.simulated.sim.spawn_actor(name, main)

    def crash(self, name: str, restart_after_s: float | None = 0.1) -> None:
        """Kill an actor at this instant (``broker`` and ``store`` too); it starts again after a while, or never."""
        self.simulated.sim.crash(name, restart_after_s=restart_after_s)

    def set_faults(self, faults: FaultPolicy | None) -> None:
        """What happens to messages from now on; None: nothing any more."""
        self.simulated.set_faults(faults)

    def put_in_force(self, *faults: Fault) -> None:
        """Faults as of ``podchain chaos``, in place of all before, until `heal` or `assert_converges`.

        ``put_in_force(Fault("conflict", {"rate": 0.5, "resource": "v1/pods"}))``; all kinds are in
        `actors.chaos.vocabulary.KINDS`. Raises `ValueError` for one that makes no sense.
        """
        for fault in faults:
            check(fault)
        self.simulated.sim.set_chaos(Chaos(faults, self.seed) if faults else NO_CHAOS)

    def meet_fate(self, fate: Fate) -> None:
        """Let a schedule of faults take its course from now on, until `heal` or `assert_converges`."""
        self._fate = fate
        fate.start()

    def heal(self) -> None:
        """End all faults."""
        if self._fate is not None:
            self._fate.heal()
            self._fate = None
        self.put_in_force()
        self.set_faults(None)

    # Waiting and judging

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self.simulated.sim.now_s

    def run_for(self, duration_s: float) -> None:
        """Let that much virtual time pass."""
        self.simulated.sim.run_for(duration_s)

    def run_until(self, condition: Condition, within_s: float = WITHIN_S) -> bool:
        """Let time pass until a condition holds; whether it did in time."""
        deadline_s = self.now_s + within_s
        while not _holds(condition):
            if self.now_s >= deadline_s:
                return False
            self.run_for(0.05)
        return True

    def assert_converges(self, condition: Condition | None = None, within_s: float = WITHIN_S) -> None:
        """Faults end; from then on the condition must come true within a time.

        Without a condition: every Deployment has what its manifest asks for, and there are no orphans. Also fails when
        the cluster's own invariants were violated on the way. Raises `NotConverged`.
        """
        self.heal()
        settled = condition or (lambda: not unsettled(self.simulated.oracles))
        if not self.run_until(settled, within_s):
            raise NotConverged(self._report(f"not converged within {within_s:g} virtual seconds"))
        self.assert_safe()

    def assert_eventually_stable(
        self, probe: Callable[[], Any], within_s: float = WITHIN_S, for_s: float = STABLE_FOR_S
    ) -> Any:
        """What `probe` gives must stop changing within a time, and stay so; returns it. Raises `NotConverged`."""
        deadline_s = self.now_s + within_s + for_s
        value, since_s = probe(), self.now_s
        while self.now_s - since_s < for_s:
            if self.now_s >= deadline_s:
                raise NotConverged(self._report(f"still changing after {within_s:g} virtual seconds"))
            self.run_for(0.25)
            new = probe()
            if new != value:
                value, since_s = new, self.now_s
        self.assert_safe()
        return value

    def assert_safe(self) -> None:
        """The safety invariants have held so far. Raises `NotConverged`."""
        if self.simulated.oracles.violations:
            raise NotConverged(self._report("invariants were violated"))

    def stored(self, kind: str) -> dict[Key, Object]:
        """All objects of a kind as the store has them now, whatever any cache shows."""
        return dict(self.simulated.oracles.objects.get(kind, {}))

    def _report(self, headline: str) -> str:
        lines = [f"{headline} (seed {self.seed}, virtual time {self.now_s:.1f} s)"]
        lines += [f"  violated: {violation}" for violation in self.simulated.oracles.violations]
        lines += [f"  unsettled: {problem}" for problem in unsettled(self.simulated.oracles)]
        lines += [f"  {crash}" for crash in self.simulated.sim.crashes]
        return "\n".join(lines)


def _holds(condition: Condition) -> bool:
    """A condition that asks for what is not there does not hold yet."""
    try:
        return bool(condition())
    except (ApiError, KeyError, IndexError):
        return False


def _documents(manifest: Manifest) -> list[Object]:
    if isinstance(manifest, dict):
        return [json.loads(json.dumps(manifest))]
    text = manifest.read_text() if isinstance(manifest, Path) else manifest
    return [document for document in yaml.safe_load_all(text) if document]


def _checked(result: Result) -> Result:
    if not result.ok:
        raise ApiError(result.status or {"code": result.code})
    return result


def _object_of(result: Result) -> Object:
    return _checked(result).object
