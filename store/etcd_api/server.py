"""The gRPC server: the shell between the network and the services."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from broker.context import Context, RequestFailed, RequestTimeout
from store.etcd_api.answers import Identity
from store.etcd_api.kv import KV
from store.etcd_api.lease import Lease
from store.etcd_api.listen import EtcdApiConfig
from store.etcd_api.maintenance import Auth, Cluster, Maintenance
from store.etcd_api.refusal import GRPC_OVERHEAD_BYTES, Refusal, refusal_of
from store.etcd_api.services import SERVICES, service_handler
from store.etcd_api.store_client import StoreClient
from store.etcd_api.watch_hub import WatchHub
from store.etcd_api.watch_stream import WatchStream
from store.transaction import TXN_BYTES_MAX

STOP_S: Final = 0.5
_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", TXN_BYTES_MAX + GRPC_OVERHEAD_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    # etcd's clients ping as often as every 5 s.
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class CannotListen(OSError):
    """The address is taken or not this machine's."""


async def serve(ctx: Context, config: EtcdApiConfig) -> None:
    """Serve until cancelled. Raises `CannotListen`, and `OSError` for a certificate that can't be read."""
    hub = WatchHub(ctx)
    await hub.start()
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers(_handlers(ctx, hub, config))
    try:
        if config.certificate_file:
            server.add_secure_port(config.listen, _credentials(config))
        else:
            server.add_insecure_port(config.listen)
    except RuntimeError as error:
        raise CannotListen(f"etcd API: cannot listen on {config.listen}: {error}") from error
    await server.start()
    try:
        await server.wait_for_termination()
    finally:
        await server.stop(STOP_S)


def _credentials(config: EtcdApiConfig) -> Any:
    pair = (Path(config.key_file).read_bytes(), Path(config.certificate_file).read_bytes())
    client_ca = Path(config.client_ca_file).read_bytes() if config.client_ca_file else None
    return grpc.ssl_server_credentials(
        [pair], root_certificates=client_ca, require_client_auth=bool(config.client_ca_file)
    )


def _handlers(ctx: Context, hub: WatchHub, config: EtcdApiConfig) -> tuple[Any, ...]:
    store = StoreClient(ctx)
    services = {
        "KV": KV(store, Identity.of(config.name)),
        "Lease": Lease(store, Identity.of(config.name)),
        "Maintenance": Maintenance(store, config),
        "Cluster": Cluster(store, config),
        "Auth": Auth(store, config),
    }
    handlers = []
    for name, service in services.items():
        behaviours = {
            method.name: _shell(method.kind, getattr(service, method.name))
            for method in SERVICES[name].values()
            if hasattr(service, method.name)
        }
        handlers.append(service_handler(name, behaviours))
    handlers.append(service_handler("Watch", {"Watch": _watch(ctx, hub, config)}))
    return tuple(handlers)


def _shell(kind: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A service's method as gRPC calls it: a `Refusal` becomes a status."""

    async def unary(request: Any, call: Any) -> Any:
        try:
            return await method(request)
        except Refusal as refusal:
            await call.abort(_STATUS_CODES[refusal.code], refusal.message)

    async def stream(request: Any, call: Any) -> AsyncIterator[Any]:
        try:
            async for response in method(request):
                yield response
        except Refusal as refusal:
            await call.abort(_STATUS_CODES[refusal.code], refusal.message)

    return unary if kind == "unary_unary" else stream


def _watch(ctx: Context, hub: WatchHub, config: EtcdApiConfig) -> Callable[..., Any]:
    async def watch(requests: AsyncIterator[Any], call: Any) -> None:
        stream = WatchStream(ctx, hub, Identity.of(config.name), config.progress_interval_s)
        tasks = [asyncio.ensure_future(_receive(stream, requests)), asyncio.ensure_future(_send(stream, call))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        except (RequestFailed, RequestTimeout) as error:
            refusal = refusal_of(error)
            await call.abort(_STATUS_CODES[refusal.code], refusal.message)
        except Refusal as refusal:
            await call.abort(_STATUS_CODES[refusal.code], refusal.message)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
            stream.close()

    return watch


async def _receive(stream: WatchStream, requests: AsyncIterator[Any]) -> None:
    async for request in requests:
        await stream.on_request(request)


async def _send(stream: WatchStream, call: Any) -> None:
    while True:
        await call.write(await stream.next_response())
