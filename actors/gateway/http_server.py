"""The HTTP server's edge: what isn't even a request gets a Status, too, instead of the library's plain text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from actors.apimachinery.status import status_failure

#: A request's body may have this many bytes (Kubernetes' limit).
BODY_BYTES_MAX: Final = 3 * 1024 * 1024
#: Request line and each header may have this many bytes.
LINE_BYTES_MAX: Final = 16 * 1024
KEEP_ALIVE_S: Final = 120.0
#: A request line and its headers may take this long to arrive (Kubernetes' ``ReadHeaderTimeout``).
HEAD_TIMEOUT_S: Final = 32.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class StatusRequestHandler(web.RequestHandler):
    """One connection. It is closed when the head of a request takes too long."""

    head_timeout_s = HEAD_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None
    _in_request = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first request's head is awaited from now on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing is awaited any more."""
        self.head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A further request's head is awaited from its first byte on."""
        if not self._in_request and self._head_timer is None:
            self._await_head()
        super().data_received(data)

    def head_arrived(self) -> None:
        """A request begins."""
        self._in_request = True
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def request_over(self) -> None:
        """What comes now is another one."""
        self._in_request = False

    def _await_head(self) -> None:
        self._head_timer = asyncio.get_running_loop().call_later(self.head_timeout_s, self._give_up)

    def _give_up(self) -> None:
        self._head_timer = None
        if self.transport is not None:
            self.transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What can't be read as HTTP, and what a bug of ours made of a request. The connection is closed after it."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if isinstance(exc, LineTooLong):
            status, reason = 431, "RequestHeaderFieldsTooLarge"
            message = f"the request line and each header may have {LINE_BYTES_MAX} bytes"
        else:
            reason, message = "BadRequest", "the request can't be read as HTTP"
        body = orjson.dumps(status_failure(status, reason, message))
        response = web.Response(status=status, body=body, content_type="application/json")
        response.force_close()
        return response


class StatusServer(web.Server):
    """Makes a `StatusRequestHandler` of each connection, and requests whose bodies are limited."""

    def __init__(self, handler: Handler, head_timeout_s: float = HEAD_TIMEOUT_S, **options: Any) -> None:
        super().__init__(
            _noticing_the_end(handler), request_factory=partial(_request, self), handler_cancellation=True, **options
        )
        self._options = options
        self._head_timeout_s = head_timeout_s

    def __call__(self) -> web.RequestHandler:
        connection = StatusRequestHandler(self, loop=self._loop, **self._options)
        connection.head_timeout_s = self._head_timeout_s
        return connection

    @property
    def loop(self) -> Any:
        """The loop it was made on."""
        return self._loop


def _noticing_the_end(handler: Handler) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            if isinstance(request.protocol, StatusRequestHandler):
                request.protocol.request_over()

    return handle


def _request(
    server: StatusServer, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
) -> web.BaseRequest:
    protocol.head_arrived()
    return web.BaseRequest(message, payload, protocol, writer, task, server.loop, client_max_size=BODY_BYTES_MAX)


def server_runner(handler: Handler, head_timeout_s: float = HEAD_TIMEOUT_S) -> web.ServerRunner:
    """A server that has yet to be bound to an address."""
    server = StatusServer(
        handler,
        head_timeout_s,
        access_log=None,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        keepalive_timeout=KEEP_ALIVE_S,
        auto_decompress=False,
    )
    return web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.2)
