"""The actor ``gateway``: Kubernetes' REST API over HTTPS, in front of the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from actors.gateway.server import GatewayServer
from broker.context import Context

#: Request line and each header may have this many bytes.
LINE_BYTES_MAX = 16 * 1024
KEEP_ALIVE_S = 120.0

Listen = Callable[[web.AppRunner], Awaitable[None]]
"""Binds the runner to its address, with TLS: this is the operating system's side, and is injected."""


async def run(ctx: Context, token: str, listen: Listen) -> None:
    """Serve until cancelled."""
    server = GatewayServer(ctx, token)
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        handle_signals=False,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        keepalive_timeout=KEEP_ALIVE_S,
        shutdown_timeout=0.2,
        auto_decompress=False,
        handler_cancellation=True,
    )
    await runner.setup()
    try:
        await listen(runner)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
