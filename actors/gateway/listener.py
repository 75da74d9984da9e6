"""Where the gateway listens: a TLS socket on the loopback interface. This file touches the operating system."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from actors.gateway.actor import Listen
from actors.gateway.credentials import CredentialFiles, ensure_credentials, server_tls

HOST: Final = "127.0.0.1"


def gateway_arguments(folder: Path, cluster: str, port: int) -> tuple[str, Listen]:
    """What the actor is run with: its token, and how it listens. Makes the credentials when there are none."""
    files = CredentialFiles(folder)
    ensure_credentials(files, cluster)
    tls = server_tls(files)

    async def listen(runner: web.AppRunner) -> None:
        await web.TCPSite(runner, HOST, port, ssl_context=tls, reuse_address=True).start()

    return files.token.read_text(), listen
