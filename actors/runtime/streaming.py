"""The runtime's streams as served methods (see `actors.runtime.stream` for what they promise)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from actors.runtime.protocol import INVALID, NOT_FOUND, Params, RuntimeRefused
from actors.runtime.service import RuntimeService
from actors.runtime.stream import (
    CLOSE_STREAM,
    IDLE_MAX_S,
    OPEN_STREAM,
    PORT_FORWARD,
    READ_STREAM,
    READ_WAIT_MAX_S,
    WRITE_STREAM,
    Ended,
    Input,
    Stream,
    StreamRequest,
)
from broker.context import Context
from broker.message import Request

#: Streams that may be open at once.
STREAMS_MAX: Final = 256
#: How often it is looked for streams that nobody reads from any more, while there are streams.
IDLE_CHECK_S: Final = 5.0


class StreamServer:
    """Serves the streams of the runtimes in one actor."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._streams: dict[str, _Open] = {}

    def start(self) -> None:
        """Begin to serve streams that `open` opened."""
        self._ctx.serve(READ_STREAM, self._answering(self._read))
        self._ctx.serve(WRITE_STREAM, self._answering(self._write))
        self._ctx.serve(CLOSE_STREAM, self._answering(self._close))

    def serve_open(self, service: RuntimeService) -> None:
        """Let other actors open streams into the pods of a runtime."""

        def handle(request: Request) -> None:
            request.reply({"stream": self.open(request.id, service, request.body)})

        self._ctx.serve(OPEN_STREAM, self._answering(handle))

    def _answering(self, handle: Callable[[Request], None]) -> Callable[[Request], None]:
        def answer(request: Request) -> None:
            try:
                handle(request)
            except RuntimeRefused as refused:
                request.fail(refused.code, refused.message)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                request.fail(INVALID, str(error) or repr(error))

        return answer

    def open(self, name: str, service: RuntimeService, params: Params) -> str:
        """Open a stream; gives its name. Raises `RuntimeRefused`, `ValueError`."""
        asked = StreamRequest.from_params(params)
        pod = service.pod(params["uid"])
        container = None if asked.kind == PORT_FORWARD else service.container(params)[1]
        if len(self._streams) >= STREAMS_MAX:
            raise RuntimeRefused(INVALID, f"{STREAMS_MAX} streams are open, no more at once")
        service.driver.check_stream(pod, container, asked)
        stream = Stream(asked)

        async def work() -> None:
            try:
                stream.end(await service.driver.stream(pod, container, stream))
            except OSError as error:
                stream.end(Ended(1, error.strerror or str(error)))
            except RuntimeRefused as refused:
                stream.end(Ended(1, refused.message))
            finally:
                stream.end(Ended(1, "the stream was closed"))

        if not self._streams:
            self._ctx.spawn(self._close_idle(), "idle streams")
        self._streams[name] = _Open(stream, self._ctx.spawn(work(), f"stream {name}"), self._ctx.monotonic_s())
        return name

    def _read(self, request: Request) -> None:
        found = self._found(request.body)
        after = int(request.body["after"])
        found.read_s = self._ctx.monotonic_s()
        if found.stream.has_news(after):
            request.reply(*found.stream.read(after).wire())
            return
        found.stream.read(after)
        wait_s = min(float(request.body.get("wait_s") or 0.0), READ_WAIT_MAX_S)
        self._ctx.spawn(self._read_later(request, found, after, wait_s), "read stream")

    async def _read_later(self, request: Request, found: _Open, after: int, wait_s: float) -> None:
        deadline_s = self._ctx.monotonic_s() + wait_s
        while not found.stream.has_news(after):
            left_s = deadline_s - self._ctx.monotonic_s()
            if left_s <= 0:
                break
            await found.stream.changed(left_s)
        found.read_s = self._ctx.monotonic_s()
        request.reply(*found.stream.read(after).wire())

    def _write(self, request: Request) -> None:
        body = request.body
        found = self._found(body)
        size = body.get("size")
        given = Input(
            b"".join(request.blobs), (int(size[0]), int(size[1])) if size else None, end=bool(body.get("end"))
        )
        if found.stream.ended is not None or found.stream.take(int(body["serial"]), given):
            request.reply()
            return
        self._ctx.spawn(self._write_later(request, found, int(body["serial"]), given), "write stream")

    async def _write_later(self, request: Request, found: _Open, serial: int, given: Input) -> None:
        while found.stream.ended is None and not found.stream.take(serial, given):
            await found.stream.changed(IDLE_MAX_S)
        request.reply()

    def _close(self, request: Request) -> None:
        found = self._streams.pop(request.body["stream"], None)
        if found is not None:
            found.task.cancel()
        request.reply()

    def _found(self, body: Any) -> _Open:
        found = self._streams.get(body["stream"])
        if found is None:
            raise RuntimeRefused(NOT_FOUND, "the stream is closed")
        return found

    async def _close_idle(self) -> None:
        """Close what nobody reads, until no stream is left."""
        while self._streams:
            await self._ctx.sleep(IDLE_CHECK_S)
            now_s = self._ctx.monotonic_s()
            for name, found in list(self._streams.items()):
                if now_s - found.read_s > IDLE_MAX_S:
                    found.task.cancel()
                    del self._streams[name]


class _Open:
    """A stream, what works on it, and when it was last read."""

    __slots__ = ("read_s", "stream", "task")

    def __init__(self, stream: Stream, task: asyncio.Task[None], read_s: float) -> None:
        self.stream = stream
        self.task = task
        self.read_s = read_s
