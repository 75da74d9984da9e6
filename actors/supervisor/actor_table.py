"""Which actors a cluster is made of, and in which order they start and stop.

Each actor's `load` imports its modules, so that they are loaded once, in the supervisor, just before the first actor
that needs them is forked. The order is that of the start: the broker and the store work already while the API server's
modules are being loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from typing import Any, Final

from actors.supervisor.actor_spec import ActorMain, ActorSpec
from actors.supervisor.cluster_config import ClusterConfig
from actors.supervisor.cluster_directory import ClusterDirectory
from actors.supervisor.heartbeat import Heartbeat

Run = Callable[..., Coroutine[Any, Any, None]]
Arguments = Callable[[], tuple[Any, ...]]

#: Who ends in which stage when the cluster is stopped: clients before servers.
CLIENTS, RUNTIMES, APISERVER, STORE, BROKER = range(5)

#: The gateway is alive before it loads its libraries: a cluster can be used while they are still being loaded.
GATEWAY_LOADS_AFTER_S: Final = 0.05

#: Actors that need nothing but a context, as ``module`` with a coroutine function ``run(ctx)``.
CONTROLLERS: Final = {
    "deployment-controller": "actors.controllers.deployment.actor",
    "replicaset-controller": "actors.controllers.replicaset.actor",
    "scheduler": "actors.scheduler.actor",
    "job-controller": "actors.controllers.job.actor",
    "garbage-collector": "actors.controllers.garbage_collector.actor",
    "node-lifecycle-controller": "actors.controllers.node_lifecycle.actor",
}


def actor_table(config: ClusterConfig, directory: ClusterDirectory) -> list[ActorSpec]:
    """The actors of a cluster, in the order of their start."""
    return [
        ActorSpec("broker", lambda: _broker(directory), BROKER),
        ActorSpec("store", lambda: _store(config, directory), STORE),
        ActorSpec("apiserver", lambda: _apiserver(directory), APISERVER),
        _spec("tracer", "actors.tracer.actor", directory, RUNTIMES),
        *_etcd_api(config, directory),
        *(spec for index in range(config.nodes) for spec in _node(index, config, directory)),
        *_hollow_nodes(config, directory),
        *(_spec(name, module, directory) for name, module in CONTROLLERS.items()),
        *_certificate_holders(config, directory),
        *_gateway(config, directory),
        ActorSpec("readiness", lambda: _readiness(config, directory), CLIENTS, one_shot=True),
    ]


def _spec(name: str, module: str, directory: ClusterDirectory, stop_stage: int = CLIENTS) -> ActorSpec:
    return ActorSpec(name, lambda: _main(name, import_module(module).run, directory), stop_stage)


def _main(
    name: str,
    run: Run,
    directory: ClusterDirectory,
    arguments: Arguments = tuple,
) -> ActorMain:
    """The main of an actor with a ZeroMQ context; `arguments` are made in its own process."""
    from actors.supervisor.process import asyncio_main
    from actors.supervisor.session import endpoints_of
    from broker.chaos import ChaosFile
    from broker.zeromq import ZeroMQContext

    endpoints = endpoints_of(directory)

    async def work(on_crash: Callable[[BaseException], None]) -> None:
        ctx = ZeroMQContext(name, endpoints, on_crash=on_crash, chaos_file=ChaosFile(directory.chaos_file))
        try:
            await run(ctx, *arguments())
        finally:
            ctx.close()

    return asyncio_main(work)


def _broker(directory: ClusterDirectory) -> ActorMain:
    from broker.process import run_broker

    def main(heartbeat: Heartbeat) -> None:
        run_broker(directory.publish_endpoint, directory.subscribe_endpoint, heartbeat.beat)

    return main


def _apiserver(directory: ClusterDirectory) -> ActorMain:
    from actors.apiserver.actor import run
    from actors.gateway.credential_files import CredentialFiles
    from actors.gateway.service_account_key import ServiceAccountKey

    async def with_key(ctx: Any, key: ServiceAccountKey) -> None:
        await run(ctx, token_key=key)

    path = CredentialFiles(directory.gateway).service_account_key
    return _main("apiserver", with_key, directory, lambda: (ServiceAccountKey(path),))


def _store(config: ClusterConfig, directory: ClusterDirectory) -> ActorMain:
    from store.retention import read_retention

    history = read_retention(config.auto_compaction_mode, config.auto_compaction_retention)
    if config.store == "etcd":
        from actors.supervisor import etcd_store

        return _main("store", etcd_store.run, directory, lambda: (etcd_store.etcd_config(config), history))
    from store.actor import run as run_store
    from store.disturbed_log import DisturbedLog
    from store.memory_log import MemoryLog
    from store.sqlite_log import SqliteLog

    def arguments() -> tuple[Any, ...]:
        log = MemoryLog() if config.store == "memory" else SqliteLog(directory.store_file, wal_room=True)
        return log, history, config.quota_backend_bytes

    async def run(ctx: Any, log: Any, *limits: Any) -> None:
        await run_store(ctx, DisturbedLog(log, ctx, time.sleep), *limits)

    return _main("store", run, directory, arguments)


def _node(index: int, config: ClusterConfig, directory: ClusterDirectory) -> list[ActorSpec]:
    """A node's two actors."""
    name = config.node_names[index]
    tokens = config.runtime == "process" and bool(config.gateway_port)

    def kubelet() -> ActorMain:
        from actors.kubelet.actor import run
        from actors.kubelet.config import NodeConfig

        return _main(f"kubelet-{name}", run, directory, lambda: (NodeConfig(name, index, tokens=tokens),))

    def runtime() -> ActorMain:
        from actors.runtime.actor import run

        if config.runtime == "process":
            from actors.runtime.process import ProcessDriver

            return _main(
                f"runtime-{name}",
                run,
                directory,
                lambda: (name, ProcessDriver(directory.data / "nodes" / name)),
            )
        from actors.runtime.sim import SimDriver

        return _main(f"runtime-{name}", run, directory, lambda: (name, SimDriver()))

    return [
        ActorSpec(f"runtime-{name}", runtime, RUNTIMES, owns_processes=config.runtime == "process"),
        ActorSpec(f"kubelet-{name}", kubelet, CLIENTS),
    ]


def _hollow_nodes(config: ClusterConfig, directory: ClusterDirectory) -> list[ActorSpec]:
    if config.hollow_nodes == 0:
        return []

    def load() -> ActorMain:
        from actors.kubelet.hollow import run

        return _main("hollow-nodes", run, directory, lambda: (config.hollow_nodes,))

    return [ActorSpec("hollow-nodes", load, CLIENTS)]


def _etcd_api(config: ClusterConfig, directory: ClusterDirectory) -> list[ActorSpec]:
    if not config.etcd_listen:
        return []

    def load() -> ActorMain:
        from store.etcd_api.actor import run
        from store.etcd_api.listen import EtcdApiConfig

        api = EtcdApiConfig(
            listen=config.etcd_listen,
            name=directory.name,
            certificate_file=config.etcd_cert,
            key_file=config.etcd_key,
            client_ca_file=config.etcd_client_ca,
        )
        return _main("etcd-api", run, directory, lambda: (api,))

    return [ActorSpec("etcd-api", load, RUNTIMES)]


def _certificate_holders(config: ClusterConfig, directory: ClusterDirectory) -> list[ActorSpec]:
    """The controllers that are given the cluster's certificate authority, when it has one."""

    def namespaces() -> ActorMain:
        from actors.controllers.namespace.actor import run
        from actors.gateway.credential_files import CredentialFiles

        read = CredentialFiles(directory.gateway).read_root_ca if config.gateway_port else None
        return _main("namespace-controller", run, directory, lambda: (read,))

    def certificates() -> ActorMain:
        from actors.controllers.certificate.actor import run
        from actors.gateway.certificate_signer import CertificateSigner

        return _main("certificate-controller", run, directory, lambda: (CertificateSigner(directory.gateway),))

    found = [ActorSpec("namespace-controller", namespaces, CLIENTS)]
    if config.gateway_port:
        found.append(ActorSpec("certificate-controller", certificates, CLIENTS))
    return found


def _gateway(config: ClusterConfig, directory: ClusterDirectory) -> list[ActorSpec]:
    """The gateways: all on one port, among whom the kernel shares the connections out."""
    if not config.gateway_port:
        return []

    def load(name: str, *, first: bool) -> ActorMain:
        # Its libraries are loaded in its own process: they would delay every actor that is started after it.
        async def run(ctx: Any) -> None:
            await ctx.sleep(GATEWAY_LOADS_AFTER_S)
            from actors.gateway.actor import run as run_gateway
            from actors.gateway.listener import gateway_arguments

            arguments = await gateway_arguments(
                directory.gateway, directory.name, config.gateway_port, makes_credentials=first
            )
            await run_gateway(ctx, *arguments)

        return _main(name, run, directory)

    names = ["gateway", *(f"gateway-{number}" for number in range(2, config.gateways + 1))]
    return [ActorSpec(name, partial(load, name, first=name == names[0]), CLIENTS) for name in names]


def _readiness(config: ClusterConfig, directory: ClusterDirectory) -> ActorMain:
    from actors.supervisor.readiness import run

    return _main("readiness", run, directory, lambda: (config.nodes + config.hollow_nodes,))
