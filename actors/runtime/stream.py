"""Streams into a pod: a command with its input and output, a container's own, a port. CRI's streaming, as messages.

CRI answers ``Exec``, ``Attach`` and ``PortForward`` with the address of a server where the bytes flow. Here the bytes
flow as requests to the runtime's actor, which may be delivered twice or be answered late, so each is made to be
repeated: what is read is numbered and kept until the reader asks for what follows it, what is written is numbered and
taken once.

    open_stream     uid, container, kind, command, stdin, stdout, stderr, tty, port      -> {"stream": id}
    read_stream     stream, after: chunks the reader has, wait_s                         -> `Reading`, when there is any
    write_stream    stream, serial, end: no input follows, size: [columns, rows] or None -> None, when there is room
    close_stream    stream                                                               -> None; a command is killed

``write_stream`` has the bytes as its blob. A stream that nobody has read from for `IDLE_MAX_S` is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from actors.runtime.protocol import Params

OPEN_STREAM: Final = "open_stream"
READ_STREAM: Final = "read_stream"
WRITE_STREAM: Final = "write_stream"
CLOSE_STREAM: Final = "close_stream"

EXEC: Final = "exec"
ATTACH: Final = "attach"
PORT_FORWARD: Final = "port-forward"
StreamKind = Literal["exec", "attach", "port-forward"]
KINDS: Final = (EXEC, ATTACH, PORT_FORWARD)

#: Channels of output, numbered as in Kubernetes' remote command protocol. A port's bytes come on `STDOUT`.
STDOUT: Final = 1
STDERR: Final = 2

#: A reader's question is answered after so long even when there is nothing new, and a stream without one is closed.
READ_WAIT_MAX_S: Final = 5.0
IDLE_MAX_S: Final = 30.0
#: Output that waits for its reader; whoever writes more waits, too.
OUTPUT_BYTES_MAX: Final = 1024 * 1024
#: One answer has no more bytes, except when a single chunk has.
READ_BYTES_MAX: Final = 256 * 1024
#: Inputs that wait to be taken by the container.
INPUTS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What a stream is to connect to."""

    kind: StreamKind
    command: tuple[str, ...] = ()
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False
    port: int = 0

    @staticmethod
    def from_params(params: Params) -> StreamRequest:
        """From a request's parameters. Raises `ValueError`."""
        kind = params["kind"]
        if kind not in KINDS:
            raise ValueError(f"unknown kind of stream {kind!r}")
        command = tuple(str(word) for word in params.get("command") or ())
        if kind == EXEC and not command:
            raise ValueError("a command is needed")
        flags = {name: bool(params.get(name)) for name in ("stdin", "stdout", "stderr", "tty")}
        return StreamRequest(kind, command, port=int(params.get("port") or 0), **flags)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stream ended."""

    exit_code: int = 0
    message: str = ""
    """Why it could not do what was asked; empty when all went well, whatever the exit code."""


@dataclass(frozen=True, slots=True)
class Input:
    """What came from the client at once: bytes, a terminal's new size, the end of input."""

    data: bytes = b""
    size: tuple[int, int] | None = None
    """Columns and rows."""
    end: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer to ``read_stream``."""

    first: int
    """The number of the first chunk."""
    chunks: Sequence[tuple[int, bytes]]
    """Channel and bytes."""
    ended: Ended | None
    """Set when these are the last chunks."""

    def wire(self) -> tuple[list[Any], list[bytes]]:
        """Body and blobs of the reply."""
        ended = [self.ended.exit_code, self.ended.message] if self.ended is not None else None
        return [self.first, [channel for channel, _ in self.chunks], ended], [data for _, data in self.chunks]

    @staticmethod
    def from_wire(body: Any, blobs: Sequence[bytes]) -> Reading:
        """The reverse of `wire`."""
        first, channels, ended = body
        return Reading(first, list(zip(channels, blobs, strict=True)), Ended(*ended) if ended else None)


class Stream:
    """One open stream, between the messages of its client and the driver's coroutine."""

    def __init__(self, request: StreamRequest) -> None:
        self.request = request
        self.ended: Ended | None = None
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._first = 0
        self._bytes = 0
        self._inputs: deque[Input] = deque()
        self._serial = 0
        self._changed = asyncio.Event()

    @property
    def unread_bytes(self) -> int:
        """Output that the client has not said it has."""
        return self._bytes

    # The driver's side

    async def send(self, channel: int, data: bytes) -> None:
        """Give the client output; waits while it has too much to read."""
        while self._bytes >= OUTPUT_BYTES_MAX:
            await self._news()
        self.offer(channel, data)

    def offer(self, channel: int, data: bytes) -> bool:
        """Give the client output without waiting; False, and nothing done, when it has too much to read."""
        if self._bytes >= OUTPUT_BYTES_MAX:
            return False
        if data:
            self._chunks.append((channel, data))
            self._bytes += len(data)
            self._tell()
        return True

    async def receive(self) -> Input:
        """The next input; after the end of input, waits for ever."""
        while not self._inputs:
            await self._news()
        found = self._inputs.popleft()
        self._tell()
        return found

    def end(self, ended: Ended) -> None:
        """Nothing follows."""
        if self.ended is None:
            self.ended = ended
            self._tell()

    # The client's side

    def take(self, serial: int, given: Input) -> bool:
        """Take input number `serial`, or know it for one that was taken; False when there is no room for it yet."""
        if serial < self._serial:
            return True
        if len(self._inputs) >= INPUTS_MAX:
            return False
        self._serial = serial + 1
        self._inputs.append(given)
        self._tell()
        return True

    def read(self, after: int) -> Reading:
        """What follows the first `after` chunks; those are forgotten."""
        while self._chunks and self._first < after:
            self._bytes -= len(self._chunks.popleft()[1])
            self._first += 1
            self._tell()
        shown: list[tuple[int, bytes]] = []
        size = 0
        for chunk in self._chunks:
            size += len(chunk[1])
            if shown and size > READ_BYTES_MAX:
                break
            shown.append(chunk)
        return Reading(self._first, shown, self.ended if len(shown) == len(self._chunks) else None)

    def has_news(self, after: int) -> bool:
        """Whether `read` would tell more than nothing."""
        return self._first + len(self._chunks) > after or self.ended is not None

    async def changed(self, timeout_s: float) -> None:
        """Wait until something changes, at most so long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news()
        except TimeoutError:
            pass

    async def _news(self) -> None:
        event = self._changed
        await event.wait()

    def _tell(self) -> None:
        """Wake all that wait: each looks whether it was meant."""
        self._changed.set()
        self._changed = asyncio.Event()
