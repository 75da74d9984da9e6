"""A whole cluster in one process, on virtual time: every actor, the same code as the processes.

    with SimulatedCluster(seed=1, nodes=3) as cluster:
        cluster.start()
        cluster.run(cluster.client.create("apps/v1/deployments", manifest))
        cluster.sim.run_until(lambda: not unsettled(cluster.oracles))

What survives crashes, as a disk would, is the store's log; the oracles are fed from it, so they see every change
exactly once and in order, whatever messages are lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import decode_object
from actors.apiserver import actor as apiserver
from actors.client.client import Client
from actors.controllers.deployment import actor as deployment
from actors.controllers.garbage_collector import actor as garbage_collector
from actors.controllers.namespace import actor as namespace
from actors.controllers.node_lifecycle import actor as node_lifecycle
from actors.controllers.replicaset import actor as replicaset
from actors.kubelet import actor as kubelet
from actors.kubelet import hollow
from actors.kubelet.config import NodeConfig
from actors.runtime import actor as runtime
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

    def __init__(self, oracles: Oracles) -> None:
        super().__init__()
        self._oracles = oracles
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
            if self.commits > commits:
                for kv in changes:
                    if kv.key.startswith(REGISTRY):
                        self._show(kv)

    def _show(self, kv: KeyValue) -> None:
        if kv.is_tombstone:
            kind, key = self._known.pop(kv.key)
            self._oracles.delete(kv.mod_revision, kind, key)
            return
        obj = decode_object(kv.value, kv.mod_revision)
        self._known[kv.key] = (obj.get("kind", ""), key_of(obj))
        self._oracles.put(kv.mod_revision, obj)


class SimulatedCluster:
    """A cluster under a seed. Faults can be set from the start, or later by `set_faults`."""

    def __init__(
        self, seed: int = 0, nodes: int = 3, faults: FaultPolicy | None = None, *, hollow_nodes: int = 0
    ) -> None:
        self.sim = Simulation(seed=seed, faults=faults)
        self.oracles = Oracles()
        self.log = WatchedLog(self.oracles)
        self.nodes = [NodeConfig(f"node-{i + 1}", i) for i in range(nodes)]
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
        for name, main in CONTROL_PLANE.items():
            self.sim.spawn_actor(name, main)
        for node in self.nodes:
            self._spawn_node(node)
        if self.hollow_nodes:
            self.sim.spawn_actor("hollow-nodes", lambda ctx: hollow.run(ctx, self.hollow_nodes))
        if not self.sim.run_until(self._all_ready, limit_s):
            crashes = "\n".join(map(str, self.sim.crashes))
            raise TimeoutError(f"the cluster was not ready after {limit_s:g} virtual seconds\n{crashes}")

    def _spawn_node(self, node: NodeConfig) -> None:
        self.sim.spawn_actor(f"runtime-{node.name}", lambda ctx: runtime.run(ctx, node.name, SimDriver()))
        self.sim.spawn_actor(f"kubelet-{node.name}", lambda ctx: kubelet.run(ctx, node))

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
