"""The production world: ZeroMQ between processes, the operating system's clocks and randomness.

Sockets are read directly: their descriptors are registered with the event loop and drained without blocking until they
are empty (``zmq.asyncio`` was measured at a fifth of the speed). A ZeroMQ descriptor is edge-triggered and is shared by
reading and writing, so after every send the socket is looked at once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import zmq

from broker.fabric import FabricContext
from broker.faults import FaultPolicy
from broker.message import FRAME_BYTES_MAX

#: Messages read from one socket before the loop turns to the others.
DRAIN_MAX: Final = 500
#: Messages that wait for a peer before further ones are dropped.
HIGH_WATER_MARK: Final = 20_000
RECONNECT_MS: Final = 10
RECONNECT_MAX_MS: Final = 100
LINGER_MS: Final = 300


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the sockets of a cluster are."""

    publish: str
    subscribe: str
    actor: Callable[[str], str]
    """Where the actor of a name answers requests."""


class ZeroMQContext(FabricContext):
    """A context over ZeroMQ. Create it inside the running event loop of the actor's process, after any fork."""

    def __init__(
        self,
        name: str,
        endpoints: Endpoints,
        *,
        on_crash: Callable[[BaseException], None],
        faults: FaultPolicy | None = None,
        fault_seed: int | None = None,
    ) -> None:
        super().__init__(name, random.SystemRandom(), asyncio.get_running_loop(), on_crash, faults, fault_seed)
        self._endpoints = endpoints
        self._zmq = zmq.Context(io_threads=1)
        self._zmq.max_sockets = 4096
        self._router: zmq.Socket[bytes] | None = None
        self._dealers: dict[str, zmq.Socket[bytes]] = {}
        self._publisher: zmq.Socket[bytes] | None = None
        self._subscriber: zmq.Socket[bytes] | None = None
        self._looked_at_soon: set[zmq.Socket[bytes]] = set()

    def wall_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._zmq.socket(kind)
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
        socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        socket.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)
        return socket

    def _register(self, socket: zmq.Socket[bytes]) -> None:
        self._loop.add_reader(socket.fileno(), self._drain, socket)
        self._look_soon(socket)

    def _look_soon(self, socket: zmq.Socket[bytes]) -> None:
        if socket not in self._looked_at_soon:
            self._looked_at_soon.add(socket)
            self._loop.call_soon(self._drain, socket)

    def _drain(self, socket: zmq.Socket[bytes]) -> None:
        self._looked_at_soon.discard(socket)
        is_router = socket is self._router
        is_subscriber = socket is self._subscriber
        for _ in range(DRAIN_MAX):
            if self.closed:
                return
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if is_router:
                self._receive(frames[1:], frames[0])
            elif is_subscriber:
                self._receive(frames[1:], None)
            else:
                self._receive(frames, None)
        self._look_soon(socket)

    def _send(self, socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
        # A full queue or a peer that is gone loses the message; requests are repeated, hints may be lost.
        with contextlib.suppress(zmq.Again):
            socket.send_multipart(frames, zmq.NOBLOCK)

    def _send_request(self, target: str, frames: list[bytes]) -> None:
        if self.closed:
            return
        dealer = self._dealers.get(target)
        if dealer is None:
            dealer = self._dealers[target] = self._socket(zmq.DEALER)
            dealer.connect(self._endpoints.actor(target))
            self._register(dealer)
        self._send(dealer, frames)
        self._look_soon(dealer)

    def _send_answer(self, route: bytes, frames: list[bytes]) -> None:
        if self._router is not None and not self.closed:
            self._send(self._router, [route, *frames])
            self._look_soon(self._router)

    def _send_publication(self, topic: str, frames: list[bytes]) -> None:
        if self.closed:
            return
        if self._publisher is None:
            self._publisher = self._socket(zmq.PUB)
            self._publisher.connect(self._endpoints.publish)
        self._send(self._publisher, [_topic_frame(topic), *frames])

    def _open_server(self) -> None:
        self._router = self._socket(zmq.ROUTER)
        # A client that was restarted comes with the same name on a new connection: the newest wins.
        self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._router.bind(self._endpoints.actor(self.name))
        self._register(self._router)
        if self._publisher is None:
            # Connected early, so that subscriptions have arrived by the time there is something to say.
            self._publisher = self._socket(zmq.PUB)
            self._publisher.connect(self._endpoints.publish)

    def _set_subscribed(self, topic: str, subscribed: bool) -> None:
        if self._subscriber is None:
            self._subscriber = self._socket(zmq.SUB)
            self._subscriber.connect(self._endpoints.subscribe)
            self._register(self._subscriber)
        self._subscriber.setsockopt(zmq.SUBSCRIBE if subscribed else zmq.UNSUBSCRIBE, _topic_frame(topic))
        self._look_soon(self._subscriber)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        sockets = [self._router, self._publisher, self._subscriber, *self._dealers.values()]
        for socket in sockets:
            if socket is None:
                continue
            if socket is not self._publisher:
                self._loop.remove_reader(socket.fileno())
            socket.close()
        self._zmq.term()


def _topic_frame(topic: str) -> bytes:
    """What subscriptions match by prefix; the closing zero byte makes the match exact."""
    return topic.encode() + b"\0"
