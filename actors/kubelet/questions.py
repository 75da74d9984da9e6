"""What a kubelet is asked of its pods: their logs, and streams into them (the kubelet's own API, in Kubernetes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.kubelet.agent import NodeAgent
from actors.runtime.protocol import NOT_FOUND, RuntimeRefused


async def container_log(agent: NodeAgent, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """A container's log. Raises `RuntimeRefused`."""
    return await agent.link.read_log(params)


async def container_stream(agent: NodeAgent, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open a stream into a pod: the actor that serves it and its name there. Raises `RuntimeRefused`."""
    actor, stream = await agent.link.open_stream({**params, "uid": _uid_of(agent, params)})
    return {"actor": actor, "stream": stream}


def _uid_of(agent: NodeAgent, params: Mapping[str, Any]) -> str:
    """The pod of this node that is meant. Raises `RuntimeRefused`."""
    wanted = (params["namespace"], params["pod"])
    for worker in agent.workers.values():
        if worker.key == wanted and not worker.removed:
            return worker.uid
    raise RuntimeRefused(NOT_FOUND, f'pods "{params["pod"]}" not found')
