"""``python -m store.etcd_api``: the store alone, served as etcd, in one process and without a cluster around it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
import threading
from pathlib import Path

from broker.process import run_broker
from broker.zeromq import Endpoints, ZeroMQContext
from store.actor import run as run_store
from store.etcd_api.actor import run as run_api
from store.etcd_api.listen import EtcdApiConfig
from store.memory_log import MemoryLog
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
    given = parser.parse_args()
    config = EtcdApiConfig(
        listen=given.listen,
        certificate_file=given.cert,
        key_file=given.key,
        client_ca_file=given.client_ca,
        progress_interval_s=given.progress_interval,
    )
    with tempfile.TemporaryDirectory(prefix="podchain-etcd-") as sockets:
        asyncio.run(_serve(config, given.data, sockets))


async def _serve(config: EtcdApiConfig, data: Path | None, sockets: str) -> None:
    def socket(name: str) -> str:
        return f"ipc://{sockets}/{name}"

    endpoints = Endpoints(socket("publish"), socket("subscribe"), socket)
    forwarding = (endpoints.publish, endpoints.subscribe, lambda: None)
    threading.Thread(target=run_broker, args=forwarding, daemon=True, name="broker").start()
    loop = asyncio.get_running_loop()
    end: asyncio.Future[None] = loop.create_future()

    def on_crash(error: BaseException) -> None:
        if not end.done():
            end.set_exception(error)

    contexts = [ZeroMQContext(name, endpoints, on_crash=on_crash) for name in ("store", "etcd-api")]
    log = SqliteLog(data) if data else MemoryLog()
    actors = [loop.create_task(run_store(contexts[0], log)), loop.create_task(run_api(contexts[1], config))]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.cancel)
    await asyncio.wait([end, *actors], return_when=asyncio.FIRST_COMPLETED)
    for actor in actors:
        if actor.done():
            actor.result()
        actor.cancel()
    await asyncio.wait(actors)
    for ctx in contexts:
        ctx.close()
    if end.done() and not end.cancelled():
        end.result()


if __name__ == "__main__":
    main()
