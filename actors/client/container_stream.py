"""The client's end of a stream into a pod (see `actors.runtime.stream`): ``exec``, ``attach``, ``port-forward``.

stream = await open_stream(ctx, kubelet, {"node": ..., "namespace": ..., "pod": ..., "kind": "exec", ...})
await stream.write(b"input")
async for channel, data in stream.chunks(): ...
stream.ended       # how it ended
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from actors.client.kubelet import CONTAINER_STREAM
from actors.runtime.stream import (
    CLOSE_STREAM,
    READ_STREAM,
    READ_WAIT_MAX_S,
    WRITE_STREAM,
    Ended,
    Reading,
)
from broker.context import Context, RequestError

OPEN_TIMEOUT_S: Final = 15.0
#: A container may take its input so slowly; then the client gives up.
WRITE_TIMEOUT_S: Final = 3600.0
#: After so long without an answer the runtime is taken for gone.
READ_TIMEOUT_S: Final = READ_WAIT_MAX_S + 15.0
CLOSE_TIMEOUT_S: Final = 3.0
#: One message carries so many bytes of input.
WRITE_BYTES_MAX: Final = 128 * 1024


class ContainerStream:
    """An open stream."""

    def __init__(self, ctx: Context, actor: str, name: str) -> None:
        self._ctx = ctx
        self._actor = actor
        self._name = name
        self._serial = 0
        self._received = 0
        self.ended: Ended | None = None
        """How it ended; None before `chunks` has come to its end."""

    async def chunks(self) -> AsyncGenerator[tuple[int, bytes], None]:
        """The output, as channel and bytes, until the stream ends. Raises `RequestError`."""
        while self.ended is None:
            question = {"stream": self._name, "after": self._received, "wait_s": READ_WAIT_MAX_S}
            reply = await self._ctx.request(
                self._actor, READ_STREAM, question, timeout_s=READ_TIMEOUT_S, attempt_timeout_s=READ_WAIT_MAX_S + 1.0
            )
            reading = Reading.from_wire(reply.body, reply.blobs)
            for number, chunk in enumerate(reading.chunks, reading.first):
                if number == self._received:
                    self._received += 1
                    yield chunk
            self.ended = reading.ended

    async def write(self, data: bytes) -> None:
        """Give input; returns when it is taken. One call at a time. Raises `RequestError`."""
        for start in range(0, len(data), WRITE_BYTES_MAX):
            await self._write({}, data[start : start + WRITE_BYTES_MAX])

    async def end_input(self) -> None:
        """No input follows. Raises `RequestError`."""
        await self._write({"end": True})

    async def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal's size. Raises `RequestError`."""
        await self._write({"size": [columns, rows]})

    async def _write(self, what: Mapping[str, Any], data: bytes = b"") -> None:
        body = {"stream": self._name, "serial": self._serial, **what}
        self._serial += 1
        await self._ctx.request(self._actor, WRITE_STREAM, body, [data] if data else [], timeout_s=WRITE_TIMEOUT_S)

    async def close(self) -> None:
        """Let go of it; a command that still runs is killed."""
        with contextlib.suppress(RequestError):  # it closes by itself when nobody reads
            await self._ctx.request(self._actor, CLOSE_STREAM, {"stream": self._name}, timeout_s=CLOSE_TIMEOUT_S)


async def open_stream(ctx: Context, kubelet: str, params: Mapping[str, Any]) -> ContainerStream:
    """Open a stream through a pod's kubelet. Raises `RequestError`."""
    reply = await ctx.request(kubelet, CONTAINER_STREAM, dict(params), timeout_s=OPEN_TIMEOUT_S)
    return ContainerStream(ctx, reply.body["actor"], reply.body["stream"])
