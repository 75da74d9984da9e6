"""Clients of our store that cost next to nothing, so that a benchmark measures the store and not them.

They speak the fabric's and the store's protocol with bodies made beforehand. Each client has one request under way: a
message of its own with an id of its own, answered by a message of its own. The clients share a few connections, and
what one connection has to say at once travels as a bundle, as with every actor (`broker.bundle`). Or else the clients'
transactions are grouped as the API server does it with those of its own clients: what a connection has to ask at once
is one request, in whose answer each transaction has its own.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Any, Final

import msgpack
import zmq
from load import ANSWER_TIMEOUT_S, Load, Measured

from broker.bundle import Bundle
from broker.message import KIND_REPLY, KIND_REQUEST, NO_CAUSE, VERSION, unpack

_NOBLOCK: Final = int(zmq.NOBLOCK)
_ARRAY_HEAD: Final = struct.Struct(">BH")
_ARRAY_16: Final = 0xDC


class _Connection:
    """One DEALER socket and the clients that share it."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, method: str, *, is_grouping: bool
    ) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)
        self._id_prefix = f"bench.{os.urandom(4).hex()}."
        self._count = 0
        self._asked_at: dict[str, list[float]] = {}
        self._bundle: Bundle | None = None
        self._group: list[tuple[list[bytes], float]] | None = [] if is_grouping else None
        self._method = method

    def ask(self, contents: list[bytes], now: float) -> None:
        """Put a request into what `send` sends."""
        if self._group is None:
            self._put_into_bundle(contents, [now])
        else:
            self._group.append((contents, now))

    def _put_into_bundle(self, contents: list[bytes], asked_at: list[float]) -> None:
        self._count += 1
        request_id = f"{self._id_prefix}{self._count}"
        self._asked_at[request_id] = asked_at
        if self._bundle is None:
            self._bundle = Bundle()
        header = VERSION, KIND_REQUEST, request_id, self._method, "bench", NO_CAUSE
        if self._bundle.add((header, contents), sum(map(len, contents))):
            self._send_bundle()

    def send(self) -> None:
        """Send what was asked."""
        if self._group:
            # A body is an array of one transaction; they become one array.
            head = _ARRAY_HEAD.pack(_ARRAY_16, len(self._group))
            body = b"".join((head, *(contents[0][1:] for contents, _ in self._group)))
            values = [value for contents, _ in self._group for value in contents[1:]]
            self._put_into_bundle([body, *values], [asked_at for _, asked_at in self._group])
            self._group = []
        self._send_bundle()

    def _send_bundle(self) -> None:
        if self._bundle is not None:
            self.socket.send(self._bundle.frame())
            self._bundle = None

    def receive(self) -> list[float] | None:
        """Read what is there; answers when each request that is answered now was asked, None for nothing there."""
        try:
            frames = self.socket.recv_multipart(_NOBLOCK)
        except zmq.Again:
            return None
        headers: list[Any]
        if len(frames) == 1:
            headers, contents = msgpack.unpackb(frames[0])
        else:
            headers, contents = [msgpack.unpackb(frames[0])], [frames[1:]]
        ended: list[float] = []
        for header, content in zip(headers, contents, strict=True):
            if header[1] != KIND_REPLY:
                raise RuntimeError(f"the store refused: {unpack(content[0])}")
            ended += self._asked_at.pop(header[2])
        return ended


def run(
    endpoint: str, method: str, bodies: Sequence[list[bytes]], load: Load, *, is_grouping: bool = False
) -> Measured:
    """Put a load on the store. `bodies` are the contents of requests (one transaction each when grouping), in turn.

    Raises `TimeoutError`, and `RuntimeError` when a request was refused.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.max_sockets = 4096
    peers = [_Connection(context, endpoint, method, is_grouping=is_grouping) for _ in range(load.connections)]
    poll = select.epoll()
    by_descriptor = {peer.socket.fileno(): peer for peer in peers}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.EPOLLIN | select.EPOLLET)
    latencies: list[float] = []
    asked = 0
    clock = time.perf_counter
    began = clock()
    until = began + load.seconds
    for place, peer in enumerate(peers):
        for _ in range(place, load.clients, load.connections):
            peer.ask(bodies[asked % len(bodies)], clock())
            asked += 1
        peer.send()
    ready = list(by_descriptor)
    while len(latencies) < asked:
        for descriptor in ready:
            peer = by_descriptor[descriptor]
            while (ended := peer.receive()) is not None:
                now = clock()
                for asked_at in ended:
                    latencies.append(now - asked_at)
                    if now < until and asked < load.calls_max:
                        peer.ask(bodies[asked % len(bodies)], now)
                        asked += 1
                peer.send()
        if len(latencies) < asked:
            ready = [descriptor for descriptor, _ in poll.poll(ANSWER_TIMEOUT_S)]
            if not ready:
                raise TimeoutError("the store does not answer")
    took_s = clock() - began
    for peer in peers:
        peer.socket.close()
    context.term()
    return Measured(asked, took_s, latencies)
