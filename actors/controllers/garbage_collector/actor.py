"""The garbage collector's loop: informers on everything that has owners, a work queue, and a last look before deleting.

An owner that the informers don't show may only not have arrived yet, or be of a kind that isn't watched here; so before
an object is deleted its owners are read from the API server itself, as Kubernetes' collector does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from actors.apimachinery.meta import Key, is_being_deleted, key_of, uid_of
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.resources import Resource
from actors.apimachinery.stream import DELETED
from actors.client.client import Client
from actors.client.controller import observe_results, settled
from actors.client.discovery import Discovery
from actors.client.informer import Informer, InformerSet
from actors.client.rounds import Rounds, Taken
from actors.controllers.garbage_collector.collection import (
    FOREGROUND,
    ORPHAN,
    Item,
    OwnerKey,
    OwnerState,
    Reference,
    collect,
    ended_owner_key,
    owner_key,
    owner_uids,
    state_of,
)
from broker.context import Context, RequestError
from broker.message import Cause

#: The built-in kinds whose objects have owners in practice, watched beside every custom resource. Objects of other
#: kinds are never collected; as owners they count.
WATCHED: Final = (
    "v1/pods",
    "apps/v1/replicasets",
    "apps/v1/deployments",
    "apps/v1/statefulsets",
    "apps/v1/daemonsets",
    "apps/v1/controllerrevisions",
    "batch/v1/jobs",
    "batch/v1/cronjobs",
    "v1/configmaps",
    "v1/secrets",
    "v1/services",
    "v1/persistentvolumeclaims",
    "discovery.k8s.io/v1/endpointslices",
    "coordination.k8s.io/v1/leases",
    "v1/nodes",
)
OWNER_INDEX: Final = "owner"
ITEMS_A_ROUND_MAX: Final = 64
RESYNC_S: Final = 600.0


class GarbageCollector:
    """One incarnation of the collector."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._client = Client(ctx)
        self._informers = InformerSet(self._client)
        self._discovery = Discovery(self._informers)
        self._watched: list[str] = []
        self._ended: dict[tuple[str, str], Resource] = {}
        """Custom resources whose definition was deleted, by apiVersion and kind."""
        self._rounds = Rounds(ctx, ITEMS_A_ROUND_MAX, self._begin)
        self._queue = self._rounds.queue

    async def run(self) -> None:
        """Collect for ever."""
        for resource in WATCHED:
            self._watch(resource)
        self._discovery.on_change(self._on_resources)
        await self._informers.start()
        self._look_at_everything()
        self._rounds.start()
        while True:
            await self._ctx.sleep(RESYNC_S * (1 + self._ctx.random.random()))
            self._look_at_everything()

    def _watch(self, resource: str) -> Informer:
        informer = self._informers.of(resource)
        informer.add_index(OWNER_INDEX, owner_uids)
        informer.on_event(self._handler(resource))
        self._watched.append(resource)
        return informer

    def _on_resources(self, before: list[Resource], now: list[Resource]) -> None:
        """A definition's resources changed: its objects are watched in the preferred version."""
        old, new = (before[0].key if before else ""), (now[0].key if now else "")
        if old == new:
            return
        if old:
            self._cease_to_watch(before)
        if new:
            self._ctx.spawn(self._watch(new).start(), f"watch {new}")

    def _cease_to_watch(self, resources: list[Resource]) -> None:
        """A definition is gone, and its objects with it, even those whose end hasn't been told yet."""
        key, custom = resources[0].key, resources[0].custom
        self._watched.remove(key)
        self._informers.forget(key)
        if custom is None or self._discovery.definitions.get(Key("", custom.crd_name)) is not None:
            return  # only not served any more: its objects are still there
        self._ended.update(((resource.api_version, resource.kind), resource) for resource in resources)
        self._look_at_everything()

    def _owner_key(self, item: Item, reference: Reference) -> OwnerKey | None:
        return owner_key(self._discovery.table, item, reference) or ended_owner_key(self._ended, item, reference)

    def _look_at_everything(self) -> None:
        for resource in self._watched:
            for obj in self._informers.of(resource).items():
                self._consider(resource, obj)

    def _handler(self, resource: str) -> Callable[[str, Object, Object | None], None]:
        def handle(kind: str, obj: Object, _old: Object | None) -> None:
            if kind == DELETED:
                self._add_dependents(obj)
                self._add_owners(resource, obj)
            else:
                self._consider(resource, obj)

        return handle

    def _consider(self, resource: str, obj: Object) -> None:
        """Queue an object if there may be something to do about it."""
        finalizers = obj["metadata"].get("finalizers") or ()
        if is_being_deleted(obj) and (FOREGROUND in finalizers or ORPHAN in finalizers):
            self._add(resource, obj)
            self._add_dependents(obj)
        elif not is_being_deleted(obj) and any(
            state is not OwnerState.SOLID for state in self._known_states(Item(resource, obj))
        ):
            self._add(resource, obj)

    def _known_states(self, item: Item) -> list[OwnerState]:
        """How the references stand as far as the informers show."""
        return [state_of(reference, self._known_owner(item, reference)) for reference in item.references]

    def _known_owner(self, item: Item, reference: Reference) -> Item | None:
        key = self._owner_key(item, reference)
        if key is None:
            return None
        resource, namespace, name = key
        informer = self._informers.whole(resource)
        obj = informer.get(Key(namespace, name)) if informer is not None else None
        return Item(resource, obj) if obj is not None else None

    def _dependents(self, uid: str) -> list[Item]:
        return [
            Item(resource, obj)
            for resource in self._watched
            for obj in self._informers.of(resource).by_index(OWNER_INDEX, uid)
        ]

    def _add_dependents(self, owner: Object) -> None:
        for item in self._dependents(uid_of(owner)):
            self._add(item.resource, item.object)

    def _add_owners(self, resource: str, dependent: Object) -> None:
        """A dependent is gone: an owner that waits for it may be done."""
        item = Item(resource, dependent)
        for reference in item.references:
            owner = self._known_owner(item, reference)
            if owner is not None and (owner.deletes_dependents or owner.orphans_dependents):
                self._add(owner.resource, owner.object)

    def _add(self, resource: str, obj: Object) -> None:
        key = key_of(obj)
        self._rounds.add(Key(key.namespace, f"{resource} {key.name}"))

    def _begin(self, taken: Taken) -> None:
        self._ctx.spawn(self._work(taken), "round")

    async def _work(self, taken: Taken) -> None:
        """Look at each object's owners for certain, then do what is to be done about all of them."""
        items = [(key, cause, item) for key, cause in taken if (item := self._item(key)) is not None]
        try:
            states = await self._certain_states([item for _, _, item in items])
        except RequestError:
            for key, cause in taken:
                self._queue.failed(key, cause)
            return
        present = {key for key, _, _ in items}
        for key, cause in taken:
            if key not in present:
                self._queue.done(key, cause)
        planned = [
            (key, cause, collect(item, item_states, self._dependents(uid_of(item.object))))
            for (key, cause, item), item_states in zip(items, states, strict=True)
        ]
        await self._carry_out(planned)

    def _item(self, key: Key) -> Item | None:
        resource, _, name = key.name.partition(" ")
        informer = self._informers.whole(resource)
        obj = informer.get(Key(key.namespace, name)) if informer is not None else None
        return Item(resource, obj) if obj is not None else None

    async def _certain_states(self, items: Sequence[Item]) -> list[list[OwnerState]]:
        """How all references stand, read from the API server: each owner once."""
        keys = (self._owner_key(item, reference) for item in items for reference in item.references)
        wanted = {key: None for key in keys if key is not None}
        operations = [Operation("get", resource, namespace, name) for resource, namespace, name in wanted]
        results = await self._client.batch(operations)
        owners: dict[OwnerKey, Item | None] = {}
        ended = {resource.key for resource in self._ended.values()}
        for key, result in zip(wanted, results, strict=True):
            if not result.ok and not (_says_gone(result) or (result.code == 404 and key[0] in ended)):
                raise RequestError(f"{key}: {result.status}")
            owners[key] = Item(key[0], result.object) if result.ok else None
        return [[self._certain_state(item, reference, owners) for reference in item.references] for item in items]

    def _certain_state(self, item: Item, reference: Reference, owners: dict[OwnerKey, Item | None]) -> OwnerState:
        key = self._owner_key(item, reference)
        if key is None or key not in owners:
            return OwnerState.SOLID  # of a kind unknown here: not to be judged
        return state_of(reference, owners[key])

    async def _carry_out(self, planned: Sequence[tuple[Key, Cause, Sequence[Operation]]]) -> None:
        operations = [
            Operation(op.verb, op.resource, op.namespace, op.name, op.subresource, op.body, op.options, cause)
            for _, cause, writes in planned
            for op in writes
        ]
        try:
            results = await self._client.batch(operations)
        except RequestError as error:
            print(f"garbage-collector: {error}", file=sys.stderr)  # noqa: T201 - the actor's log
            for key, cause, _ in planned:
                self._queue.failed(key, cause)
            return
        observe_results(self._informers, operations, results)
        position = 0
        for key, cause, writes in planned:
            mine = zip(writes, results[position : position + len(writes)], strict=True)
            position += len(writes)
            if all(settled(op, result) for op, result in mine):
                self._queue.done(key, cause)
            else:
                self._queue.failed(key, cause)


def _says_gone(result: Result) -> bool:
    """Whether an answer says that the object isn't there; a resource that isn't served says nothing about it."""
    return result.code == 404 and bool(((result.status or {}).get("details") or {}).get("name"))


async def run(ctx: Context) -> None:
    """Run the garbage collector as an actor."""
    await GarbageCollector(ctx).run()
