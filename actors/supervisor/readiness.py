"""The actor that finds out when a new cluster can be used; it ends when that is so."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import Stream
from actors.client.client import Client
from actors.client.informer import Informer
from broker.context import Context, RequestError

ASK_AGAIN_S: Final = 0.05


def is_ready(node: dict[str, Any]) -> bool:
    """Whether a node says of itself that it is Ready."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


async def run(ctx: Context, nodes: int) -> None:
    """Return once the API server answers, the default namespace exists and so many nodes are Ready."""
    client = Client(ctx)
    informer = Informer(client, Stream("v1/nodes"))
    await informer.start()
    while sum(map(is_ready, informer.items())) < nodes:
        await ctx.sleep(ASK_AGAIN_S / 5)
    while not await _has_default_namespace(client):
        await ctx.sleep(ASK_AGAIN_S)
    informer.stop()


async def _has_default_namespace(client: Client) -> bool:
    try:
        await client.get("v1/namespaces", "default")
    except (ApiError, RequestError):
        return False
    return True
