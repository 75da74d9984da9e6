"""Where the gateway listens: a TLS socket on the loopback interface. This file touches the operating system."""

from __future__ import annotations

import asyncio
import sys
from asyncio import sslproto
from pathlib import Path
from typing import Final

from aiohttp import web

from actors.gateway.actor import Listen
from actors.gateway.credential_files import CredentialFiles, server_tls
from actors.gateway.service_account_key import ServiceAccountKey
from actors.gateway.token_issuer import PublicKeys

HOST: Final = "127.0.0.1"
#: How often a gateway that waits for credentials looks for them.
CREDENTIALS_LOOK_S: Final = 0.1
#: asyncio gives each TLS connection a buffer of this size at once, 256 KiB unless told: half a gigabyte for 2,000
#: watches, and for anybody who opens as many connections and says nothing. A TLS record has 16 KiB.
TLS_BUFFER_BYTES: Final = 32 * 1024


async def gateway_arguments(
    folder: Path, cluster: str, port: int, *, makes_credentials: bool = True
) -> tuple[str, PublicKeys, Listen]:
    """What the actor is run with: the administrator's token, the key of service accounts' tokens, and how it listens.

    When there are no credentials yet it makes them, or waits for the gateway that does.
    """
    files = CredentialFiles(folder)
    while not (makes_credentials or files.complete):
        await asyncio.sleep(CREDENTIALS_LOOK_S)
    if not files.complete:
        command = [sys.executable, "-m", "actors.gateway.credentials", str(folder), cluster]
        process = await asyncio.create_subprocess_exec(*command)
        if await process.wait():
            raise RuntimeError("the credentials could not be made")
    tls = server_tls(files)

    sslproto.SSLProtocol.max_size = TLS_BUFFER_BYTES

    async def listen(runner: web.ServerRunner) -> None:
        await web.TCPSite(runner, HOST, port, ssl_context=tls, reuse_address=True, reuse_port=True).start()

    return files.token.read_text(), ServiceAccountKey(files.service_account_key), listen
