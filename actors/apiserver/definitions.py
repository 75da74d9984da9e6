"""Carries out what `custom_resources.lifecycle` decides about CustomResourceDefinitions.

Kubernetes runs these controllers inside its API server, too. It wakes when a definition changes, and while one is being
deleted when an instance of it goes; what it does follows from the watch cache alone, so any number of API servers may
do it at the same time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from actors.apimachinery.custom_resources.lifecycle import next_writes
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.status import ApiError
from actors.apiserver.registry import Registry
from actors.apiserver.served_resources import DEFINITIONS
from actors.apiserver.watch_cache import Change, WatchCache
from actors.apiserver.write import Outcome
from broker.context import Context

#: After a write that failed, and while instances are on their way out, look again after this long.
LOOK_AGAIN_S: Final = 0.25


class Definitions:
    """The loop."""

    def __init__(self, ctx: Context, registry: Registry, cache: WatchCache) -> None:
        self._ctx = ctx
        self._registry = registry
        self._cache = cache
        self._wake = asyncio.Event()
        self._ending: set[str] = set()
        """Collections whose definition is being deleted."""

    def start(self) -> None:
        """Begin to look after the definitions."""
        self._wake.set()
        self._ctx.spawn(self._run(), "definitions")

    def start_over(self) -> None:
        """What happened meanwhile is not known: look at everything."""
        self._wake.set()

    def on_changes(self, changes: Sequence[Change]) -> None:
        """Wake up if there may be something to do."""
        if any(change.collection == DEFINITIONS or change.collection in self._ending for change in changes):
            self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            crds = [entry.object for entry in self._cache.collection(DEFINITIONS).entries.values()]
            self._ending = {_collection(crd) for crd in crds if crd["metadata"].get("deletionTimestamp")}
            writes = next_writes(crds, self._count, self._ctx.wall_s())
            if writes and not await self._carry_out(writes):
                await self._ctx.sleep(LOOK_AGAIN_S)
                self._wake.set()

    def _count(self, crd: Object) -> int:
        return len(self._cache.collection(_collection(crd)).entries)

    async def _carry_out(self, writes: Sequence[Operation]) -> bool:
        """Whether all of it was done."""
        loop = asyncio.get_running_loop()
        done = True
        for operation in writes:
            future: asyncio.Future[Outcome] = loop.create_future()
            try:
                call = self._registry.resolve(operation, self._ctx.next_id(), self._ctx.wall_s())
                self._registry.begin(call, future.set_result)
            except ApiError as error:
                future.set_result(Outcome.of_error(error))
            outcome = await future
            if outcome.code >= 400:
                done = False
                if outcome.code != 409 and outcome.status:
                    text = f"definitions: {operation.verb} {operation.resource} {operation.name}: "
                    print(text + str(outcome.status.get("message")), file=sys.stderr)  # noqa: T201 - the actor's log
        return done


def _collection(crd: Object) -> str:
    """Where the instances of a definition are kept."""
    return f"{crd['spec']['group']}/{crd['spec']['names']['plural']}"
