"""The store actor over a real etcd inside a simulation.

Actors of a simulation live in virtual time and can't wait for a socket. So the connection is replaced by one that calls
etcd *blocking*: virtual time stands still meanwhile. A watch is told of each revision as soon as the actor itself has
caused it (nobody else writes to this etcd), and then reads the events of everything up to that revision, blocking too.
Everything else is the product's own code; `store.etcd_backend.connection` itself is tested over real sockets.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import queue
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
from etcd_cluster import EtcdCluster

from broker.context import Context
from store.etcd_api import messages
from store.etcd_api.services import stub
from store.etcd_backend.actor import EtcdStoreActor
from store.etcd_backend.connection import CompactedAt
from store.etcd_backend.refusals import refusal

ANSWER_TIMEOUT_S = 10.0


class Disk:
    """What outlives the store's incarnations: an etcd. `__init__` called again makes it a new, empty one."""

    _shared: Disk | None = None

    def __init__(self) -> None:
        if hasattr(self, "etcd"):
            self.close()
        self.crash_next: str | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="etcd-")
        self.etcd = EtcdCluster(Path(self._directory.name), options={"unsafe-no-fsync": "true"})
        self.etcd.__enter__()
        self.channel = grpc.insecure_channel(self.etcd.endpoints[0].removeprefix("http://"))

    def close(self) -> None:
        self.channel.close()
        self.etcd.close()
        self._directory.cleanup()

    @classmethod
    def empty(cls) -> Disk:
        """The one of this process, without keys and leases. Revisions go on from where they are."""
        if cls._shared is None:
            cls._shared = cls()
            atexit.register(lambda: cls._shared and cls._shared.close())
        disk = cls._shared
        disk.crash_next = None
        kv, lease = stub(disk.channel, "KV"), stub(disk.channel, "Lease")
        kv.DeleteRange(messages.DeleteRangeRequest(key=b"\0", range_end=b"\0"), timeout=ANSWER_TIMEOUT_S)
        for status in lease.LeaseLeases(messages.LeaseLeasesRequest(), timeout=ANSWER_TIMEOUT_S).leases:
            lease.LeaseRevoke(messages.LeaseRevokeRequest(ID=status.ID), timeout=ANSWER_TIMEOUT_S)
        return disk


class Crash(Exception):
    """The store actor dies here."""


class BlockingConnection:
    """Stands for `EtcdConnection`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._written = 0
        self._news = asyncio.Event()

    async def close(self) -> None:
        pass

    async def call(self, service: str, method: str, request: Any, **_: Any) -> Any:
        crash, write = self._disk.crash_next, method == "Txn" and bool(request.compare)
        if write and crash == "before commit":
            self._disk.crash_next = None
            raise Crash(crash)
        try:
            answer = getattr(stub(self._disk.channel, service), method)(request, timeout=ANSWER_TIMEOUT_S)
        except grpc.RpcError as error:
            raise refusal(error.code().name, error.details()) from error
        if write and crash == "after commit":
            self._disk.crash_next = None
            raise Crash(crash)
        if answer.header.revision > self._written:
            self._written = answer.header.revision
            self._news.set()
        return answer

    async def watch(
        self, start_revision: int, *, prev_kv: bool = False, quiet_s: float | None = None
    ) -> AsyncIterator[Any]:
        with self._opened(start_revision, prev_kv) as responses:
            told = start_revision - 1
            await self.call("KV", "Range", messages.RangeRequest(key=b"x", count_only=True))
            while True:
                if self._written <= told:
                    self._news.clear()
                    try:
                        await asyncio.wait_for(self._news.wait(), quiet_s)
                    except TimeoutError:
                        yield None
                    continue
                events: list[Any] = []
                while told < self._written:
                    response = responses.get(timeout=ANSWER_TIMEOUT_S)
                    if isinstance(response, grpc.RpcError):
                        raise response
                    if response.canceled:
                        raise CompactedAt(response.compact_revision)
                    events += response.events
                    if response.events:
                        told = response.events[-1].kv.mod_revision
                yield SimpleNamespace(events=events)

    @contextlib.contextmanager
    def _opened(self, start_revision: int, prev_kv: bool) -> Iterator[queue.Queue[Any]]:
        create = messages.WatchCreateRequest(key=b"\0", range_end=b"\0", start_revision=start_revision, prev_kv=prev_kv)
        over = threading.Event()

        def requests() -> Iterator[Any]:
            yield messages.WatchRequest(create_request=create)
            over.wait()

        call = stub(self._disk.channel, "Watch").Watch(requests())
        responses: queue.Queue[Any] = queue.Queue()

        def read() -> None:
            try:
                for response in call:
                    responses.put(response)
            except grpc.RpcError as error:
                responses.put(error)

        threading.Thread(target=read, daemon=True).start()
        try:
            yield responses
        finally:
            over.set()
            call.cancel()


async def run(ctx: Context, disk: Disk) -> None:
    """As `store.etcd_backend.actor.run`."""
    store = EtcdStoreActor(ctx, BlockingConnection(disk))  # type: ignore[arg-type]
    await store.start()
    await store.follower.follow()
