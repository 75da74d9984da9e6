"""The `etcd-api` actor: etcd's API for the store, so that etcd's clients and tools work."""

from __future__ import annotations

from broker.context import Context
from store.etcd_api.listen import EtcdApiConfig


async def run(ctx: Context, config: EtcdApiConfig) -> None:
    """Serve until stopped."""
    # Here and not above: gRPC is loaded in this process alone, never in one that forks.
    from store.etcd_api.server import serve

    await serve(ctx, config)
