"""Shows the oracles every change of a running cluster's store, by asking for it again and again: none can be missed."""

from __future__ import annotations

import contextlib
from typing import Final

from actors.apimachinery.meta import Key, key_of
from actors.apimachinery.operation import decode_object
from actors.simulation.oracles import Oracles
from broker.context import Context, RequestError, RequestFailed
from store.protocol import DELETE, RANGE, STATUS, WATCH

REGISTRY: Final = b"/registry/"
REGISTRY_END: Final = b"/registry0"
ASK_EVERY_S: Final = 0.05
TIMEOUT_S: Final = 5.0
PAGE: Final = 1000


class LogReader:
    """Feeds oracles."""

    def __init__(self, ctx: Context, oracles: Oracles) -> None:
        self._ctx = ctx
        self._oracles = oracles
        self._known: dict[bytes, tuple[str, Key]] = {}
        self.position = 0

    async def load(self) -> None:
        """Show what there is. Raises `RequestError`."""
        status = (await self._ctx.request("store", STATUS, timeout_s=TIMEOUT_S)).body
        key, revision = REGISTRY, status["revision"]
        while True:
            question = {"key": key, "range_end": REGISTRY_END, "revision": revision, "limit": PAGE}
            reply = await self._ctx.request("store", RANGE, question, timeout_s=TIMEOUT_S)
            _, pairs, more, _ = reply.body
            for pair, value in zip(pairs, reply.blobs, strict=True):
                self._put(pair[0], value, pair[2])
            if not more or not pairs:
                break
            key = pairs[-1][0] + b"\0"
        self.position = revision

    async def follow(self) -> None:
        """Show what happens, for ever."""
        while True:
            with contextlib.suppress(RequestError):
                try:
                    await self.read()
                except RequestFailed as failure:
                    if failure.code == "FutureRevision":
                        await self._begin_anew()
            await self._ctx.sleep(ASK_EVERY_S)

    async def _begin_anew(self) -> None:
        """The store does not know a revision that it has told: what it has forgotten is gone."""
        self._oracles.violations.append(f"the store went back: it does not know revision {self.position} any more")
        self._known.clear()
        self._oracles.objects.clear()
        self._oracles.revision = self.position = 0
        await self.load()

    async def read(self) -> None:
        """Show what has happened since. Raises `RequestError`."""
        while True:
            since = self.position
            reply = await self._ctx.request("store", WATCH, {"since": since}, timeout_s=TIMEOUT_S)
            if self.position != since:
                continue  # somebody else has read meanwhile
            _, events, through = reply.body
            for event, value in zip(events, reply.blobs, strict=True):
                kind, key, _, revision, *_ = event
                if not key.startswith(REGISTRY):
                    continue
                if kind == DELETE:
                    self._oracles.delete(revision, *self._known.pop(key))
                else:
                    self._put(key, value, revision)
            self.position = max(self.position, through)
            if not events:
                return

    def _put(self, key: bytes, value: bytes, revision: int) -> None:
        obj = decode_object(value, revision)
        self._known[key] = (obj.get("kind", ""), key_of(obj))
        self._oracles.put(self._oracles.revision if not self.position else revision, obj)
