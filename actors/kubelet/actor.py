"""The kubelet of one node as an actor, ``kubelet-<node>``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from actors.apimachinery.operation import Object
from actors.client.client import Client
from actors.client.informer import Informer, InformerSet
from actors.client.kubelet import CONTAINER_LOG, CONTAINER_STREAM, NODE_STATS
from actors.kubelet.agent import PODS, NodeAgent, Shared
from actors.kubelet.config import NodeConfig
from actors.kubelet.node_manager import NODES, NodeManager
from actors.kubelet.questions import container_log, container_stream
from actors.kubelet.runtime_link import RemoteRuntime
from actors.runtime.protocol import INVALID, RuntimeRefused
from broker.context import Context
from broker.message import Request

Question = Callable[[NodeAgent, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


async def run(ctx: Context, node: NodeConfig) -> None:
    """Run the kubelet."""
    client = Client(ctx)
    informers = InformerSet(client)
    pods = informers.of(PODS, field_selector=f"spec.nodeName={node.name}")
    nodes = informers.of(NODES, field_selector=f"metadata.name={node.name}")
    agent = NodeAgent(Shared.of(client, pods), node, RemoteRuntime(ctx, node.name))
    await run_agents(ctx, client, informers, pods, nodes, {node.name: agent})


async def run_agents(
    ctx: Context,
    client: Client,
    informers: InformerSet,
    pods: Informer,
    nodes: Informer,
    agents: Mapping[str, NodeAgent],
) -> None:
    """Run the kubelets of some nodes: feed them their pods, register them, answer for them."""

    def on_pod(kind: str, pod: Object, old: Object | None) -> None:
        agent = agents.get(pod["spec"].get("nodeName") or "")
        if agent is not None:
            if old is not None and old["metadata"].get("uid") != pod["metadata"].get("uid"):
                agent.pod_event("DELETED", old)  # deleted and made anew in between
            agent.pod_event(kind, pod)

    manager = NodeManager(client, nodes, list(agents.values()))
    pods.on_event(on_pod)
    _serve(ctx, CONTAINER_LOG, agents, container_log)
    _serve(ctx, CONTAINER_STREAM, agents, container_stream)
    _serve_stats(ctx, agents)
    await informers.start()
    for agent in agents.values():
        await agent.start()
    await manager.register_all()
    await manager.keep()


def _serve_stats(ctx: Context, agents: Mapping[str, NodeAgent]) -> None:
    async def answer(request: Request) -> None:
        try:
            request.reply([[name, await agent.link.container_stats()] for name, agent in agents.items()])
        except RuntimeRefused as refused:
            request.fail(refused.code, refused.message)

    ctx.serve(NODE_STATS, lambda request: _spawned(ctx, answer(request)))


def _spawned(ctx: Context, work: Coroutine[Any, Any, None]) -> None:
    ctx.spawn(work, NODE_STATS)


def _serve(ctx: Context, method: str, agents: Mapping[str, NodeAgent], question: Question) -> None:
    """Answer a question about a pod; with many nodes its parameters must name the node."""

    async def answer(request: Request) -> None:
        params = request.body or {}
        try:
            agent = agents.get(params.get("node", "")) or (next(iter(agents.values())) if len(agents) == 1 else None)
            if agent is None:
                request.fail(INVALID, f"no node {params.get('node')!r} here")
                return
            request.reply(await question(agent, params))
        except RuntimeRefused as refused:
            request.fail(refused.code, refused.message)
        except (KeyError, TypeError, ValueError) as error:
            request.fail(INVALID, repr(error))

    def begin(request: Request) -> None:
        ctx.spawn(answer(request), method)

    ctx.serve(method, begin)
