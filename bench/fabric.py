"""Round trips and publications a second between two processes, beside raw ZeroMQ in the same run.

    python bench/fabric.py

The raw figures send the same frames with bare sockets and no envelope: the machine's limit for this design.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import zmq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from broker.message import Request
from broker.zeromq import Endpoints, ZeroMQContext

PAYLOAD = b"x" * 1024
ROUND_TRIPS = 20_000
IN_FLIGHT = 64


def endpoints(directory: str) -> Endpoints:
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def fail(error: BaseException) -> None:
    raise error


def serve(directory: str) -> None:
    async def run() -> None:
        ctx = ZeroMQContext("server", endpoints(directory), on_crash=fail)

        def echo(request: Request) -> None:
            request.reply(None, request.blobs)

        ctx.serve("echo", echo)
        await asyncio.Event().wait()

    asyncio.run(run())


def serve_raw(directory: str) -> None:
    socket = zmq.Context().socket(zmq.ROUTER)
    socket.bind(f"ipc://{directory}/raw")
    while True:
        socket.send_multipart(socket.recv_multipart())


async def ours(directory: str) -> tuple[float, float]:
    ctx = ZeroMQContext("client", endpoints(directory), on_crash=fail)
    await ctx.request("server", "echo")
    began = time.perf_counter()
    for _ in range(2000):
        await ctx.request("server", "echo", None, [PAYLOAD])
    latency_s = (time.perf_counter() - began) / 2000
    left = iter(range(ROUND_TRIPS))

    async def worker() -> None:
        for _ in left:
            await ctx.request("server", "echo", None, [PAYLOAD])

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    rate = ROUND_TRIPS / (time.perf_counter() - began)
    ctx.close()
    return latency_s, rate


def raw(directory: str) -> tuple[float, float]:
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(f"ipc://{directory}/raw")
    frames = [b"id", b"header", PAYLOAD]
    socket.send_multipart(frames)
    socket.recv_multipart()
    began = time.perf_counter()
    for _ in range(2000):
        socket.send_multipart(frames)
        socket.recv_multipart()
    latency_s = (time.perf_counter() - began) / 2000
    began = time.perf_counter()
    for _ in range(IN_FLIGHT):
        socket.send_multipart(frames)
    for _ in range(ROUND_TRIPS - IN_FLIGHT):
        socket.recv_multipart()
        socket.send_multipart(frames)
    rate = ROUND_TRIPS / (time.perf_counter() - began)
    return latency_s, rate


def main() -> None:
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="podchain-bench-") as directory:
        servers = [spawn.Process(target=target, args=(directory,), daemon=True) for target in (serve, serve_raw)]
        for server in servers:
            server.start()
        latency_s, rate = asyncio.run(ours(directory))
        raw_latency_s, raw_rate = raw(directory)
        for server in servers:
            server.kill()
    print(f"{'1 KiB ECHO':<28}{'PODCHAIN':>12}{'RAW ZEROMQ':>12}{'RATIO':>8}")
    print(f"{'one at a time, each':<28}{latency_s * 1e6:>9.0f} us{raw_latency_s * 1e6:>9.0f} us", end="")
    print(f"{latency_s / raw_latency_s:>8.2f}")
    print(f"{f'{IN_FLIGHT} in flight, a second':<28}{rate:>12.0f}{raw_rate:>12.0f}{rate / raw_rate:>8.2f}")


if __name__ == "__main__":
    main()
