"""Following one object as it changes, for commands that wait."""

from __future__ import annotations

import asyncio

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.stream import Stream
from actors.client.informer import Informer
from actors.kubectl.session import Kubectl


class ObjectFollower:
    """The newest known state of one object, and a way to wait for the next."""

    def __init__(self, kubectl: Kubectl, resource: Resource, name: str, namespace: str) -> None:
        self._ctx = kubectl.client.ctx
        self._key = Key(namespace if resource.namespaced else "", name)
        stream = Stream(resource.key, self._key.namespace, "", f"metadata.name={name}")
        self._informer = Informer(kubectl.client, stream)
        self._changed = asyncio.Event()
        self._informer.on_event(lambda _kind, _obj, _old: self._changed.set())

    @property
    def object(self) -> Object | None:
        """The object; None while there is none."""
        return self._informer.get(self._key)

    async def start(self) -> None:
        """Begin; returns when the state is known."""
        await self._informer.start()
        self._changed.clear()

    async def change(self, deadline_s: float | None = None) -> bool:
        """Wait for the next change; False when the deadline (on the context's monotonic clock) passes first."""
        timeout_s = None if deadline_s is None else max(0.0, deadline_s - self._ctx.monotonic_s())
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def stop(self) -> None:
        """Cease to follow."""
        self._informer.stop()
