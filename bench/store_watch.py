"""One writer and many watchers, each with a connection of its own: when does the last one have what was written?"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

import etcd_clients
import msgpack
import store_clients
import zmq
from load import ANSWER_TIMEOUT_S, Load, Measured

from broker.zeromq import Endpoints
from store import protocol


def of_store(endpoints: Endpoints, bodies: Sequence[Sequence[bytes]], watchers: int, seconds: float) -> Measured:
    """Each watcher is a subscriber of the store's log."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.max_sockets = 4096
    sockets = []
    for _ in range(watchers):
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVTIMEO, int(ANSWER_TIMEOUT_S * 1000))
        socket.setsockopt(zmq.SUBSCRIBE, protocol.LOG_TOPIC.encode() + b"\0")
        socket.connect(endpoints.subscribe)
        sockets.append(socket)
    for socket in sockets:
        socket.recv_multipart()  # a progress mark: its subscription has reached the store

    def write_and_wait(number: int) -> None:
        body = bodies[number % len(bodies)]
        store_clients.run(endpoints.actor("store"), protocol.TXN, [body], Load(1, 1, 0.0))
        deadline = time.perf_counter() + ANSWER_TIMEOUT_S
        for socket in sockets:
            while not _has_values(socket.recv_multipart()):  # a progress mark
                if time.perf_counter() > deadline:
                    raise TimeoutError("a watcher was not told")

    try:
        return _repeat(write_and_wait, watchers, seconds)
    finally:
        for socket in sockets:
            socket.close(0)
        context.term()


def _has_values(frames: list[bytes]) -> bool:
    """Whether a publication (its topic and a bundle of one message) tells of changes."""
    _, ((_, *values),) = msgpack.unpackb(frames[1])
    return bool(values)


def of_etcd(
    address: tuple[str, int], bodies: Sequence[bytes], prefix: tuple[bytes, bytes], watchers: int, seconds: float
) -> Measured:
    """Each watcher is a watch of all keys of a prefix."""
    peers = [etcd_clients.Connection(address, "/etcdserverpb.Watch/Watch") for _ in range(watchers)]
    poll = select.epoll()
    by_descriptor = {peer.socket.fileno(): peer for peer in peers}
    for descriptor, peer in by_descriptor.items():
        poll.register(descriptor, select.EPOLLIN)
        out: list[bytes] = []
        create = etcd_clients.field(1, prefix[0]) + etcd_clients.field(2, prefix[1])
        peer.ask(etcd_clients.message(etcd_clients.field(1, create)), out, is_last=False)
        peer.socket.sendall(b"".join(out))
    expected = 0

    def wait() -> None:
        nonlocal expected
        expected += 1  # one message in one frame: first that the watch was made, then each event
        behind = {peer for peer in peers if peer.data_frames < expected}
        while behind:
            ready = poll.poll(ANSWER_TIMEOUT_S)
            if not ready:
                raise TimeoutError("etcd does not answer")
            for descriptor, _ in ready:
                peer = by_descriptor[descriptor]
                out: list[bytes] = []
                peer.receive(out)
                if out:
                    peer.socket.sendall(b"".join(out))
                if peer.data_frames >= expected:
                    behind.discard(peer)

    def write_and_wait(number: int) -> None:
        etcd_clients.run(address, "/etcdserverpb.KV/Put", [bodies[number % len(bodies)]], Load(1, 1, 0.0))
        wait()

    try:
        wait()
        return _repeat(write_and_wait, watchers, seconds)
    finally:
        for peer in peers:
            peer.socket.close()


def _repeat(write_and_wait: Callable[[int], None], watchers: int, seconds: float) -> Measured:
    write_and_wait(0)
    latencies = []
    began = asked = time.perf_counter()
    while asked < began + seconds:
        write_and_wait(len(latencies) + 1)
        now = time.perf_counter()
        latencies.append(now - asked)
        asked = now
    return Measured(len(latencies) * watchers, asked - began, latencies)
