"""The HTTP server's edge: what isn't even a request gets a Status, too, instead of the library's plain text."""

from __future__ import annotations

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

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class StatusRequestHandler(web.RequestHandler):
    """One connection."""

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

    def __init__(self, handler: Handler, **options: Any) -> None:
        super().__init__(handler, request_factory=partial(_request, self), handler_cancellation=True, **options)
        self._options = options

    def __call__(self) -> web.RequestHandler:
        return StatusRequestHandler(self, loop=self._loop, **self._options)

    @property
    def loop(self) -> Any:
        """The loop it was made on."""
        return self._loop


def _request(
    server: StatusServer, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, server.loop, client_max_size=BODY_BYTES_MAX)


def server_runner(handler: Handler) -> web.ServerRunner:
    """A server that has yet to be bound to an address."""
    server = StatusServer(
        handler,
        access_log=None,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=LINE_BYTES_MAX,
        keepalive_timeout=KEEP_ALIVE_S,
        auto_decompress=False,
    )
    return web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.2)
