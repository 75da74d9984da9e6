"""The namespace controller's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from actors.apimachinery.meta import Key, is_being_deleted
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError
from actors.apimachinery.user import service_account_user
from actors.client.client import Client
from actors.client.controller import observe_results
from actors.client.discovery import discover
from actors.client.informer import Informer, InformerSet
from actors.client.rounds import Rounds, Taken
from actors.controllers.namespace.content import (
    CONFIG_MAPS,
    NAMESPACES,
    ROOT_CA,
    SERVICE_ACCOUNT,
    SERVICE_ACCOUNTS,
    contents,
    emptying,
    finalization,
    is_terminating,
    root_ca_config_map,
    service_account,
    status_update,
)
from broker.context import Context, RequestError
from broker.message import Cause

NAMESPACES_A_ROUND_MAX: Final = 16
#: Content that ends gracefully is looked at again after this long.
LOOK_AGAIN_S: Final = 0.5
RESYNC_S: Final = 300.0


#: The certificate authority is looked for so often until it is there.
ROOT_CA_LOOK_S: Final = 0.2

ReadRootCa = Callable[[], str]
"""The certificate of the cluster's authority, as PEM; empty as long as there is none."""


class NamespaceController:
    """One incarnation of the controller."""

    def __init__(self, ctx: Context, read_root_ca: ReadRootCa | None = None) -> None:
        self._ctx = ctx
        self._read_root_ca = read_root_ca
        self._root_ca = ""
        self._client = Client(ctx)
        self._accounts = self._client.acting_for(service_account_user("kube-system", "service-account-controller"))
        self._informers = InformerSet(self._client)
        self._rounds = Rounds(ctx, NAMESPACES_A_ROUND_MAX, self._begin)
        self._namespaces = self._informers.of(NAMESPACES)
        self._service_accounts = self._informers.of(SERVICE_ACCOUNTS)
        self._publisher = self._client.acting_for(service_account_user("kube-system", "root-ca-cert-publisher"))
        self._certificates: Informer | None = None
        if read_root_ca is not None:
            self._certificates = self._informers.of(CONFIG_MAPS, field_selector=f"metadata.name={ROOT_CA}")

    async def run(self) -> None:
        """Work for ever."""
        self._namespaces.on_event(lambda _kind, obj, _old: self._rounds.add(Key("", obj["metadata"]["name"])))
        for informer in (self._service_accounts, self._certificates):
            if informer is not None:
                informer.on_event(lambda _kind, obj, _old: self._rounds.add(Key("", obj["metadata"]["namespace"])))
        await self._informers.start()
        self._rounds.start()
        if self._read_root_ca is not None:
            self._ctx.spawn(self._await_root_ca(self._read_root_ca), "root certificate")
        while True:
            await self._ctx.sleep(RESYNC_S * (1 + self._ctx.random.random()))
            self._look_at_all()

    def _look_at_all(self) -> None:
        for obj in self._namespaces.items():
            self._rounds.add(Key("", obj["metadata"]["name"]))

    async def _await_root_ca(self, read: ReadRootCa) -> None:
        """The certificate authority is made while a cluster starts for the first time."""
        while not self._root_ca:
            self._root_ca = read()
            if not self._root_ca:
                await self._ctx.sleep(ROOT_CA_LOOK_S)
        self._look_at_all()

    def _begin(self, taken: Taken) -> None:
        for key, cause in taken:
            namespace = self._namespaces.get(key)
            if namespace is not None and (is_terminating(namespace) or self._missing(namespace)):
                self._ctx.spawn(self._work(key, cause, namespace), f"namespace {key}")
            else:
                self._rounds.queue.done(key, cause)

    def _missing(self, namespace: Object) -> list[tuple[Client, Operation]]:
        """What every namespace has and this one has not, and as whom it is written."""
        name = namespace["metadata"]["name"]
        writes: list[tuple[Client, Operation]] = []
        if is_being_deleted(namespace):
            return writes
        if self._service_accounts.get(Key(name, SERVICE_ACCOUNT)) is None:
            writes.append((self._accounts, service_account(name)))
        if self._root_ca and self._certificates is not None:
            known = self._certificates.get(Key(name, ROOT_CA))
            publication = root_ca_config_map(name, known, self._root_ca)
            if publication is not None:
                writes.append((self._publisher, publication))
        return writes

    async def _work(self, key: Key, cause: Cause, namespace: Object) -> None:
        with self._ctx.acting_on(cause):
            try:
                if is_terminating(namespace):
                    finished = await self._empty(namespace)
                else:
                    written = [await self._write([write], client) for client, write in self._missing(namespace)]
                    finished = all(written)
            except (RequestError, ApiError):
                self._rounds.queue.failed(key, cause)
                return
        if finished:
            self._rounds.queue.done(key, cause)
        else:
            self._rounds.queue.done(key, cause, LOOK_AGAIN_S)

    async def _write(self, operations: Sequence[Operation], client: Client | None = None) -> bool:
        results = await (client or self._client).batch(operations)
        observe_results(self._informers, operations, results)
        return all(result.ok for result in results)

    async def _empty(self, namespace: Object) -> bool:
        """Delete what is in it; whether nothing was left and the namespace was let go."""
        name = namespace["metadata"]["name"]
        resources = contents(await discover(self._client))
        results = await self._client.batch(emptying(name, resources))
        left, failures = _what_is_left(resources, results)
        if not failures and not any(left.values()):
            return await self._write([finalization(namespace)])
        status = status_update(namespace, left, failures, self._ctx.wall_s())
        if status != namespace.get("status"):
            await self._write([Operation("update", NAMESPACES, "", name, "status", {**namespace, "status": status})])
        return False


def _what_is_left(
    resources: Sequence[Resource], results: Sequence[Result]
) -> tuple[dict[str, Sequence[Object]], list[str]]:
    """By resource what the lists show, and what went wrong."""
    left: dict[str, Sequence[Object]] = {}
    failures: list[str] = []
    for resource, deletion, listed in zip(resources, results[::2], results[1::2], strict=True):
        # Not every known kind need be served; what is not served has no content.
        refused = [r.status for r in (deletion, listed) if not r.ok and r.code not in (404, 405) and r.status]
        failures.extend(str(status.get("message", "")) for status in refused)
        left[resource.group_resource] = listed.objects if listed.ok else ()
    return left, failures


async def run(ctx: Context, read_root_ca: ReadRootCa | None = None) -> None:
    """Run the namespace controller as an actor. With `read_root_ca` it publishes what that answers, once it does."""
    await NamespaceController(ctx, read_root_ca).run()
