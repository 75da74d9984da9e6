"""The broker: forwards publications to subscribers, in C.

Subscriptions travel upstream, so a publication that nobody wants does not leave its publisher. A subscriber that is too
slow overflows its own queue here and loses messages, which the revision chain shows it; nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import zmq

from broker.message import FRAME_BYTES_MAX
from broker.zeromq import HIGH_WATER_MARK

HEARTBEAT_S: Final = 0.25


def run_broker(publish_endpoint: str, subscribe_endpoint: str, heartbeat: Callable[[], None]) -> None:
    """Forward for ever; `heartbeat` is called several times a second. Raises when the endpoints can't be bound."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
    incoming: zmq.Socket[bytes] = context.socket(zmq.XSUB)
    outgoing: zmq.Socket[bytes] = context.socket(zmq.XPUB)
    for socket in (incoming, outgoing):
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
        socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
        socket.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)
    incoming.bind(publish_endpoint)
    outgoing.bind(subscribe_endpoint)
    forwarder = threading.Thread(target=zmq.proxy, args=(incoming, outgoing), daemon=True, name="forwarder")
    forwarder.start()
    while forwarder.is_alive():
        heartbeat()
        forwarder.join(HEARTBEAT_S)
    raise RuntimeError("the forwarder stopped")
