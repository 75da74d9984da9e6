"""A `RuntimeService` as an actor's served methods, and its changes as publications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.apimachinery.operation import operation_id
from actors.runtime.protocol import (
    BATCH,
    CONTAINER_STATUS,
    EXEC_SYNC,
    IMAGE_STATUS,
    INVALID,
    LIFECYCLE_METHODS,
    LIST_CONTAINERS,
    LIST_IMAGES,
    LIST_POD_SANDBOX,
    PROBE,
    READ_LOG,
    ContainerState,
    Params,
    PodSandbox,
    RuntimeRefused,
    runtime_topic,
)
from actors.runtime.service import RuntimeService
from actors.runtime.streaming import StreamServer
from actors.runtime.trace import RuntimeTrace
from actors.runtime.usage import LIST_CONTAINER_STATS
from broker.context import Context
from broker.message import Cause, Request

#: An exec may take this long when its caller sets no limit.
EXEC_TIMEOUT_S = 3600.0


class RuntimeServer:
    """Serves a runtime's methods on a context."""

    def __init__(self, ctx: Context, service: RuntimeService) -> None:
        self._ctx = ctx
        self._service = service
        self._trace = RuntimeTrace(ctx)
        self._changed: dict[str, PodSandbox] = {}

    def start(self) -> None:
        """Begin to serve."""
        self._trace.follow(self._service)
        self._service.on_change = self._on_change
        for method in LIFECYCLE_METHODS:
            self._ctx.serve(method, self._serve_lifecycle)
        queries: dict[str, Callable[[Params], Any]] = {
            LIST_POD_SANDBOX: self._list_pod_sandbox,
            LIST_IMAGES: lambda _: self._images(),
            IMAGE_STATUS: self._image_status,
            LIST_CONTAINERS: lambda _: [c.wire() for pod in self._service.pods.values() for c in _containers(pod)],
            CONTAINER_STATUS: lambda params: self._service.container(params)[1].wire(),
            READ_LOG: self._service.read_log,
            LIST_CONTAINER_STATS: lambda _: self._service.list_container_stats(),
        }
        for method, query in queries.items():
            self._ctx.serve(method, _answering(query))
        self._ctx.serve(EXEC_SYNC, self._serve_exec)
        self._ctx.serve(PROBE, self._serve_probe)
        self._ctx.serve(BATCH, self._serve_batch)
        streams = StreamServer(self._ctx)
        streams.start()
        streams.serve_open(self._service)

    # Lifecycle

    def _serve_lifecycle(self, request: Request) -> None:
        params = request.body
        failure = self._carry_out(request.id, request, request.cause, request.method, params)
        if failure is not None:
            request.fail(*failure)
            return
        pod = self._service.pods.get(params["uid"])
        request.reply(pod.wire() if pod else None)

    def _serve_batch(self, request: Request) -> None:
        failures: list[list[str] | None] = []
        touched: dict[str, None] = {}
        for index, (method, params, cause) in enumerate(request.body):
            identifier = operation_id(request.id, index)
            touched[params.get("uid", "")] = None
            own = Cause.from_wire(cause)
            failures.append(self._carry_out(identifier, request, own if own.id else request.cause, method, params))
        pods = [self._service.pods[uid].wire() for uid in touched if uid in self._service.pods]
        request.reply([failures, pods, self._service.incarnation])

    def _carry_out(
        self, identifier: str, request: Request, cause: Cause, method: str, params: Params
    ) -> list[str] | None:
        try:
            self._service.call(method, params, identifier)
        except RuntimeRefused as refused:
            return [refused.code, refused.message]
        except (KeyError, TypeError) as error:
            return [INVALID, f"{method}: {error!r}"]
        self._trace.carried_out(self._service, identifier, request.sender, cause, request.received_s, method, params)
        return None

    # Questions

    def _list_pod_sandbox(self, params: Params) -> dict[str, Any]:
        service = self._service
        same = params.get("incarnation") == service.incarnation
        since = params.get("since", 0) if same else 0
        unchanged = same and since == service.version
        return {
            "incarnation": service.incarnation,
            "version": service.version,
            "pods": [pod.wire() for pod in service.changed_since(since)],
            "uids": None if unchanged else list(service.pods),
            "images": None if unchanged else self._images(),
            "runtime": service.driver.name,
            "runtime_version": service.driver.version,
        }

    def _images(self) -> list[list[Any]]:
        return [[name, size] for name, size in self._service.images.items()]

    def _image_status(self, params: Params) -> list[Any] | None:
        size = self._service.images.get(params["image"])
        return None if size is None else [params["image"], size]

    # What takes time

    def _serve_exec(self, request: Request) -> None:
        self._ctx.spawn(self._exec(request), f"exec {request.id}")

    async def _exec(self, request: Request) -> None:
        params = request.body
        try:
            pod, container = self._service.container(params)
            timeout_s = float(params.get("timeout_s") or EXEC_TIMEOUT_S)
            request.reply(await self._service.driver.exec_sync(pod, container, params["command"], timeout_s))
        except RuntimeRefused as refused:
            request.fail(refused.code, refused.message)

    def _serve_probe(self, request: Request) -> None:
        params = request.body

        def answer(ok: bool, output: str) -> None:
            if not request.answered:
                request.reply({"ok": ok, "output": output})

        try:
            pod, container = self._service.container(params)
            self._service.driver.probe(pod, container, params, answer)
        except RuntimeRefused as refused:
            request.fail(refused.code, refused.message)

    # Changes

    def _on_change(self, pod: PodSandbox) -> None:
        if not self._changed:
            self._ctx.after_drain(self._publish)
        self._changed[pod.uid] = pod

    def _publish(self) -> None:
        changed, self._changed = self._changed, {}
        body = [self._service.incarnation, [pod.wire() for pod in changed.values()]]
        self._ctx.publish(runtime_topic(self._service.node), body)


def _containers(pod: PodSandbox) -> list[ContainerState]:
    return [container for attempts in pod.containers.values() for container in attempts]


def _answering(query: Callable[[Params], Any]) -> Callable[[Request], None]:
    def handle(request: Request) -> None:
        try:
            request.reply(query(request.body or {}))
        except RuntimeRefused as refused:
            request.fail(refused.code, refused.message)
        except (KeyError, TypeError) as error:
            request.fail(INVALID, repr(error))

    return handle
