"""Many lightweight nodes in one actor, each with a kubelet of its own and a `sim` runtime in the same process.

They share one stream of all pods that are bound to a node: at ten nodes and at a thousand that is one topic, one
registration to renew and one set of progress marks, where a stream a node would be as many of each.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from actors.client.client import Client
from actors.client.informer import InformerSet
from actors.kubelet.actor import run_agents
from actors.kubelet.agent import PODS, NodeAgent, Shared
from actors.kubelet.config import NodeConfig
from actors.kubelet.node_manager import NODES
from actors.kubelet.runtime_link import LocalRuntime
from actors.runtime.service import RuntimeService
from actors.runtime.sim import SimDriver
from actors.runtime.streaming import StreamServer
from actors.runtime.trace import RuntimeTrace
from broker.context import Context

#: Hollow nodes' address ranges begin here, behind those of nodes with processes of their own.
ADDRESS_OFFSET: Final = 255


async def run(
    ctx: Context, nodes: int, first_index: int = 1, *, prefix: str = "hollow-", template: NodeConfig | None = None
) -> None:
    """Run `nodes` nodes, named by the prefix and their index; like `template` in everything else."""
    template = template or NodeConfig("")
    client = Client(ctx)
    informers = InformerSet(client)
    pods = informers.of(PODS, field_selector="spec.nodeName!=")
    shared = Shared.of(client, pods)
    trace = RuntimeTrace(ctx)
    streams = StreamServer(ctx)
    streams.start()
    call_later = asyncio.get_running_loop().call_later
    agents: dict[str, NodeAgent] = {}
    for index in range(first_index, first_index + nodes):
        config = replace(template, name=f"{prefix}{index}", index=ADDRESS_OFFSET + index, actor=ctx.name)
        service = RuntimeService(config.name, ctx.incarnation, SimDriver(), ctx.wall_s, call_later)
        agents[config.name] = NodeAgent(shared, config, LocalRuntime(ctx, service, trace, streams))
    await run_agents(ctx, client, informers, pods, informers.of(NODES), agents)
