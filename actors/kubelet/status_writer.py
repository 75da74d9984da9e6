"""Writes of pods' statuses and their final deletes, batched over all pods of an actor (kubelet's status manager).

One batch is on its way at a time; what changes meanwhile goes into the next, each pod with its state of then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from actors.apimachinery.operation import Operation, Result
from actors.client.client import Client
from actors.kubelet.pod_worker import PodWorker
from broker.context import RequestError

BATCH_MAX: Final = 250
RETRY_S: Final = 0.5


class StatusSource(Protocol):
    """Who knows what to write of a pod."""

    def status_operations(self, worker: PodWorker) -> list[Operation]:
        """The writes that are needed now, in order; none when the API has it all."""

    def status_written(self, worker: PodWorker, operations: Sequence[Operation], results: Sequence[Result]) -> bool:
        """How the writes went. False: look again a little later."""


class StatusWriter:
    """Collects pods whose status is to be written."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ctx = client.ctx
        self._marked: dict[int, tuple[PodWorker, StatusSource]] = {}
        self._running = False

    def mark(self, worker: PodWorker, source: StatusSource) -> None:
        """A pod's status may have to be written."""
        self._marked[id(worker)] = (worker, source)
        if not self._running:
            self._running = True
            self._ctx.after_drain(self._begin)

    def _begin(self) -> None:
        self._ctx.spawn(self._write(), "pod status")

    async def _write(self) -> None:
        while self._marked:
            batch = self._take()
            operations = [operation for _, _, own in batch for operation in own]
            if not operations:
                continue
            try:
                results = await self._client.batch(operations)
            except RequestError:
                self._settle(batch, None)
                await self._ctx.sleep(RETRY_S)
                continue
            if not self._settle(batch, results):
                await self._ctx.sleep(RETRY_S * self._ctx.random.uniform(0.5, 1.5))
        self._running = False

    def _take(self) -> list[tuple[PodWorker, StatusSource, list[Operation]]]:
        batch: list[tuple[PodWorker, StatusSource, list[Operation]]] = []
        for key in list(self._marked)[:BATCH_MAX]:
            worker, source = self._marked.pop(key)
            operations = source.status_operations(worker)
            if operations:
                worker.writing = True
                batch.append((worker, source, operations))
        return batch

    def _settle(
        self, batch: list[tuple[PodWorker, StatusSource, list[Operation]]], results: list[Result] | None
    ) -> bool:
        """Tell each source; False when somebody must try again."""
        position, fine = 0, True
        for worker, source, operations in batch:
            worker.writing = False
            own = results[position : position + len(operations)] if results is not None else None
            position += len(operations)
            if own is None or not source.status_written(worker, operations, own):
                self._marked.setdefault(id(worker), (worker, source))
                fine = False
        return fine
