"""Where the gateway listens: a TLS socket on the loopback interface. This file touches the operating system."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

from aiohttp import web

from actors.gateway.actor import Listen
from actors.gateway.credential_files import CredentialFiles, server_tls
from actors.gateway.service_account_key import ServiceAccountKey
from actors.gateway.token_issuer import PublicKeys

HOST: Final = "127.0.0.1"


async def gateway_arguments(folder: Path, cluster: str, port: int) -> tuple[str, PublicKeys, Listen]:
    """What the actor is run with: the administrator's token, the key of service accounts' tokens, and how it listens.

    Makes the credentials when there are none.
    """
    files = CredentialFiles(folder)
    if not files.complete:
        command = [sys.executable, "-m", "actors.gateway.credentials", str(folder), cluster]
        process = await asyncio.create_subprocess_exec(*command)
        if await process.wait():
            raise RuntimeError("the credentials could not be made")
    tls = server_tls(files)

    async def listen(runner: web.ServerRunner) -> None:
        await web.TCPSite(runner, HOST, port, ssl_context=tls, reuse_address=True).start()

    return files.token.read_text(), ServiceAccountKey(files.service_account_key), listen
