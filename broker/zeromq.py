"""The production world: ZeroMQ between processes, the operating system's clocks and randomness.

Sockets are read directly: their descriptors are registered with the event loop and drained without blocking until they
are empty (``zmq.asyncio`` was measured at a fifth of the speed). A ZeroMQ descriptor is edge-triggered and is shared by
reading and writing, so after every send the socket is asked whether there is something to read.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import zmq

from broker.bundle import BUNDLED_BYTES_MAX, Bundle, is_bundled, messages_in
from broker.chaos import ChaosFile
from broker.fabric import FabricContext
from broker.message import FRAME_BYTES_MAX, MalformedMessage, Outgoing, frames_of

#: Messages read from one socket before the loop turns to the others.
DRAIN_MAX: Final = 500
#: Messages that wait for a peer before further ones are dropped.
HIGH_WATER_MARK: Final = 20_000
RECONNECT_MS: Final = 10
RECONNECT_MAX_MS: Final = 100
LINGER_MS: Final = 300
#: Plain integers: pyzmq is given its enumerations' members at a price.
_NOBLOCK: Final = int(zmq.NOBLOCK)
_NOBLOCK_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
_EVENTS: Final = int(zmq.EVENTS)
_READABLE: Final = int(zmq.POLLIN)
#: How often an actor looks which faults are in force.
CHAOS_LOOK_S: Final = 0.2


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
        chaos_file: ChaosFile | None = None,
    ) -> None:
        """With a `chaos_file`, the faults that are in force are what it says, now and from now on."""
        super().__init__(name, random.SystemRandom(), asyncio.get_running_loop(), on_crash)
        self._endpoints = endpoints
        self._zmq = zmq.Context(io_threads=1)
        self._zmq.max_sockets = 4096
        self._router: zmq.Socket[bytes] | None = None
        self._dealers: dict[str, zmq.Socket[bytes]] = {}
        self._publisher: zmq.Socket[bytes] | None = None
        self._subscriber: zmq.Socket[bytes] | None = None
        self._looked_at_soon: set[zmq.Socket[bytes]] = set()
        self._outgoing: dict[str | bytes, Bundle] = {}
        """Messages of this turn of the loop: requests by their target, answers by their route."""
        self._in_turn = False
        """Whether this turn will end with a flush, so that nobody else need see to it."""
        if chaos_file is not None:
            self._follow_chaos(chaos_file)

    def _follow_chaos(self, chaos_file: ChaosFile) -> None:
        if self.closed:
            return
        chaos = chaos_file.read(time.time())
        if chaos is not self.chaos:
            self.set_chaos(chaos)
        self._loop.call_later(CHAOS_LOOK_S, self._follow_chaos, chaos_file)

    def wall_s(self) -> float:
        return time.time() + self._skew_s

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

    def _look_again(self, socket: zmq.Socket[bytes]) -> None:
        """After a send, which may have taken the descriptor's signal away: look soon if there is something."""
        if int(socket.getsockopt(_EVENTS)) & _READABLE:
            self._look_soon(socket)

    def _drain(self, socket: zmq.Socket[bytes]) -> None:
        """One turn: take in what waits at a socket, call back who wanted to be, send what all that led to."""
        self._looked_at_soon.discard(socket)
        if self.closed:
            return
        self._in_turn = self._drain_scheduled = True
        try:
            if self._take_waiting(socket):
                self._look_soon(socket)
        finally:
            self._drained()

    def _take_waiting(self, socket: zmq.Socket[bytes]) -> bool:
        """Take in the messages at a socket; answers whether there may be more."""
        route: bytes | None = None
        is_router = socket is self._router
        is_subscriber = socket is self._subscriber
        handled = 0
        while handled < DRAIN_MAX:
            if self.closed:
                return False
            try:
                frame = socket.recv(_NOBLOCK, False)
            except zmq.Again:
                return False
            # Not recv_multipart: asking a frame whether there are more is cheaper than asking the socket.
            frames = [frame.bytes]
            while frame.more:
                frame = socket.recv(_NOBLOCK, False)
                frames.append(frame.bytes)
            if is_router:
                route = frames.pop(0)
            elif is_subscriber:
                del frames[0]
            handled += self._receive_all(frames, route)
        return True

    def _receive_all(self, frames: list[bytes], route: bytes | None) -> int:
        """Take in a message or a bundle of them; answers how many."""
        if len(frames) != 1:
            self._receive(frames, route)
            return 1
        try:
            messages = messages_in(frames[0], self.wall_s())
        except MalformedMessage as error:
            print(f"dropped a malformed bundle: {error}", file=sys.stderr)  # noqa: T201 - the actor's log
            return 1
        self._take_in_all(messages, route)
        return len(messages)

    def _drained(self) -> None:
        self._in_turn = True
        try:
            super()._drained()
        finally:
            self._in_turn = False
            self._flush()

    def _send(self, socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
        # A full queue or a peer that is gone loses the message; requests are repeated, hints may be lost.
        try:
            for frame in frames[:-1]:
                socket.send(frame, _NOBLOCK_MORE)
            socket.send(frames[-1], _NOBLOCK)
        except zmq.Again:
            return

    def _post(self, way: str | bytes, outgoing: Outgoing, size: int) -> None:
        """Send soon, together with whatever else goes the same way."""
        if size > BUNDLED_BYTES_MAX and not is_bundled(outgoing[1], size):
            self._send_bundle(way)  # what was posted before goes first
            self._look_again(self._send_along(way, frames_of(*outgoing)))
            return
        bundle = self._outgoing.get(way)
        if bundle is None:
            if not self._outgoing and not self._in_turn:
                self._loop.call_soon(self._flush)
            bundle = self._outgoing[way] = Bundle()
        if bundle.add(outgoing, size):
            self._send_bundle(way)

    def _send_bundle(self, way: str | bytes) -> None:
        bundle = self._outgoing.pop(way, None)
        if bundle is not None:
            self._look_again(self._send_along(way, [bundle.frame()]))

    def _send_along(self, way: str | bytes, frames: list[bytes]) -> zmq.Socket[bytes]:
        """Send by the socket that goes there; answers that socket."""
        if isinstance(way, str):
            socket = self._dealers[way]
        else:
            assert self._router is not None
            socket = self._router
            frames = [way, *frames]
        self._send(socket, frames)
        return socket

    def _flush(self) -> None:
        """Send what was posted, and look once at each socket that it went by."""
        if self.closed or not self._outgoing:
            return
        outgoing, self._outgoing = self._outgoing, {}
        for socket in {self._send_along(way, [bundle.frame()]) for way, bundle in outgoing.items()}:
            self._look_again(socket)

    def _send_request(self, target: str, outgoing: Outgoing) -> None:
        if self.closed:
            return
        if target not in self._dealers:
            dealer = self._dealers[target] = self._socket(zmq.DEALER)
            dealer.connect(self._endpoints.actor(target))
            self._register(dealer)
        self._post(target, outgoing, sum(map(len, outgoing[1])))

    def _send_answer(self, route: bytes, outgoing: Outgoing, size: int) -> None:
        if not self.closed:
            self._post(route, outgoing, size)

    def _send_publication(self, topic: str, outgoing: Outgoing) -> None:
        if self.closed:
            return
        if self._publisher is None:
            self._publisher = self._socket(zmq.PUB)
            self._publisher.connect(self._endpoints.publish)
        self._flush()  # answers first: somebody waits for them
        contents = outgoing[1]
        if is_bundled(contents, size := sum(map(len, contents))):
            bundle = Bundle()
            bundle.add(outgoing, size)
            frames = [bundle.frame()]
        else:
            frames = frames_of(*outgoing)
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
        self._flush()
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
