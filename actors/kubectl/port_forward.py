"""``port-forward``: ports of this machine that lead to a pod's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import items_of
from actors.client.container_stream import ContainerStream
from actors.kubectl.execute import opened, stream_question, target_pod
from actors.kubectl.failure import CommandFailed
from actors.kubectl.grammar import command
from actors.kubectl.session import Kubectl, run_with_client
from actors.kubectl.target import Query, Targets, find_all, parse_targets
from actors.runtime.stream import PORT_FORWARD
from broker.context import RequestError

READ_BYTES: Final = 64 * 1024


@command("port-forward", short_help="Forward one or more local ports to a pod")
@click.argument("target", metavar="POD | TYPE/NAME")
@click.argument("ports", nargs=-1, required=True, metavar="[LOCAL_PORT:]REMOTE_PORT...")
@click.option("--address", default="localhost", help="Addresses to listen on, separated by commas.")
@click.pass_context
def port_forward_command(ctx: click.Context, /, target: str, ports: tuple[str, ...], address: str) -> None:
    """Listen on local ports and pass each connection on to a pod, until Ctrl-C."""
    run_with_client(ctx, lambda kubectl: port_forward(kubectl, target, ports, address.split(",")))


async def port_forward(kubectl: Kubectl, target: str, ports: Sequence[str], addresses: Sequence[str]) -> None:
    """Carry out ``port-forward``. Raises `CommandFailed`."""
    service = await _service(kubectl, target)
    pod = await target_pod(kubectl, target)
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise CommandFailed(f"unable to forward port because pod is not running. Current status={phase}")
    async with contextlib.AsyncExitStack() as stack:
        for text in ports:
            local, remote = port_pair(text, pod, service)
            for address in addresses:
                host = "127.0.0.1" if address == "localhost" else address
                server = await _listen(kubectl, pod, host, local, remote)
                await stack.enter_async_context(server)
                bound = server.sockets[0].getsockname()[1]
                kubectl.print(f"Forwarding from {host}:{bound} -> {remote}")
        kubectl.flush()
        await asyncio.Event().wait()


async def _service(kubectl: Kubectl, target: str) -> Object | None:
    """The Service that is named, since its ports have numbers of their own; None for anything else."""
    named = parse_targets([target if "/" in target else f"pods/{target}"], kubectl.resources).named
    if named[0][0].kind != "Service":
        return None
    query = Query(kubectl.namespace)
    found = await find_all(kubectl, Targets(named[:1]), query)
    return found[0].object if found else None


def port_pair(text: str, pod: Object, service: Object | None) -> tuple[int, int]:
    """``8080:80``, ``80``, ``:80`` or a name, as local port and pod's port. Raises `CommandFailed`."""
    local, colon, remote = text.rpartition(":")
    if not colon:
        local = remote
    wanted: Any = int(remote) if remote.isdecimal() else remote
    if service is not None:
        wanted = _target_port(wanted, service)
    number = wanted if isinstance(wanted, int) else _named_port(str(wanted), pod)
    if not local.isdecimal():
        local = "0" if colon and not local else str(number)
    if not 0 < number < 65536 or int(local) > 65535:
        raise CommandFailed(f"error parsing remote port {text}: a port is a number from 1 to 65535")
    return int(local), number


def _target_port(wanted: int | str, service: Object) -> int | str:
    for port in items_of(service, "spec", "ports"):
        if wanted in (port.get("port"), port.get("name")):
            found: int | str = port.get("targetPort") or port["port"]
            return found
    raise CommandFailed(f"Service {service['metadata']['name']} does not have a service port {wanted}")


def _named_port(name: str, pod: Object) -> int:
    for container in items_of(pod, "spec", "containers"):
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise CommandFailed(f"Pod '{pod['metadata']['name']}' does not have a named port '{name}'")


async def _listen(kubectl: Kubectl, pod: Object, host: str, local: int, remote: int) -> asyncio.Server:
    question = {**stream_question(pod, PORT_FORWARD), "port": remote}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kubectl.print(f"Handling connection for {writer.get_extra_info('sockname')[1]}")
        kubectl.flush()
        try:
            await forward(kubectl, pod, question, reader, writer)
        except (CommandFailed, RequestError) as error:
            kubectl.warn(f"an error occurred forwarding {local} -> {remote}: {error}")
        except ConnectionError:
            pass  # this machine's end has gone
        finally:
            writer.close()

    try:
        return await asyncio.start_server(serve, host, local)
    except OSError as error:
        raise CommandFailed(f"unable to listen on port {local}: {error.strerror or error}") from error


async def forward(
    kubectl: Kubectl,
    pod: Object,
    question: Mapping[str, Any],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Pass one connection on. Raises `CommandFailed`, `RequestError`."""
    stream = await opened(kubectl, pod, dict(question))
    feeding = asyncio.ensure_future(_feed(stream, reader))
    try:
        async for _, data in stream.chunks():
            writer.write(data)
            await writer.drain()
        if stream.ended is not None and stream.ended.message:
            raise CommandFailed(stream.ended.message)
    finally:
        feeding.cancel()
        await stream.close()


async def _feed(stream: ContainerStream, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(RequestError, ConnectionError):
        while data := await reader.read(READ_BYTES):
            await stream.write(data)
        await stream.end_input()
