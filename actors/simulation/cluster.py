"""A whole cluster in one process, on virtual time: every actor, the same code as the processes.

    with SimulatedCluster(seed=1, nodes=3) as cluster:
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", manifest))
        cluster.sim.run_until(lambda: not unsettled(cluster.oracles))

What survives crashes, as a disk would, is the store's log; the oracles are fed from it, so they see every change
exactly once and in order, whatever messages are lost.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import decode_object
from actors.apiserver import actor as apiserver
from actors.client.client import Client
from actors.client.kubelet import own_kubelet
from actors.controllers.deployment import actor as deployment
from actors.controllers.garbage_collector import actor as garbage_collector
from actors.controllers.job import actor as job
from actors.controllers.namespace import actor as namespace
from actors.controllers.node_lifecycle import actor as node_lifecycle
from actors.controllers.replicaset import actor as replicaset
from actors.kubelet import actor as kubelet
from actors.kubelet import hollow
from actors.kubelet.config import NodeConfig
from actors.runtime import actor as runtime
from actors.runtime.protocol import ContainerState, PodSandbox
from actors.runtime.sim import SimDriver
from actors.scheduler import actor as scheduler
from actors.simulation.oracles import Oracles
from actors.tracer import actor as tracer
from broker.context import Context
from broker.faults import FaultPolicy
from broker.simulation import SimulatedContext, Simulation
from store import actor as store
from store.key_value import KeyValue
from store.lease import LeaseRecord
from store.log import LogFull
from store.memory_log import MemoryLog

T = TypeVar("T")

CONTROL_PLANE: Final[Mapping[str, Callable[[Context], Awaitable[None]]]] = {
    "apiserver": apiserver.run,
    "deployment-controller": deployment.run,
    "replicaset-controller": replicaset.run,
    "job-controller": job.run,
    "garbage-collector": garbage_collector.run,
    "namespace-controller": namespace.run,
    "node-lifecycle-controller": node_lifecycle.run,
    "scheduler": scheduler.run,
    "tracer": tracer.run,
}
CLIENT: Final = "client"
REGISTRY: Final = b"/registry/"


class WatchedLog(MemoryLog):
    """A log that shows the oracles whatever is committed."""

    def __init__(self, oracles: Oracles, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._oracles = oracles
        self._now_s = now_s
        self._times: list[tuple[float, int]] = []
        self._known: dict[bytes, tuple[str, Key]] = {}
        self.is_full = False
        """Whether the disk is full: every commit that changes something is refused."""

    def append(self, changes: Sequence[KeyValue], leases: Sequence[LeaseRecord]) -> None:
        if self.is_full and changes:
            raise LogFull("no space left on the device")
        commits = self.commits
        try:
            super().append(changes, leases)
        finally:  # a crash after the commit does not undo it
            if self.commits > commits and changes:
                self._times.append((self._now_s(), changes[-1].mod_revision))
                for kv in changes:
                    if kv.key.startswith(REGISTRY):
                        self._show(kv)

    def revision_at(self, time_s: float) -> int:
        """The newest revision that was committed by then (virtual seconds); 0 for none."""
        place = bisect_right(self._times, (time_s, sys.maxsize))
        return self._times[place - 1][1] if place else 0

    def _show(self, kv: KeyValue) -> None:
        if kv.is_tombstone:
            kind, key = self._known.pop(kv.key)
            self._oracles.delete(kv.mod_revision, kind, key)
            return
        obj = decode_object(kv.value, kv.mod_revision)
        self._known[kv.key] = (obj.get("kind", ""), key_of(obj))
        self._oracles.put(kv.mod_revision, obj)


class WatchedDriver(SimDriver):
    """A runtime that shows the oracles which pods run."""

    def __init__(self, node: str, oracles: Oracles) -> None:
        super().__init__()
        self._node = node
        self._oracles = oracles
        oracles.node_ends(node)  # containers that are played end with the runtime

    def start_container(self, pod: PodSandbox, container: ContainerState) -> float:
        started_s = super().start_container(pod, container)
        self._oracles.pod_runs(self._node, pod.namespace, pod.name, pod.uid)
        return started_s

    def stop_pod_sandbox(self, pod: PodSandbox) -> None:
        super().stop_pod_sandbox(pod)
        self._oracles.pod_ends(self._node, pod.namespace, pod.name, pod.uid)


class SimulatedCluster:
    """A cluster under a seed. Faults can be set from the start, or later by `set_faults`."""

    def __init__(
        self, seed: int = 0, nodes: int = 3, faults: FaultPolicy | None = None, *, hollow_nodes: int = 0
    ) -> None:
        self.sim = Simulation(seed=seed, faults=faults)
        self.oracles = Oracles()
        self.log = WatchedLog(self.oracles, lambda: self.sim.now_s)
        self.nodes = [NodeConfig(f"node-{i + 1}", i) for i in range(nodes)]
        self._nodes_made = nodes
        self.extra_actors: dict[str, Callable[[Context], Awaitable[None]]] = {}
        """Started beside the control plane's."""
        self.hollow_nodes = hollow_nodes

    def __enter__(self) -> SimulatedCluster:
        return self

    def __exit__(self, *exception: object) -> None:
        self.sim.close()

    @property
    def client(self) -> Client:
        """Acts for a user. Its messages meet the same faults as all others."""
        return Client(self._client_context)

    @property
    def _client_context(self) -> SimulatedContext:
        return self.sim.context(CLIENT)

    def start(self, limit_s: float = 60.0) -> None:
        """Start every actor; returns when all nodes are Ready. Raises `TimeoutError`."""
        self.sim.spawn_actor("store", lambda ctx: store.run(ctx, self.log))
        for name, main in {**CONTROL_PLANE, **self.extra_actors}.items():
            self.sim.spawn_actor(name, main)
        for node in self.nodes:
            self._spawn_node(node)
        if self.hollow_nodes:
            self.sim.spawn_actor("hollow-nodes", lambda ctx: hollow.run(ctx, self.hollow_nodes))
        if not self.sim.run_until(self._all_ready, limit_s):
            crashes = "\n".join(map(str, self.sim.crashes))
            raise TimeoutError(f"the cluster was not ready after {limit_s:g} virtual seconds\n{crashes}")

    def _spawn_node(self, node: NodeConfig) -> None:
        def run_runtime(ctx: Context) -> Awaitable[None]:
            return runtime.run(ctx, node.name, WatchedDriver(node.name, self.oracles))

        self.sim.spawn_actor(f"runtime-{node.name}", run_runtime)
        self.sim.spawn_actor(node.kubelet_actor, lambda ctx: kubelet.run(ctx, node))

    def add_node(self, name: str) -> None:
        """A new machine joins."""
        self._nodes_made += 1
        node = NodeConfig(name, self._nodes_made - 1)
        self.nodes.append(node)
        self._spawn_node(node)

    def switch_off_node(self, name: str) -> None:
        """A machine is switched off for good; its Node object is still there."""
        self.nodes = [node for node in self.nodes if node.name != name]
        for actor in (own_kubelet(name), f"runtime-{name}"):
            self.sim.remove_actor(actor)
        self.oracles.node_ends(name)

    def _all_ready(self) -> bool:
        ready = [node for node in self.oracles.of_kind("Node") if _is_ready(node)]
        namespaces = {obj["metadata"]["name"] for obj in self.oracles.of_kind("Namespace")}
        return len(ready) == len(self.nodes) + self.hollow_nodes and "default" in namespaces

    def run(self, work: Coroutine[Any, Any, T], limit_s: float = 120.0) -> T:
        """Run a coroutine, such as a call of the client, to its end."""
        return self.sim.run(work, limit_s)

    def set_faults(self, faults: FaultPolicy | None) -> None:
        """What happens to messages from now on."""
        self.sim.set_faults(faults)


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
