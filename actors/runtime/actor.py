"""The container runtime of one node as an actor, ``runtime-<node>``."""

from __future__ import annotations

import asyncio

from actors.runtime.driver import Driver
from actors.runtime.server import RuntimeServer
from actors.runtime.service import RuntimeService
from broker.context import Context


async def run(ctx: Context, node_name: str, driver: Driver) -> None:
    """Run the runtime until cancelled; then end every container."""
    loop = asyncio.get_running_loop()
    service = RuntimeService(node_name, ctx.incarnation, driver, ctx.wall_s, loop.call_later)
    RuntimeServer(ctx, service).start()
    try:
        await asyncio.Event().wait()
    finally:
        service.close()
