"""Probes and commands of the `process` driver: real connections on loopback, real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

LOOPBACK: Final = "127.0.0.1"
OUTPUT_BYTES_MAX: Final = 1024 * 1024
PROBE_OUTPUT_MAX: Final = 10 * 1024
HEADER_BYTES_MAX: Final = 64 * 1024


class PortError(ValueError):
    """A probe's port can't be found; the message says why."""


def port_of(port: Any, ports: Sequence[Mapping[str, Any]]) -> int:
    """A port by number, or by the name a container gave it. Raises `PortError`."""
    if isinstance(port, int):
        return port
    for candidate in ports:
        if candidate.get("name") == port:
            return int(candidate["containerPort"])
    if str(port).isdigit():
        return int(port)
    raise PortError(f"couldn't find port: {port}")


async def run_command(
    argv: Sequence[str], directory: str, env: Mapping[str, str], timeout_s: float
) -> tuple[int | None, str, str]:
    """Run a command to its end: exit code (None: it took too long and was killed), stdout, stderr."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=directory,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return 126 if isinstance(error, PermissionError) else 127, "", f"{argv[0]}: {error.strerror}\n"
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        code = None
        out = err = b""
    else:
        code = process.returncode
    finally:
        # Whatever ends this, nothing of the command stays.
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    if code is None:
        await process.wait()
    elif code < 0:
        code = 128 - code
    return code, _text(out), _text(err)


def _text(data: bytes) -> str:
    return data[:OUTPUT_BYTES_MAX].decode("utf-8", "replace")


async def probe_exec(argv: Sequence[str], directory: str, env: Mapping[str, str], timeout_s: float) -> tuple[bool, str]:
    """An exec probe."""
    code, out, err = await run_command(argv, directory, env, timeout_s)
    if code is None:
        return False, f'command timed out: "{" ".join(argv)}" timed out after {timeout_s:g}s'
    return code == 0, (out + err)[:PROBE_OUTPUT_MAX]


async def probe_tcp(host: str, port: int, timeout_s: float) -> tuple[bool, str]:
    """Whether somebody accepts connections."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), timeout_s)
    except TimeoutError:
        return False, f"dial tcp {host}:{port}: i/o timeout"
    except OSError as error:
        return False, f"dial tcp {host}:{port}: connect: {_reason(error)}"
    writer.close()
    return True, ""


async def probe_http(handler: Mapping[str, Any], port: int, timeout_s: float) -> tuple[bool, str]:
    """A GET; what answers 200 to 399 is well."""
    host = handler.get("host") or LOOPBACK
    scheme = (handler.get("scheme") or "HTTP").lower()
    path = handler.get("path") or "/"
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    try:
        status = await asyncio.wait_for(_get(url, host, port, handler.get("httpHeaders") or ()), timeout_s)
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return False, f'Get "{url}": {why}'
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        if isinstance(error, OSError):
            return False, f'Get "{url}": dial tcp {host}:{port}: connect: {_reason(error)}'
        return False, f'Get "{url}": malformed HTTP response'
    if 200 <= status < 400:
        return True, ""
    return False, f"HTTP probe failed with statuscode: {status}"


async def _get(url: str, host: str, port: int, headers: Sequence[Mapping[str, str]]) -> int:
    parts = urlsplit(url)
    context: ssl.SSLContext | None = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # as the kubelet: a probe asks whether it answers, not who it is
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=HEADER_BYTES_MAX)
    try:
        fields = {"Host": f"{host}:{port}", "User-Agent": "kube-probe/1.37", "Accept": "*/*", "Connection": "close"}
        fields.update({header["name"]: header.get("value", "") for header in headers})
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        first = await reader.readuntil(b"\n")
        version, code = first.split(b" ", 2)[:2]
        if not version.startswith(b"HTTP/"):
            raise ValueError(first)
        return int(code)
    finally:
        writer.close()


def _reason(error: OSError) -> str:
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
