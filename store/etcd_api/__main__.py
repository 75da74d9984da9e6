"""``python -m store.etcd_api``: the store alone, served as etcd, without a cluster around it.

Two processes: the store waits for its disk in one, while the other takes requests in, which then share a commit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from broker.context import Context
from broker.process import run_broker
from broker.zeromq import Endpoints, ZeroMQContext
from store.actor import run as run_store
from store.etcd_api.actor import run as run_api
from store.etcd_api.listen import EtcdApiConfig
from store.etcd_api.restore import SnapshotRefused, restore
from store.memory_log import MemoryLog
from store.retention import HistoryLimits, InvalidRetention, read_retention
from store.sqlite_log import SqliteLog


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m store.etcd_api", description=main.__doc__)
    parser.add_argument("--listen", default="127.0.0.1:2379", metavar="HOST:PORT")
    parser.add_argument("--data", type=Path, help="the SQLite file; without it, everything is gone at the end")
    parser.add_argument("--cert", default="", help="TLS certificate (PEM)")
    parser.add_argument("--key", default="", help="its key")
    parser.add_argument("--client-ca", default="", help="clients must show a certificate that this one has signed")
    parser.add_argument("--progress-interval", type=float, default=600.0, metavar="S", help="of quiet watches")
    parser.add_argument("--restore", type=Path, metavar="SNAPSHOT", help="first make the --data file of a snapshot")
    parser.add_argument("--skip-hash-check", action="store_true", help="restore a database that was merely copied, too")
    parser.add_argument("--quota-backend-bytes", type=int, default=0, metavar="BYTES", help="0: 2 GiB; negative: none")
    parser.add_argument("--auto-compaction-mode", choices=("periodic", "revision"), default="periodic")
    parser.add_argument(
        "--auto-compaction-retention",
        default="",
        metavar="N",
        help="1h, 30m, or a number of hours or revisions; 0: keep all. Without it the last 50,000 revisions are kept",
    )
    given = parser.parse_args()
    try:
        history = read_retention(given.auto_compaction_mode, given.auto_compaction_retention)
    except InvalidRetention as error:
        parser.error(str(error))
    if given.restore is not None:
        if given.data is None:
            parser.error("--restore needs --data")
        try:
            restore(given.restore, given.data, skip_hash_check=given.skip_hash_check)
        except SnapshotRefused as error:
            parser.exit(1, f"{parser.prog}: {error}\n")
    config = EtcdApiConfig(
        listen=given.listen,
        certificate_file=given.cert,
        key_file=given.key,
        client_ca_file=given.client_ca,
        progress_interval_s=given.progress_interval,
    )
    with tempfile.TemporaryDirectory(prefix="podchain-etcd-") as sockets:
        endpoints = Endpoints(
            f"ipc://{sockets}/publish", f"ipc://{sockets}/subscribe", lambda name: f"ipc://{sockets}/{name}"
        )
        store_pid, lifeline = _fork_store(endpoints, given.data, history, given.quota_backend_bytes)
        forwarding = (endpoints.publish, endpoints.subscribe, lambda: None)
        threading.Thread(target=run_broker, args=forwarding, daemon=True, name="broker").start()
        try:
            asyncio.run(_act("etcd-api", endpoints, lambda ctx: run_api(ctx, config), store_pid))
        finally:
            os.close(lifeline)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(store_pid, 0)


def _fork_store(endpoints: Endpoints, data: Path | None, history: HistoryLimits, quota_bytes: int) -> tuple[int, int]:
    """The store's process, and a descriptor: when it is closed, as it is when this process dies, the store ends."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reading)
        return pid, writing
    os.close(writing)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells the end

    def end_with_parent() -> None:
        os.read(reading, 1)
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True, name="lifeline").start()
    log = SqliteLog(data, wal_room=True) if data else MemoryLog()
    try:
        asyncio.run(_act("store", endpoints, lambda ctx: run_store(ctx, log, history, quota_bytes)))
    except BaseException:
        traceback.print_exc()
    os._exit(1)


async def _act(
    name: str, endpoints: Endpoints, run: Callable[[Context], Coroutine[Any, Any, None]], store_pid: int = 0
) -> None:
    """Be one actor until SIGTERM or SIGINT, or until the store's process ends."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[None] = loop.create_future()

    def on_crash(error: BaseException) -> None:
        if not end.done():
            end.set_exception(error)

    def on_child_end() -> None:
        if not end.done() and os.waitpid(store_pid, os.WNOHANG) != (0, 0):
            end.set_exception(RuntimeError("the store ended"))

    if store_pid:
        loop.add_signal_handler(signal.SIGCHLD, on_child_end)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end.cancel)
    ctx = ZeroMQContext(name, endpoints, on_crash=on_crash)
    actor = loop.create_task(run(ctx))
    await asyncio.wait([end, actor], return_when=asyncio.FIRST_COMPLETED)
    if actor.done():
        actor.result()
    actor.cancel()
    await asyncio.wait([actor])
    ctx.close()
    if end.done() and not end.cancelled():
        end.result()


if __name__ == "__main__":
    main()
