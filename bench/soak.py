"""Endless updates of a store that compacts by itself: do its memory and its files level off?

    python bench/soak.py [--seconds 60] [--retention 50000] [--mode revision]

The store is its own process (SQLite, full sync), asked over ZeroMQ by coroutines that put, delete and create keys and
grant and revoke leases as fast as they are answered. A line a row: what the store's process and files take up. The last
line compares the largest figures of the last third with those of the third before; the exit code is 1 when one of them
still grows by more than a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from broker.zeromq import Endpoints, ZeroMQContext
from store import protocol
from store.actor import run as run_store
from store.retention import read_retention
from store.sqlite_log import SqliteLog

CLIENTS = 50
ROWS = 30
#: What is compared may be larger by so much, or by a noise floor.
GROWTH_MAX = 1.1
NOISE_BYTES = 8 * 1024 * 1024


class Row(NamedTuple):
    """Sizes are in bytes."""

    at_s: float
    revision: int
    keys: int
    memory: int
    history: int
    database: int
    in_use: int
    wal: int


def endpoints(directory: str) -> Endpoints:
    return Endpoints(f"ipc://{directory}/.pub", f"ipc://{directory}/.sub", lambda name: f"ipc://{directory}/{name}")


def fail(error: BaseException) -> None:
    raise error


def serve(directory: str, mode: str, retention: str) -> None:
    async def act() -> None:
        ctx = ZeroMQContext("store", endpoints(directory), on_crash=fail)
        await run_store(ctx, SqliteLog(Path(directory, "log")), read_retention(mode, retention))

    asyncio.run(act())


async def update(ctx: ZeroMQContext, chance: random.Random, keys: int, value_bytes: int) -> None:
    """One client, for ever."""
    while True:
        key = b"/registry/soak/%08d" % chance.randrange(keys)
        dice = chance.random()
        if dice < 0.02:
            lease = (await ctx.request("store", protocol.LEASE_GRANT, {"id": 0, "ttl_s": 600})).body["id"]
            row = [[], [["put", b"/leased/%d" % lease, lease]], [], "soak"]
            await ctx.request("store", protocol.TXN, [row], [b"x"])
            await ctx.request("store", protocol.LEASE_REVOKE, {"id": lease})
        elif dice < 0.1:
            await ctx.request("store", protocol.TXN, [[[], [["delete", key, b""]], [], "soak"]])
        else:
            value = chance.randbytes(chance.randrange(2 * value_bytes))
            await ctx.request("store", protocol.TXN, [[[], [["put", key, 0]], [], "soak"]], [value])


async def look(ctx: ZeroMQContext, process: psutil.Process, directory: str, began: float) -> Row:
    status = (await ctx.request("store", protocol.STATUS)).body
    wal = Path(directory, "log-wal")
    return Row(
        time.monotonic() - began,
        status["revision"],
        status["keys"],
        process.memory_info().rss,
        status["history_bytes"],
        status["log_bytes"],
        status["log_bytes_in_use"],
        wal.stat().st_size if wal.exists() else 0,
    )


def shown(row: Row) -> str:
    sizes = "  ".join(f"{size / 1024**2:8.1f}" for size in row[3:])
    return f"{row.at_s:8.0f} {row.revision:10d} {row.keys:7d}  {sizes}"


async def soak(given: argparse.Namespace, directory: str, pid: int) -> list[Row]:
    ctx = ZeroMQContext("client", endpoints(directory), on_crash=fail)
    process = psutil.Process(pid)
    chance = random.Random(1)
    await ctx.request("store", protocol.STATUS)
    clients = [asyncio.ensure_future(update(ctx, chance, given.keys, given.value_bytes)) for _ in range(CLIENTS)]
    began = time.monotonic()
    rows = []
    print("       s   revision    keys  memory/MB   history  database   in use       WAL", flush=True)
    for _ in range(ROWS):
        done, _ = await asyncio.wait(clients, timeout=given.seconds / ROWS, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        rows.append(await look(ctx, process, directory, began))
        print(shown(rows[-1]), flush=True)
    for task in clients:
        task.cancel()
    ctx.close()
    return rows


def levels_off(rows: list[Row]) -> bool:
    """Whether nothing grows any more in the last third."""
    middle, last = rows[len(rows) // 3 : 2 * len(rows) // 3], rows[2 * len(rows) // 3 :]
    level = True
    for name in ("memory", "history", "database", "in_use", "wal"):
        before, after = (max(getattr(row, name) for row in part) for part in (middle, last))
        grows = after > max(before * GROWTH_MAX, before + NOISE_BYTES)
        level = level and not grows
        print(f"{name}: {before / 1024**2:.1f} MB, then {after / 1024**2:.1f} MB{' GROWS' if grows else ''}")
    return level


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--mode", choices=("revision", "periodic"), default="revision")
    parser.add_argument("--retention", default="50000", help="as for --auto-compaction-retention")
    parser.add_argument("--keys", type=int, default=5000)
    parser.add_argument("--value-bytes", type=int, default=1000, help="on the average")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podchain-soak-") as directory:
        server = multiprocessing.get_context("fork").Process(
            target=serve, args=(directory, given.mode, given.retention), daemon=True
        )
        server.start()
        try:
            rows = asyncio.run(soak(given, directory, server.pid or 0))
        finally:
            server.kill()
            server.join()
    return 0 if levels_off(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
