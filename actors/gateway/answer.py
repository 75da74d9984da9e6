"""Answers in HTTP: JSON, refusals, warnings; compressed when that is worth it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson
from aiohttp import web

from actors.apimachinery.status import ApiError

#: Smaller answers aren't compressed (``DefaultCompressionThreshold`` is 128 KiB).
COMPRESSED_FROM_BYTES: Final = 128 * 1024


def json_answer(
    content: Any, *, status: int = 200, content_type: str = "application/json", warnings: Iterable[Any] = ()
) -> web.Response:
    """A document, and warnings as headers (RFC 7234, as kubectl shows them)."""
    response = web.Response(body=orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE), status=status)
    response.headers["Content-Type"] = content_type
    response.headers["Cache-Control"] = "no-cache, private"
    for warning in warnings:
        text = str(warning).replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def refusal(error: ApiError) -> web.Response:
    """A Status that says what is wrong. After a body that was not read to its end, the connection is closed."""
    response = json_answer(error.status, status=error.code)
    retry_s = (error.status.get("details") or {}).get("retryAfterSeconds")
    if retry_s:
        response.headers["Retry-After"] = str(retry_s)
    if error.code in (408, 413):
        response.force_close()
    return response


def compress(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Compress a large answer for a client that can take it."""
    if (
        isinstance(response, web.Response)
        and response.status == 200
        and isinstance(response.body, bytes)
        and len(response.body) >= COMPRESSED_FROM_BYTES
        and "gzip" in request.headers.get("Accept-Encoding", "")
    ):
        response.headers["Vary"] = "Accept-Encoding"
        response.enable_compression(web.ContentCoding.gzip)
