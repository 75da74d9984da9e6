"""Nodes at the API server: registration, heartbeats by Lease, and status; for all nodes of an actor, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.apimachinery.meta import format_micro_time, key_of
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.stream import DELETED
from actors.client.client import Client
from actors.client.decision import EventNote
from actors.client.informer import Informer
from actors.kubelet.agent import NodeAgent
from actors.kubelet.config import NodeConfig
from actors.kubelet.node_object import LEASE_NAMESPACE, node_lease, node_object, node_status
from broker.context import RequestError

NODES: Final = "v1/nodes"
LEASES: Final = "coordination.k8s.io/v1/leases"
#: Kubelet's lease renewal interval (a quarter of the lease's duration) and its `nodeStatusReportFrequency`.
HEARTBEAT_S: Final = 10.0
STATUS_S: Final = 300.0
#: How often a status that changed by itself (images, runtime) is looked at: `nodeStatusUpdateFrequency`.
STATUS_LOOK_S: Final = 10.0
TICK_S: Final = 1.0
RETRY_S: Final = 0.5
BATCH_MAX: Final = 200


@dataclass(slots=True)
class _Entry:
    agent: NodeAgent
    boot_id: str
    registered: bool = False
    has_lease: bool = False
    heartbeat_s: float = 0.0
    status_s: float = 0.0
    look_s: float = 0.0
    reported: tuple[object, ...] = ()


class NodeManager:
    """Keeps the nodes of an actor registered and alive."""

    def __init__(self, client: Client, nodes: Informer, agents: Sequence[NodeAgent]) -> None:
        self._client = client
        self._ctx = client.ctx
        self._nodes = nodes
        self._entries = {agent.config.name: _Entry(agent, self._ctx.new_uid()) for agent in agents}
        nodes.on_event(self._on_node)

    async def register_all(self) -> None:
        """Register every node; returns when all are known."""
        while not all(entry.registered for entry in self._entries.values()):
            if not await self._register():
                await self._ctx.sleep(RETRY_S)
        for entry in self._entries.values():
            name = entry.agent.config.name
            about = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name}}
            entry.agent.record([EventNote(about, "Normal", "Starting", "Starting kubelet.")])

    async def keep(self) -> None:
        """Heartbeats and status reports, for ever."""
        while True:
            await self._ctx.sleep(TICK_S)
            await self._register()
            await self._beat()
            await self._report()

    def _on_node(self, kind: str, node: Object, old: Object | None) -> None:
        entry = self._entries.get(node["metadata"]["name"])
        if entry is None:
            return
        if kind == DELETED:
            entry.registered = entry.has_lease = False
            entry.agent.node = None
        else:
            entry.agent.node = node

    async def _send(self, operations: Sequence[Operation]) -> list[Result] | None:
        results: list[Result] = []
        for start in range(0, len(operations), BATCH_MAX):
            try:
                results += await self._client.batch(operations[start : start + BATCH_MAX])
            except RequestError:
                return None
        return results

    # Registration

    async def _register(self) -> bool:
        """Create the nodes that aren't there, with their status and Lease. False: try again."""
        missing = [entry for entry in self._entries.values() if not entry.registered]
        if not missing:
            return True
        fine = True
        creations = [
            Operation("create", NODES, "", e.agent.config.name, "", node_object(e.agent.config)) for e in missing
        ]
        results = await self._send(creations)
        if results is None:
            return False
        known: list[_Entry] = []
        for entry, result in zip(missing, results, strict=True):
            if result.ok:
                entry.agent.node = result.object
                self._nodes.observe(result.object)
                known.append(entry)
            elif result.code == 409:
                known.append(entry)
            else:
                fine = False
        fine = await self._reconcile(known) and fine
        return await self._report(known) and await self._make_leases(known) and fine

    async def _reconcile(self, entries: Sequence[_Entry]) -> bool:
        """Nodes that were there before: see that they carry what a kubelet puts on its node."""
        old = [entry for entry in entries if entry.agent.node is None]
        results = await self._send([Operation("get", NODES, "", e.agent.config.name) for e in old])
        if results is None:
            return False
        patches: list[Operation] = []
        for entry, result in zip(old, results, strict=True):
            if not result.ok:
                return False
            entry.agent.node = result.object
            wanted = node_object(entry.agent.config)["metadata"]
            patch = {"metadata": {"labels": wanted["labels"], "annotations": wanted["annotations"]}}
            options = {"patchType": "merge"}
            patches.append(Operation("patch", NODES, "", entry.agent.config.name, "", patch, options))
        return await self._send(patches) is not None

    async def _make_leases(self, entries: Sequence[_Entry]) -> bool:
        now_s = self._ctx.wall_s()
        leases = [node_lease(entry.agent.config, entry.agent.node, now_s) for entry in entries]
        results = await self._send([Operation("create", LEASES, LEASE_NAMESPACE, *_named(lease)) for lease in leases])
        if results is None:
            return False
        fine = True
        for entry, result in zip(entries, results, strict=True):
            there = result.ok or result.code == 409
            entry.registered = entry.has_lease = there
            fine = fine and there
        self._spread(entries)
        # A lease that was there already is older than a heartbeat: renew it now.
        for entry, result in zip(entries, results, strict=True):
            if result.code == 409:
                entry.heartbeat_s = 0.0
        await self._beat()
        return fine

    def _spread(self, entries: Sequence[_Entry]) -> None:
        """Many nodes' heartbeats come evenly, not all at once."""
        now_s = self._ctx.monotonic_s()
        for number, entry in enumerate(entries):
            share = number / len(entries)
            entry.heartbeat_s = now_s + HEARTBEAT_S * (1 - share / 2)
            entry.look_s = now_s + STATUS_LOOK_S * (1 - share / 2)

    # Heartbeats

    async def _beat(self) -> None:
        now_s = self._ctx.monotonic_s()
        due = [entry for entry in self._entries.values() if entry.has_lease and entry.heartbeat_s <= now_s]
        if not due:
            return
        patch = {"spec": {"renewTime": format_micro_time(self._ctx.wall_s())}}
        options = {"patchType": "merge"}
        results = await self._send(
            [Operation("patch", LEASES, LEASE_NAMESPACE, e.agent.config.name, "", patch, options) for e in due]
        )
        if results is None:
            return
        for entry, result in zip(due, results, strict=True):
            if result.ok:
                entry.heartbeat_s = now_s + HEARTBEAT_S
            elif result.code == 404:
                # With its node, the lease goes too: look whether the node is still there.
                entry.registered = entry.has_lease = False
                entry.agent.node = None

    # Status

    async def _report(self, entries: Sequence[_Entry] | None = None) -> bool:
        """Write the status of nodes whose time has come or whose status changed."""
        now_s = self._ctx.monotonic_s()
        due: list[_Entry] = []
        for entry in entries if entries is not None else list(self._entries.values()):
            content = self._content(entry)
            changed = entry.look_s <= now_s and content != entry.reported
            if entries is not None or (entry.registered and (changed or entry.status_s + STATUS_S <= now_s)):
                due.append(entry)
        operations = [self._status_operation(entry) for entry in due]
        results = await self._send(operations)
        if results is None:
            return False
        fine = True
        for entry, result in zip(due, results, strict=True):
            if result.ok:
                entry.status_s, entry.look_s = now_s, now_s + STATUS_LOOK_S
                entry.reported = self._content(entry)
                self._nodes.observe(result.object)
                entry.agent.node = result.object
            else:
                fine = False
                if result.code == 404:
                    entry.registered = entry.has_lease = False
        return fine

    def _content(self, entry: _Entry) -> tuple[object, ...]:
        link = entry.agent.link
        return (link.is_up(), link.version, tuple(link.images))

    def _status_operation(self, entry: _Entry) -> Operation:
        agent: NodeAgent = entry.agent
        config: NodeConfig = agent.config
        old = (agent.node or {}).get("status") or {}
        status = node_status(
            config,
            old,
            agent.link.images,
            f"{agent.link.runtime}://{agent.link.version}",
            runtime_up=agent.link.is_up(),
            boot_id=entry.boot_id,
            now_s=self._ctx.wall_s(),
        )
        patch = {"status": status}
        return Operation("patch", NODES, "", config.name, "status", patch, {"patchType": "strategic"})


def _named(lease: Object) -> tuple[str, str, Object]:
    return key_of(lease).name, "", lease
