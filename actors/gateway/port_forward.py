"""``pods/portforward``: connections to a pod's ports through one WebSocket, in either of Kubernetes' two forms.

- ``SPDY/3.1+portforward.k8s.io`` (kubectl): the messages carry SPDY frames. For each connection the client opens two
  streams of the same ``requestid``, one for errors and one for data.
- ``v4.channel.k8s.io`` (client libraries): the ports are in the query. Port number i has channel 2i for data and 2i+1
  for errors; the first message on each is the port in two bytes, low byte first.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSMsgType, web

from actors.apimachinery.status import ApiError, bad_request
from actors.client.client import Client
from actors.client.container_stream import ContainerStream
from actors.gateway.container_choice import kubelet_of
from actors.gateway.remote_command import V4, check_upgrade, opened, websocket
from actors.gateway.request_path import RequestPath
from actors.gateway.spdy import (
    DATA,
    GOAWAY,
    PING,
    RST_STREAM,
    SYN_STREAM,
    Frame,
    FrameReader,
    FrameWriter,
    SpdyError,
    data_frame,
    ping_frame,
    reset_frame,
)
from actors.runtime.stream import PORT_FORWARD
from broker.context import Context, RequestError

TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
#: Connections through one WebSocket at once.
CONNECTIONS_MAX: Final = 128
#: Data that waits for a port to take it; then the whole WebSocket waits.
INPUTS_MAX: Final = 16
REFUSED_STREAM: Final = 3

Open = Callable[[int], Awaitable[ContainerStream]]
"""Opens a connection to a port. Raises `ApiError`."""
Send = Callable[[bytes], Awaitable[None]]


async def port_forward(request: web.BaseRequest, ctx: Context, client: Client, path: RequestPath) -> web.StreamResponse:
    """Serve one request for ``portforward``. Raises `ApiError` while an answer can still be a Status."""
    pod = await client.get("v1/pods", path.name, path.namespace)
    phase = (pod.get("status") or {}).get("phase")
    if phase != "Running":
        raise bad_request(f"unable to forward port because pod is not running. Current status={phase}")
    check_upgrade(request)
    node, kubelet = await kubelet_of(client, pod)
    where = {"node": node, "namespace": path.namespace, "pod": path.name, "kind": PORT_FORWARD}
    asked = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    ports = [] if TUNNEL in asked else forwarded_ports(request.query.getall("ports", []))

    async def connect(port: int) -> ContainerStream:
        return await opened(ctx, kubelet, {**where, "port": port})

    socket = websocket(TUNNEL, V4)
    await socket.prepare(request)
    forwarding = Tunnel(socket.send_bytes, connect) if TUNNEL in asked else Channels(socket.send_bytes, connect, ports)
    try:
        await forwarding.start()
        async for message in socket:
            if message.type == WSMsgType.BINARY and not await forwarding.receive(message.data):
                break
    except (SpdyError, ConnectionError):
        pass  # the client gets a closed connection
    finally:
        await asyncio.shield(forwarding.close())
        with contextlib.suppress(ConnectionError):
            await socket.close()
    return socket


def forwarded_ports(texts: list[str]) -> list[int]:
    """The ports of a query. Raises `ApiError` (400)."""
    words = [word for text in texts for word in text.split(",")]
    if not words:
        raise bad_request('query parameter "ports" is required')
    if len(words) > CONNECTIONS_MAX:
        raise bad_request(f"{CONNECTIONS_MAX} ports may be forwarded at once")
    ports: list[int] = []
    for word in words:
        port = port_number(word)
        if port is None:
            raise bad_request(f'unable to parse "{word[:20]}" as a port')
        ports.append(port)
    return ports


def port_number(text: str) -> int | None:
    """The port that a text states; None when it is none."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= 5
    return int(text) if is_number and 0 < int(text) < 65536 else None


class Connection:
    """One connection to a port: input waits in a queue, so that a slow port holds up only itself, up to a point."""

    def __init__(self, connect: Open, port: int, show: Send, ended: Callable[[str], Awaitable[None]]) -> None:
        self._connect = connect
        self._port = port
        self._show = show
        self._ended = ended
        self._inputs: asyncio.Queue[bytes | None] = asyncio.Queue(INPUTS_MAX)
        self.task = asyncio.ensure_future(self._run())

    async def give(self, data: bytes | None) -> None:
        """Input for the port; None: there is no more."""
        if not self.task.done():
            await self._inputs.put(data)

    async def _run(self) -> None:
        message = ""
        try:
            stream = await self._connect(self._port)
        except ApiError as error:
            await self._ended(error.message)
            return
        feeding = asyncio.ensure_future(self._feed(stream))
        try:
            async for _, data in stream.chunks():
                await self._show(data)
            message = stream.ended.message if stream.ended is not None else ""
        except RequestError as error:
            message = str(error)
        finally:
            feeding.cancel()
            await asyncio.shield(stream.close())
            while not self._inputs.empty():
                self._inputs.get_nowait()  # who waits to give more is not to wait for ever
        with contextlib.suppress(ConnectionError):
            await self._ended(message)

    async def _feed(self, stream: ContainerStream) -> None:
        with contextlib.suppress(RequestError):
            while True:
                data = await self._inputs.get()
                if data is None:
                    await stream.end_input()
                    return
                await stream.write(data)


@dataclass(slots=True)
class _Pair:
    """The two streams of one connection in a tunnel."""

    identifier: str
    port: int = 0
    data: int = 0
    error: int = 0
    connection: Connection | None = None


@dataclass(slots=True)
class Tunnel:
    """Port forwarding in SPDY frames."""

    send: Send
    connect: Open
    _reader: FrameReader = field(default_factory=FrameReader)
    _writer: FrameWriter = field(default_factory=FrameWriter)
    _pairs: dict[str, _Pair] = field(default_factory=dict)
    _by_stream: dict[int, _Pair] = field(default_factory=dict)

    async def start(self) -> None:
        """Nothing is said first."""

    async def receive(self, message: bytes) -> bool:
        """Take a message; False when the client has said goodbye. Raises `SpdyError`."""
        for frame in self._reader.feed(message):
            if frame.kind == GOAWAY:
                return False
            await self._frame(frame)
        return True

    async def _frame(self, frame: Frame) -> None:
        if frame.kind == PING:
            await self.send(ping_frame(frame.data))
        elif frame.kind == SYN_STREAM:
            await self._open(frame)
        elif frame.kind == RST_STREAM:
            await self._reset(frame.stream)
        elif frame.kind == DATA:
            pair = self._by_stream.get(frame.stream)
            if pair is not None and pair.connection is not None and frame.stream == pair.data:
                if frame.data:
                    await pair.connection.give(frame.data)
                if frame.fin:
                    await pair.connection.give(None)

    async def _open(self, frame: Frame) -> None:
        headers = frame.headers
        identifier, kind, port = headers.get("requestid", ""), headers.get("streamtype"), headers.get("port", "")
        number = port_number(port)
        too_many = len(self._by_stream) >= 2 * CONNECTIONS_MAX or frame.stream in self._by_stream
        if kind not in ("data", "error") or number is None or too_many:
            await self.send(reset_frame(frame.stream, REFUSED_STREAM))
            return
        pair = self._pairs.setdefault(identifier, _Pair(identifier))
        pair.port = number
        if kind == "data":
            pair.data = frame.stream
        else:
            pair.error = frame.stream
        self._by_stream[frame.stream] = pair
        await self.send(self._writer.syn_reply(frame.stream))
        if pair.data and pair.error and pair.connection is None:
            pair.connection = self._connection(pair)

    def _connection(self, pair: _Pair) -> Connection:
        async def show(data: bytes) -> None:
            await self.send(data_frame(pair.data, data))

        async def ended(message: str) -> None:
            text = f"an error occurred forwarding {pair.port}: {message}".encode() if message else b""
            await self.send(data_frame(pair.error, text, fin=True))
            await self.send(data_frame(pair.data, b"", fin=True))
            self._forget(pair)

        return Connection(self.connect, pair.port, show, ended)

    def _forget(self, pair: _Pair) -> None:
        self._pairs.pop(pair.identifier, None)
        self._by_stream.pop(pair.data, None)
        self._by_stream.pop(pair.error, None)

    async def _reset(self, stream: int) -> None:
        pair = self._by_stream.pop(stream, None)
        if pair is not None and stream == pair.data:
            self._forget(pair)
            if pair.connection is not None:
                pair.connection.task.cancel()

    async def close(self) -> None:
        """Let go of all connections."""
        await _end([pair.connection for pair in self._pairs.values() if pair.connection is not None])


@dataclass(slots=True)
class Channels:
    """Port forwarding in numbered channels."""

    send: Send
    connect: Open
    ports: list[int]
    _connections: list[Connection] = field(default_factory=list)

    async def start(self) -> None:
        """Tell each channel its port, and connect."""
        for index, port in enumerate(self.ports):
            for channel in (2 * index, 2 * index + 1):
                await self.send(bytes([channel]) + struct.pack("<H", port))
        self._connections = [self._connection(index, port) for index, port in enumerate(self.ports)]

    def _connection(self, index: int, port: int) -> Connection:
        async def show(data: bytes) -> None:
            await self.send(bytes([2 * index]) + data)

        async def ended(message: str) -> None:
            if message:
                await self.send(bytes([2 * index + 1]) + f"error forwarding port {port}: {message}".encode())

        return Connection(self.connect, port, show, ended)

    async def receive(self, message: bytes) -> bool:
        """Take a message; goes on as long as a port is connected."""
        if message:
            index, is_error = divmod(message[0], 2)
            if index < len(self._connections) and not is_error and len(message) > 1:
                await self._connections[index].give(message[1:])
        return not all(connection.task.done() for connection in self._connections)

    async def close(self) -> None:
        """Let go of all connections."""
        await _end(self._connections)


async def _end(connections: list[Connection]) -> None:
    tasks: list[asyncio.Future[Any]] = [connection.task for connection in connections]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
