"""The actor ``gateway``: Kubernetes' REST API over HTTPS, in front of the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from actors.gateway.http_server import server_runner
from actors.gateway.server import GatewayServer
from actors.gateway.token_issuer import PublicKeys
from broker.context import Context

Listen = Callable[[web.ServerRunner], Awaitable[None]]
"""Binds the runner to its address, with TLS: this is the operating system's side, and is injected."""


async def run(ctx: Context, token: str, keys: PublicKeys, listen: Listen) -> None:
    """Serve until cancelled. `token` is the administrator's; `keys` verify service accounts'."""
    server = GatewayServer(ctx, token, keys)
    await server.start()
    runner = server_runner(server.handle)
    await runner.setup()
    try:
        await listen(runner)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
