"""A runtime's rows for the tracer: one for each call it carried out (the form is in `actors.tracer.record`)."""

from __future__ import annotations

from typing import Any, Final

from actors.runtime.protocol import PULL_IMAGE, PULLING, Params, PodSandbox, PullState
from actors.runtime.service import RuntimeService
from broker.context import Context
from broker.message import Cause

TOPIC: Final = "trace"
KIND: Final = "runtime"


class RuntimeTrace:
    """Collects rows and publishes those of one drain together. A pull's row is written when the pull has ended."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._rows: list[list[Any]] = []
        self._pulls: dict[tuple[str, str, int], list[Any]] = {}

    def follow(self, service: RuntimeService) -> None:
        """Be told of the ends of a runtime's pulls."""
        service.on_pull_done = self._pull_done

    def carried_out(
        self,
        service: RuntimeService,
        identifier: str,
        sender: str,
        cause: Cause,
        received_s: float,
        method: str,
        params: Params,
    ) -> None:
        """A call was carried out just now."""
        pod = service.pods.get(params.get("uid", ""))
        namespace = pod.namespace if pod else params.get("namespace", "")
        name = pod.name if pod else params.get("name", "")
        container = params.get("container", "")
        done_s = self._ctx.wall_s()
        row = [KIND, identifier, sender, *cause.wire(), method, namespace, name, container, received_s, done_s]
        if method == PULL_IMAGE and pod is not None:
            pull = pod.pulls.get(container)
            if pull is not None and pull.state == PULLING:
                self._pulls[(pod.uid, container, pull.serial)] = row
                return
        self._add(row)

    def _pull_done(self, pod: PodSandbox, container: str, pull: PullState) -> None:
        row = self._pulls.pop((pod.uid, container, pull.serial), None)
        if row is not None:
            row[-1] = self._ctx.wall_s()
            self._add(row)

    def _add(self, row: list[Any]) -> None:
        if not self._rows:
            self._ctx.after_drain(self._flush)
        self._rows.append(row)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._ctx.publish(TOPIC, rows)
