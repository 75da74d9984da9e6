"""How a kubelet reaches its container runtime: another actor, or one in the same process (hollow nodes)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from actors.kubelet.pod_results import UNANSWERED, Failure
from actors.kubelet.pod_worker import PodWorker
from actors.runtime.protocol import (
    BATCH,
    EXEC_SYNC,
    LIST_POD_SANDBOX,
    PROBE,
    READ_LOG,
    REMOVE_POD_SANDBOX,
    UNAVAILABLE,
    Call,
    Params,
    PodSandbox,
    RuntimeRefused,
    runtime_actor,
    runtime_topic,
)
from actors.runtime.service import RuntimeService
from actors.runtime.stream import OPEN_STREAM
from actors.runtime.streaming import StreamServer
from actors.runtime.trace import RuntimeTrace
from actors.runtime.usage import LIST_CONTAINER_STATS
from broker.context import Context, RequestError, RequestFailed, RequestTimeout
from broker.message import Cause, Publication, Reply

#: The generic PLEG's period.
RELIST_S: Final = 1.0
#: With no relist for this long the node says that its runtime is down (`plegRelistThreshold` is 3 minutes there).
RUNTIME_DOWN_S: Final = 30.0
CALL_TIMEOUT_S: Final = 10.0

ProbeAnswer = Callable[[bool, str], None]


class RuntimeListener(Protocol):
    """The kubelet, as the link tells it of news."""

    def calls_answered(self, worker: PodWorker, answers: Sequence[tuple[Call, Failure | None]]) -> None:
        """Calls for a pod were carried out; its sandbox is up to date."""

    def sandbox_changed(self, uid: str, sandbox: PodSandbox | None, cause: Cause) -> None:
        """The runtime's state of a pod is new; None: it knows no such pod."""


class RuntimeLink(Protocol):
    """One node's runtime."""

    images: Mapping[str, int]
    runtime: str
    version: str

    async def start(self, listener: RuntimeListener) -> None:
        """Begin; returns when the state of all pods has been told."""

    def is_up(self) -> bool:
        """Whether it answers."""

    def execute(self, worker: PodWorker, calls: Sequence[Call]) -> Sequence[tuple[Call, Failure | None]] | None:
        """Make calls; their answers, or None when they come through `calls_answered`."""

    def probe(self, params: Params, timeout_s: float, answer: ProbeAnswer) -> None:
        """Probe a container; `answer` is called at once or later."""

    async def exec_sync(self, params: Params, timeout_s: float) -> Mapping[str, Any]:
        """Run a command beside a container. Raises `RuntimeRefused`."""

    async def read_log(self, params: Params) -> Mapping[str, Any]:
        """Read a log. Raises `RuntimeRefused`."""

    async def container_stats(self) -> Any:
        """What the containers use (see `actors.runtime.usage`). Raises `RuntimeRefused`."""

    async def open_stream(self, params: Params) -> tuple[str, str]:
        """Open a stream (see `actors.runtime.stream`): the actor that serves it, its name. Raises `RuntimeRefused`."""


class LocalRuntime:
    """A runtime in the same process: every answer is there at once."""

    def __init__(self, ctx: Context, service: RuntimeService, trace: RuntimeTrace, streams: StreamServer) -> None:
        self._ctx = ctx
        self._streams = streams
        self._service = service
        self._trace = trace
        self._listener: RuntimeListener
        self.images: Mapping[str, int] = service.images
        self.runtime = service.driver.name
        self.version = service.driver.version

    async def start(self, listener: RuntimeListener) -> None:
        self._listener = listener
        self._trace.follow(self._service)
        self._service.on_change = self._on_change

    def is_up(self) -> bool:
        return True

    def _on_change(self, pod: PodSandbox) -> None:
        self._listener.sandbox_changed(pod.uid, pod, Cause(pod.changed_by, 0, self._ctx.wall_s()))

    def execute(self, worker: PodWorker, calls: Sequence[Call]) -> Sequence[tuple[Call, Failure | None]]:
        answers: list[tuple[Call, Failure | None]] = []
        service, ctx = self._service, self._ctx
        for call in calls:
            received_s = ctx.wall_s()
            failure: Failure | None = None
            identifier = ctx.next_id()
            try:
                service.call(call.method, call.params, identifier)
                self._trace.carried_out(
                    service, identifier, ctx.name, worker.cause, received_s, call.method, call.params
                )
                worker.cause = Cause(identifier, 0, received_s)
            except RuntimeRefused as refused:
                failure = (refused.code, refused.message)
            answers.append((call, failure))
        worker.sandbox = service.pods.get(worker.uid)
        return answers

    def probe(self, params: Params, timeout_s: float, answer: ProbeAnswer) -> None:
        try:
            pod, container = self._service.container(params)
        except RuntimeRefused as refused:
            answer(False, refused.message)
            return
        self._service.driver.probe(pod, container, params, answer)

    async def exec_sync(self, params: Params, timeout_s: float) -> Mapping[str, Any]:
        pod, container = self._service.container(params)
        return await self._service.driver.exec_sync(pod, container, params["command"], timeout_s)

    async def read_log(self, params: Params) -> Mapping[str, Any]:
        return self._service.read_log(params)

    async def container_stats(self) -> Any:
        return self._service.list_container_stats()

    async def open_stream(self, params: Params) -> tuple[str, str]:
        return self._ctx.name, self._streams.open(self._ctx.next_id(), self._service, params)


class RemoteRuntime:
    """A runtime that is an actor: calls of one drain travel together, changes come as publications and relists."""

    def __init__(self, ctx: Context, node: str) -> None:
        self._ctx = ctx
        self._target = runtime_actor(node)
        self._topic = runtime_topic(node)
        self._listener: RuntimeListener
        self._outbox: list[tuple[PodWorker, Call]] = []
        self._incarnation = ""
        self._version = 0
        self._known: dict[str, int] = {}
        """Versions of the pods that were told of."""
        self._heard_s = float("-inf")
        self._images: dict[str, int] = {}
        self.images: Mapping[str, int] = self._images
        self.runtime = ""
        self.version = ""

    async def start(self, listener: RuntimeListener) -> None:
        self._listener = listener
        self._ctx.subscribe(self._topic, self._on_publication)
        while not await self._relist():
            await self._ctx.sleep(0.1)
        self._ctx.spawn(self._keep_relisting(), "pleg")

    def is_up(self) -> bool:
        return self._ctx.monotonic_s() - self._heard_s < RUNTIME_DOWN_S

    # Changes

    async def _keep_relisting(self) -> None:
        while True:
            await self._ctx.sleep(RELIST_S)
            await self._relist()

    async def _relist(self) -> bool:
        question = {"incarnation": self._incarnation, "since": self._version}
        try:
            reply = await self._ctx.request(self._target, LIST_POD_SANDBOX, question, timeout_s=CALL_TIMEOUT_S)
        except RequestError:
            return False
        self._heard_s = self._ctx.monotonic_s()
        body = reply.body
        self._meet(body["incarnation"])
        self.runtime, self.version = body["runtime"], body["runtime_version"]
        if body["images"] is not None:
            self._images = dict(body["images"])
            self.images = self._images
        for row in body["pods"]:
            self._take(PodSandbox.from_wire(row), reply.received_s)
        if body["uids"] is not None:
            present = dict.fromkeys(body["uids"])
            for uid in [uid for uid, seen in self._known.items() if uid not in present and seen <= body["version"]]:
                del self._known[uid]
                self._listener.sandbox_changed(uid, None, Cause("", 0, reply.received_s))
        self._version = max(self._version, body["version"])
        return True

    def _meet(self, incarnation: str) -> None:
        if incarnation != self._incarnation:
            # Another incarnation counts anew; what the old one had and this one hasn't will show in its list.
            self._incarnation, self._version = incarnation, 0
            self._known = dict.fromkeys(self._known, 0)

    def _on_publication(self, publication: Publication) -> None:
        incarnation, rows = publication.body
        if incarnation != self._incarnation:
            return  # the next relist will see it all
        for row in rows:
            self._take(PodSandbox.from_wire(row), publication.received_s)

    def _take(self, sandbox: PodSandbox, received_s: float) -> None:
        if sandbox.version > self._known.get(sandbox.uid, 0):
            self._known[sandbox.uid] = sandbox.version
            for pull in sandbox.pulls.values():
                if pull.state == "pulled":
                    self._images[pull.image] = pull.size_bytes
            self._listener.sandbox_changed(sandbox.uid, sandbox, Cause(sandbox.changed_by, 0, received_s))

    # Calls

    def execute(self, worker: PodWorker, calls: Sequence[Call]) -> None:
        if not self._outbox:
            self._ctx.after_drain(self._flush)
        worker.busy = True
        self._outbox.extend((worker, call) for call in calls)

    def _flush(self) -> None:
        batch, self._outbox = self._outbox, []
        self._ctx.spawn(self._send(batch), "runtime calls")

    async def _send(self, batch: list[tuple[PodWorker, Call]]) -> None:
        body = [[call.method, call.params, worker.cause.wire()] for worker, call in batch]
        failures: list[Failure | None]
        try:
            reply = await self._ctx.request(self._target, BATCH, body, timeout_s=CALL_TIMEOUT_S)
        except RequestError as error:
            failures = [(UNANSWERED, str(error))] * len(batch)
        else:
            failures = self._read_answer(reply, len(batch))
        answers: dict[int, tuple[PodWorker, list[tuple[Call, Failure | None]]]] = {}
        for (worker, call), failure in zip(batch, failures, strict=True):
            answers.setdefault(id(worker), (worker, []))[1].append((call, failure))
            if call.method == REMOVE_POD_SANDBOX and failure is None:
                worker.sandbox = None
        for worker, own in answers.values():
            worker.busy = False
            self._listener.calls_answered(worker, own)

    def _read_answer(self, reply: Reply, calls: int) -> list[Failure | None]:
        """What became of the calls of a batch.

        An answer of another incarnation than the one that was listed last is as good as none. It may have died since,
        and what it says come late, between a list and its successor; only a list, which says what is *not* there, makes
        another incarnation known.
        """
        rows, pods, incarnation = reply.body
        if incarnation != self._incarnation:
            return [(UNANSWERED, "the container runtime was restarted")] * calls
        for row in pods:
            self._take(PodSandbox.from_wire(row), reply.received_s)
        return [(row[0], row[1]) if row else None for row in rows]

    # Questions

    def probe(self, params: Params, timeout_s: float, answer: ProbeAnswer) -> None:
        self._ctx.spawn(self._probe(params, timeout_s, answer), "probe")

    async def _probe(self, params: Params, timeout_s: float, answer: ProbeAnswer) -> None:
        try:
            reply = await self._ctx.request(self._target, PROBE, params, timeout_s=timeout_s + 2 * RELIST_S)
        except RequestFailed as failed:
            answer(False, failed.message)
        except RequestTimeout:
            answer(False, "the container runtime does not answer")
        else:
            answer(reply.body["ok"], reply.body["output"])

    async def exec_sync(self, params: Params, timeout_s: float) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._ask(EXEC_SYNC, params, timeout_s + RELIST_S)
        return answer

    async def read_log(self, params: Params) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._ask(READ_LOG, params, CALL_TIMEOUT_S)
        return answer

    async def container_stats(self) -> Any:
        return await self._ask(LIST_CONTAINER_STATS, {}, CALL_TIMEOUT_S)

    async def open_stream(self, params: Params) -> tuple[str, str]:
        answer = await self._ask(OPEN_STREAM, params, CALL_TIMEOUT_S)
        return self._target, answer["stream"]

    async def _ask(self, method: str, params: Params, timeout_s: float) -> Any:
        try:
            reply = await self._ctx.request(self._target, method, params, timeout_s=timeout_s)
        except RequestFailed as failed:
            raise RuntimeRefused(failed.code, failed.message) from failed
        except RequestTimeout as error:
            raise RuntimeRefused(UNAVAILABLE, "the container runtime does not answer") from error
        return reply.body
