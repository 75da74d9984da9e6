"""What every cluster has from the start: namespaces, priority classes, roles, the Service of the API server itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from actors.apimachinery.meta import key_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.status import ApiError
from actors.apiserver.admission import KUBERNETES_SERVICE_IP, SYSTEM_PRIORITY_CLASSES
from actors.apiserver.namespaces import BUILT_IN
from actors.apiserver.registry import Registry
from actors.apiserver.role_reconciliation import built_in_objects as built_in_rbac
from actors.apiserver.write import Outcome
from broker.context import Context

RETRY_S: Final = 0.1


def built_in_objects() -> list[list[tuple[str, Object]]]:
    """Resources and objects to be created, those that others need first."""
    namespaces = [
        ("v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}) for name in BUILT_IN
    ]
    others = [*(_priority_class(*row) for row in SYSTEM_PRIORITY_CLASSES), _kubernetes_service()]
    return [namespaces, [*others, *built_in_rbac()]]


def _priority_class(name: str, value: int, description: str) -> tuple[str, Object]:
    return "scheduling.k8s.io/v1/priorityclasses", {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "description": description,
    }


def _kubernetes_service() -> tuple[str, Object]:
    return "v1/services", {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": KUBERNETES_SERVICE_IP,
            "type": "ClusterIP",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    }


async def create_missing(ctx: Context, registry: Registry) -> None:
    """Create what isn't there; returns once all of it is. Raises `RuntimeError` when one is refused."""
    for stage in built_in_objects():
        missing = [(resource, obj) for resource, obj in stage if not registry.knows(resource, key_of(obj))]
        while missing:
            outcomes = await _create(ctx, registry, missing)
            failed = []
            for (resource, obj), outcome in zip(missing, outcomes, strict=True):
                if outcome.code >= 500:
                    failed.append((resource, obj))
                elif outcome.code >= 400 and outcome.code != 409:
                    raise RuntimeError(f"can't create {obj['kind']} {obj['metadata']['name']}: {outcome.status}")
            missing = failed
            if missing:
                await ctx.sleep(RETRY_S)


async def _create(ctx: Context, registry: Registry, objects: Sequence[tuple[str, Object]]) -> list[Outcome]:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[Outcome]] = []
    for resource, obj in objects:
        future: asyncio.Future[Outcome] = loop.create_future()
        futures.append(future)
        metadata = obj["metadata"]
        operation = Operation("create", resource, metadata.get("namespace", ""), metadata["name"], body=obj)
        call = registry.resolve(operation, ctx.next_id(), ctx.wall_s())
        try:
            registry.begin(call, future.set_result)
        except ApiError as error:
            future.set_result(Outcome.of_error(error))
    return list(await asyncio.gather(*futures))
