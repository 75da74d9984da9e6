"""``pods/exec`` and ``pods/attach``: Kubernetes' remote command protocol over a WebSocket.

Each binary message begins with the number of its channel; the protocols are ``v4.channel.k8s.io`` and
``v5.channel.k8s.io``, which adds the closing of a channel (channel 255, with the closed one as content).

    0 input    1 output    2 errors' output    3 the outcome, a Status, at the end    4 the terminal's size, as JSON
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web
from multidict import MultiMapping

from actors.apimachinery.operation import Object
from actors.apimachinery.status import bad_request, internal_error
from actors.client.client import Client
from actors.client.container_stream import ContainerStream, open_stream
from actors.gateway.container_choice import chosen_container, kubelet_of
from actors.gateway.request_path import RequestPath
from actors.gateway.translation import is_true
from actors.runtime.stream import Ended
from broker.context import Context, RequestError, RequestFailed

V5: Final = "v5.channel.k8s.io"
V4: Final = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

#: One message may have so many bytes.
MESSAGE_BYTES_MAX: Final = 1024 * 1024
#: The connection is kept alive by a ping so often, and given up when none is answered.
PING_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 2.0
#: A terminal has so many columns and rows at the most: 16 bits each.
CELLS_MAX: Final = 65_535


def stream_question(path: RequestPath, pod: Object, query: MultiMapping[str]) -> dict[str, Any]:
    """What the pod's kubelet is asked. Raises `ApiError` (400)."""
    container = chosen_container(pod, query.get("container") or "")
    flags = {name: is_true(query.get(name)) for name in ("stdin", "stdout", "stderr", "tty")}
    if not any(flags[name] for name in ("stdin", "stdout", "stderr")):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    command = query.getall("command", [])
    if path.subresource == "exec" and not command:
        raise bad_request("you must specify at least 1 command for the container")
    if flags["tty"]:
        flags["stderr"] = False  # a terminal has one output
    return {
        "namespace": path.namespace,
        "pod": path.name,
        "container": container,
        "kind": path.subresource,
        "command": command,
        **flags,
    }


async def remote_command(
    request: web.BaseRequest, ctx: Context, client: Client, path: RequestPath
) -> web.StreamResponse:
    """Serve one request for ``exec`` or ``attach``. Raises `ApiError` while an answer can still be a Status."""
    pod = await client.get("v1/pods", path.name, path.namespace)
    question = stream_question(path, pod, request.query)
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise bad_request(f"cannot {path.subresource} a container in a completed pod; current phase is {phase}")
    # Last: a kubectl whose question is refused asks again without a WebSocket, and shows what it is told then.
    check_upgrade(request)
    question["node"], kubelet = await kubelet_of(client, pod)
    stream = await opened(ctx, kubelet, question)
    try:
        socket = websocket(V5, V4)
        await socket.prepare(request)
        await _converse(socket, stream, path.subresource)
    finally:
        await asyncio.shield(stream.close())
    return socket


def websocket(*protocols: str) -> web.WebSocketResponse:
    """A WebSocket that speaks one of these protocols."""
    return web.WebSocketResponse(
        protocols=protocols, max_msg_size=MESSAGE_BYTES_MAX, heartbeat=PING_S, compress=False, timeout=CLOSE_TIMEOUT_S
    )


def check_upgrade(request: web.BaseRequest) -> None:
    """Raises `ApiError` (400) for a request that doesn't ask for a WebSocket."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request("Upgrade request required: only WebSockets are served")


async def opened(ctx: Context, kubelet: str, question: Mapping[str, Any]) -> ContainerStream:
    """The stream into the pod. Raises `ApiError` (500)."""
    try:
        return await open_stream(ctx, kubelet, question)
    except RequestFailed as failure:
        raise internal_error(failure.message) from failure
    except RequestError:
        raise internal_error(f"the kubelet of node {question['node']} does not answer") from None


async def _converse(socket: web.WebSocketResponse, stream: ContainerStream, verb: str) -> None:
    # The first message says that the connection stands.
    await socket.send_bytes(bytes([STDOUT]))
    feeding = asyncio.ensure_future(_feed(socket, stream))
    showing = asyncio.ensure_future(_show(socket, stream, verb))
    try:
        # A client that goes ends the stream; one that only ends its input still gets the output.
        await asyncio.wait([feeding, showing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        feeding.cancel()
        showing.cancel()
        await asyncio.wait([feeding, showing])
        with contextlib.suppress(ConnectionError):
            await socket.close()


async def _show(socket: web.WebSocketResponse, stream: ContainerStream, verb: str) -> None:
    try:
        async for channel, data in stream.chunks():
            await socket.send_bytes(bytes([channel]) + data)
        assert stream.ended is not None
        outcome = outcome_status(stream.ended, verb)
    except RequestError as error:
        outcome = _failure(f"error executing command in container: the container runtime: {error}")
    except ConnectionError:
        return
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([ERROR]) + orjson.dumps(outcome))


async def _feed(socket: web.WebSocketResponse, stream: ContainerStream) -> None:
    """Pass the client's messages on until it goes."""
    with contextlib.suppress(RequestError):
        async for message in socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not message.data:
                continue
            content = message.data if message.type == WSMsgType.BINARY else message.data.encode()
            channel, data = content[0], content[1:]
            if channel == STDIN and data:
                await stream.write(data)
            elif channel == CLOSE and data[:1] == bytes([STDIN]) and socket.ws_protocol == V5:
                await stream.end_input()
            elif channel == RESIZE:
                size = terminal_size(data)
                if size is not None:
                    await stream.resize(*size)


def terminal_size(content: bytes) -> tuple[int, int] | None:
    """Columns and rows of a resize message; None when it isn't one."""
    try:
        size = orjson.loads(content)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return (width, height) if 0 <= width <= CELLS_MAX and 0 <= height <= CELLS_MAX else None


def outcome_status(ended: Ended, verb: str) -> Object:
    """The Status that tells how a command ended, as the kubelet puts it."""
    if ended.message:
        return _failure(
            f"error {'executing command in' if verb == 'exec' else 'attaching to'} container: {ended.message}"
        )
    if ended.exit_code == 0 or verb != "exec":
        return {"metadata": {}, "status": "Success"}
    text = f"command terminated with exit code {ended.exit_code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {text}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(ended.exit_code)}]},
    }


def _failure(message: str) -> Object:
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }
