"""Clients of etcd that cost next to nothing, so that a benchmark measures etcd and not them.

They speak HTTP/2 in the clear with frames made beforehand: a request is one HEADERS frame (literal fields only, so that
every stream's is the same) and one DATA frame; of what comes back only the nine bytes that begin each frame are read.
Each client has one request under way and asks again when it is answered; the clients share a few connections, as
etcd's own benchmark does. The server's flow control is respected.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from load import ANSWER_TIMEOUT_S, Load, Measured

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_NO_ERROR: Final = b"\0\0\0\0"
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW: Final = 65_535
#: What may come in before the server has to wait for us to say more, and how much has come when we say it.
_RECEIVE_WINDOW: Final = 2**30
_RECEIVED_TOLD: Final = 2**28
_RECEIVE_BYTES: Final = 1 << 20
_INITIAL_WINDOW_SIZE_SETTING: Final = 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def message(body: bytes) -> bytes:
    """A gRPC message: uncompressed, with its length."""
    return struct.pack(">BI", 0, len(body)) + body


def field(number: int, value: bytes) -> bytes:
    """A bytes field of a protobuf message."""
    size, length = len(value), b""
    while size > 0x7F:
        length += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return bytes((number << 3 | 2,)) + length + bytes((size,)) + value


def headers(path: str) -> bytes:
    """The header block of a call. Fields with an index are in HPACK's static table; none enters the dynamic one."""

    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()

    def literal(name: str, value: str) -> bytes:
        return b"\0" + text(name) + text(value)

    method_post, scheme_http = b"\x83", b"\x86"
    path_field = b"\x04" + text(path)
    authority = b"\x01" + text("bench")
    fields = literal("content-type", "application/grpc") + literal("te", "trailers")
    return method_post + scheme_http + path_field + authority + fields


class Connection:
    """One connection and the clients that share it."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE_SETTING, _RECEIVE_WINDOW)
        window = frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _RECEIVE_WINDOW))
        self.socket.sendall(_PREFACE + frame(_SETTINGS, 0, 0, settings) + window)
        block = headers(path)
        self._head = struct.pack(">IB", len(block) << 8 | _HEADERS, _END_HEADERS)
        self._block = block
        self._stream = 1
        self._window = _INITIAL_WINDOW
        self._received = 0
        self._incoming = b""
        self._waiting: deque[bytes] = deque()
        self._asked_at: dict[int, float] = {}
        self.data_frames = 0
        self.header_frames = 0

    def ask(self, body: bytes, out: list[bytes], *, is_last: bool = True) -> None:
        """Begin a call, or wait for the server's window. With more to say than one message, it isn't the last."""
        self._asked_at[self._stream] = time.perf_counter()
        stream = self._stream.to_bytes(4, "big")
        data_head = struct.pack(">IB", len(body) << 8 | _DATA, _END_STREAM if is_last else 0)
        request = b"".join((self._head, stream, self._block, data_head, stream, body))
        self._stream += 2
        if self._waiting or self._window < len(body):
            self._waiting.append(request)
            return
        self._window -= len(body)
        out.append(request)

    def receive(self, out: list[bytes]) -> list[float]:
        """Read what is there; answers when each call that ended was asked."""
        incoming = self._incoming + self.socket.recv(_RECEIVE_BYTES)
        if not incoming:
            raise ConnectionError("etcd closed the connection")
        at, ended = 0, []
        size = len(incoming)
        while size - at >= 9:
            length = int.from_bytes(incoming[at : at + 3], "big")
            if size - at < 9 + length:
                break
            kind = incoming[at + 3]
            if kind == _DATA:
                self.data_frames += 1
                self._received += length
            elif kind == _HEADERS:
                self.header_frames += 1
                if incoming[at + 4] & _END_STREAM:
                    ended.append(self._asked_at.pop(int.from_bytes(incoming[at + 5 : at + 9], "big")))
            else:
                self._control(incoming[at : at + 9 + length], out)
            at += 9 + length
        self._incoming = incoming[at:]
        if self._received > _RECEIVED_TOLD:
            out.append(frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        return ended

    def _control(self, whole: bytes, out: list[bytes]) -> None:
        kind, flags, payload = whole[3], whole[4], whole[9:]
        if kind == _WINDOW_UPDATE and whole[5:9] == b"\0\0\0\0":
            self._window += int.from_bytes(payload, "big")
            while self._waiting:
                size = len(self._waiting[0]) - len(self._block) - 18
                if self._window < size:
                    break
                self._window -= size
                out.append(self._waiting.popleft())
        elif kind == _PING and not flags & _ACK:
            out.append(frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS and not flags & _ACK:
            out.append(frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _RESET and payload == _NO_ERROR:
            pass  # the answer is complete, and the server doesn't wait for the rest of the question
        elif kind in (_RESET, _GOAWAY):
            raise ConnectionError(f"etcd ended a call: {whole!r}")


def run(address: tuple[str, int], path: str, bodies: Sequence[bytes], load: Load) -> Measured:
    """Put a load on etcd. `bodies` are gRPC messages (see `message`), taken in turn.

    Raises `ConnectionError`, `TimeoutError`, and `RuntimeError` when a call was refused.
    """
    peers = [Connection(address, path) for _ in range(load.connections)]
    poll = select.epoll()
    by_descriptor = {peer.socket.fileno(): peer for peer in peers}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN)
    latencies: list[float] = []
    asked = 0
    clock = time.perf_counter
    with contextlib.ExitStack() as stack:
        for peer in peers:
            stack.callback(peer.socket.close)
        began = clock()
        until = began + load.seconds
        for place, peer in enumerate(peers):
            out: list[bytes] = []
            for _ in range(place, load.clients, load.connections):
                peer.ask(bodies[asked % len(bodies)], out)
                asked += 1
            peer.socket.sendall(b"".join(out))
        while len(latencies) < asked:
            ready = poll.poll(ANSWER_TIMEOUT_S)
            if not ready:
                raise TimeoutError("etcd does not answer")
            for descriptor, _ in ready:
                peer = by_descriptor[descriptor]
                out = []
                ended = peer.receive(out)
                now = clock()
                for asked_at in ended:
                    latencies.append(now - asked_at)
                    if now < until and asked < load.calls_max:
                        peer.ask(bodies[asked % len(bodies)], out)
                        asked += 1
                if out:
                    peer.socket.sendall(b"".join(out))
        took_s = clock() - began
    refused = 2 * asked - sum(peer.header_frames for peer in peers)
    if refused:  # an answer begins with headers and ends with trailers, a refusal is trailers alone
        raise RuntimeError(f"etcd refused {refused} of {asked} calls")
    return Measured(asked, took_s, latencies)
