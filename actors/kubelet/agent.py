"""The kubelet of one node: what follows for its pods from what the API wants and what the runtime has.

It can run alone in an actor or beside others (hollow nodes): pods come from an informer somebody else feeds, and the
loop, the status writer and the reader of ConfigMaps are shared by all agents of an actor. All decisions are in pure
functions (`pod_plan`, `pod_results`, `pod_status`, `admission`); this carries them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.meta import is_being_deleted, uid_of
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.stream import DELETED
from actors.client.client import Client
from actors.client.decision import EventNote
from actors.client.events import EventRecorder
from actors.client.informer import Informer
from actors.kubelet.config import NodeConfig
from actors.kubelet.dependency_reader import DependencyReader
from actors.kubelet.hook_runner import run_hook
from actors.kubelet.node_room import NodeRoom
from actors.kubelet.pod_loop import PodLoop
from actors.kubelet.pod_memory import Hook, PodDependencies
from actors.kubelet.pod_plan import plan_pod
from actors.kubelet.pod_results import Failure, call_answered, hook_answered, probe_answered
from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.kubelet.pod_status import TERMINAL, PodView, pod_status, status_patch
from actors.kubelet.pod_worker import PodWorker, orphan
from actors.kubelet.probe import Kind
from actors.kubelet.runtime_link import RuntimeLink
from actors.kubelet.status_writer import StatusWriter
from actors.runtime.protocol import (
    EXITED,
    REMOVE_POD_SANDBOX,
    RUNNING,
    Call,
    PodSandbox,
)
from broker.context import Context, RequestError
from broker.message import Cause

PODS: Final = "v1/pods"
#: A pod on its way to Running is not reported as waiting before this long: most are up by then.
SETTLE_S: Final = 0.1
#: After a conflict the pod is read anew a little later, when the other writer is likely to be done.
CONFLICT_RETRY_S: Final = 0.05
#: Steps of one look at a pod; a pod that wants more is looked at again.
STEPS_MAX: Final = 32


@dataclass(slots=True)
class Shared:
    """What all agents of an actor use together."""

    ctx: Context
    client: Client
    pods: Informer
    loop: PodLoop
    writer: StatusWriter
    reader: DependencyReader

    @staticmethod
    def of(client: Client, pods: Informer) -> Shared:
        """One of each."""
        return Shared(client.ctx, client, pods, PodLoop(client.ctx), StatusWriter(client), DependencyReader(client))


class NodeAgent:
    """One node."""

    def __init__(self, shared: Shared, config: NodeConfig, link: RuntimeLink) -> None:
        self.config = config
        self.link = link
        self.node: Object | None = None
        """The node's object, as last seen."""
        self.workers: dict[str, PodWorker] = {}
        self._shared = shared
        self._ctx = shared.ctx
        self._recorder: EventRecorder | None = None
        self._room = NodeRoom(config)
        self._observing = False
        self._started = False

    async def start(self) -> None:
        """Take over the node's pods. The informer of pods must be synced."""
        await self.link.start(self)
        self._started = True
        for worker in list(self.workers.values()):
            self.look_soon(worker)

    # News

    def pod_event(self, kind: str, pod: Object) -> None:
        """The API's state of one of this node's pods changed."""
        uid = uid_of(pod)
        worker = self.workers.get(uid)
        if kind == DELETED:
            if worker is not None:
                worker.removed, worker.cause = True, self._ctx.cause
                self.look_soon(worker)
            return
        if worker is None:
            worker = self.workers[uid] = PodWorker(
                pod, PodSpec(pod, tokens=self.config.tokens), self._ctx.monotonic_s()
            )
        else:
            worker.take(pod)
        if not self._observing:
            worker.cause = self._ctx.cause
            self.look_soon(worker)

    def sandbox_changed(self, uid: str, sandbox: PodSandbox | None, cause: Cause) -> None:
        """The runtime's state of a pod changed."""
        worker = self.workers.get(uid)
        if worker is None:
            # The informer was synced before the first news came: a pod that it lacks is gone.
            if sandbox is not None:
                self._take_orphan(sandbox, cause)
            return
        worker.sandbox = sandbox
        if self._started:
            worker.cause = cause
        self.look_soon(worker)

    def _take_orphan(self, sandbox: PodSandbox, cause: Cause) -> None:
        worker = self.workers[sandbox.uid] = orphan(sandbox, self._ctx.monotonic_s())
        worker.cause = cause
        self.look_soon(worker)

    def look_soon(self, worker: PodWorker) -> None:
        """Look at a pod when the messages that are waiting have been handled."""
        self._shared.loop.now(worker, self._look)

    # Looking at a pod

    def _look(self, worker: PodWorker) -> None:
        if not self._started or self.workers.get(worker.uid) is not worker:
            return
        if worker.requests is None:
            self._admit(worker)
        for _ in range(STEPS_MAX):
            if worker.busy or not self._step(worker):
                break
        else:
            self.look_soon(worker)
        if worker.removed:
            self._forget_if_over(worker)
            return
        self._mark(worker)

    def _step(self, worker: PodWorker) -> bool:
        """Plan and carry out one step. True when there may be another one right away."""
        now_s = self._ctx.wall_s()
        plan = worker.plan = plan_pod(
            worker.pod,
            worker.spec,
            worker.memory,
            worker.sandbox,
            self.link.images,
            self.config,
            worker.dependencies,
            now_s,
            removed=worker.removed,
        )
        self.record(plan.notes)
        for hook in plan.hooks:
            self._ctx.spawn(self._run_hook(worker, hook), "hook")
        if plan.fetch:
            self._fetch(worker)
        again = False
        for container, kind, probe, attempt in plan.probes:
            again = self._probe(worker, container, kind, probe, attempt) or again
        if plan.wake_s != float("inf"):
            delay_s = max(plan.wake_s - now_s, 0.001)
            self._shared.loop.later(worker, self._look, self._ctx.monotonic_s() + delay_s)
        if plan.calls:
            answers = self.link.execute(worker, plan.calls)
            if answers is None:
                return False
            self._apply(worker, answers)
            return True
        return again

    def calls_answered(self, worker: PodWorker, answers: Sequence[tuple[Call, Failure | None]]) -> None:
        """The runtime answered calls for a pod."""
        self._apply(worker, answers)
        self.look_soon(worker)

    def _apply(self, worker: PodWorker, answers: Sequence[tuple[Call, Failure | None]]) -> None:
        now_s = self._ctx.wall_s()
        with self._ctx.acting_on(worker.cause):
            for call, failure in answers:
                notes, hooks = call_answered(worker.pod, worker.spec, worker.memory, call, failure, now_s)
                self.record(notes)
                for hook in hooks:
                    self._ctx.spawn(self._run_hook(worker, hook), "hook")
                name = call.params.get("container", "")
                if failure is not None and name in worker.memory.retry_s:
                    at_s = worker.memory.retry_s[name] - now_s + self._ctx.monotonic_s()
                    self._shared.loop.later(worker, self._look, at_s)

    def record(self, notes: Sequence[EventNote]) -> None:
        """Record events as this node's kubelet."""
        if not notes:
            return
        if self._recorder is None:
            self._recorder = EventRecorder(self._shared.client, "kubelet", self.config.name)
        for note in notes:
            self._recorder.record(note)

    def _fetch(self, worker: PodWorker) -> None:
        if worker.fetching:
            return
        worker.fetching = True

        def ready(dependencies: PodDependencies) -> None:
            worker.fetching = False
            worker.dependencies = dependencies
            self.look_soon(worker)

        self._shared.reader.read(worker.key.namespace, worker.spec.dependencies, ready)

    # Hooks and probes

    async def _run_hook(self, worker: PodWorker, hook: Hook) -> None:
        which = {"uid": worker.uid, "container": hook.container.name, "attempt": hook.attempt}
        failure = await run_hook(self._ctx, self.link, which, hook)
        self.record(hook_answered(worker.pod, worker.memory, hook, failure))
        self.look_soon(worker)

    def _probe(
        self, worker: PodWorker, container: ContainerSpec, kind: Kind, probe: dict[str, Any], attempt: int
    ) -> bool:
        """Begin a probe. True when it was answered at once."""
        key = (container.name, kind)
        if key in worker.probing:
            return False
        worker.probing[key] = None
        at_once = True

        def answer(success: bool, output: str) -> None:
            del worker.probing[key]
            now_s = self._ctx.wall_s()
            notes = probe_answered(worker.pod, worker.memory, container, kind, probe, attempt, success, output, now_s)
            self.record(notes)
            if not at_once:
                self.look_soon(worker)

        timeout_s = float(probe.get("timeoutSeconds") or 1)
        params = {
            "uid": worker.uid,
            "container": container.name,
            "attempt": attempt,
            "kind": kind,
            "probe": probe,
            "ports": container.spec.get("ports") or [],
            "timeout_s": timeout_s,
        }
        self.link.probe(params, timeout_s, answer)
        at_once = False
        return key not in worker.probing

    # Admission

    def _admit(self, worker: PodWorker) -> None:
        """Take a pod in, or reject it. A pod that runs here already, or is over, isn't asked."""
        status = worker.pod.get("status") or {}
        if worker.removed or status.get("phase") in TERMINAL or worker.memory.rejected:
            return
        if worker.sandbox is None and not status.get("startTime") and not is_being_deleted(worker.pod):
            rejection = self._room.check(worker.pod, self.node, self.workers.values())
            if rejection is not None:
                worker.memory.rejected = True
                worker.memory.failure = (rejection.reason, f"Pod was rejected: {rejection.message}")
                self.record([EventNote(worker.pod, "Warning", rejection.reason, rejection.message)])
                return
        worker.memory.start_time_s = worker.memory.start_time_s or self._ctx.wall_s()
        self._room.take(worker)

    # Ends

    def _forget_if_over(self, worker: PodWorker) -> None:
        if worker.busy or not worker.plan.stopped:
            return
        if worker.sandbox is not None:
            answers = self.link.execute(worker, [Call(REMOVE_POD_SANDBOX, {"uid": worker.uid})])
            if answers is None:
                return
        self._room.release(worker)
        del self.workers[worker.uid]

    # Status

    def _mark(self, worker: PodWorker) -> None:
        """Have the status written, unless the pod is about to be up anyway."""
        if worker.writing or worker.busy:
            worker.look_again = True  # when that is done
            return
        if not self._is_settled(worker):
            at_s = worker.seen_s + SETTLE_S
            if self._ctx.monotonic_s() < at_s:
                self._shared.loop.later(worker, self._look, at_s)
                return
        self._shared.writer.mark(worker, self)

    def _is_settled(self, worker: PodWorker) -> bool:
        if worker.plan.stopped or worker.memory.rejected or (worker.pod.get("status") or {}).get("startTime"):
            return True
        if worker.sandbox is None:
            return False
        states = [worker.sandbox.latest(container.name) for container in worker.spec.regulars]
        return all(state is not None and state.state in (RUNNING, EXITED) for state in states)

    def status_operations(self, worker: PodWorker) -> list[Operation]:
        """The writes that a pod needs now."""
        if worker.removed or worker.deleted or self.workers.get(worker.uid) is not worker:
            return []
        pod, plan = worker.pod, worker.plan
        stopped = plan.stopped and not worker.busy
        old = pod.get("status") or {}
        view = PodView(
            pod,
            worker.spec,
            worker.memory,
            worker.sandbox,
            self.config,
            self.link.runtime,
            stopped,
            self._ctx.wall_s(),
        )
        status = pod_status(view)
        done = worker.written is not None and worker.written[1] is old and worker.written[0] == status
        patch = {} if done else status_patch(old, status)
        worker.pending_status = status
        operations: list[Operation] = []
        metadata = pod["metadata"]
        where = (PODS, worker.key.namespace, worker.key.name)
        if patch:
            which = {"uid": metadata["uid"], "resourceVersion": metadata.get("resourceVersion")}
            body = {"metadata": which, "status": patch}
            operations.append(Operation("patch", *where, "status", body, {"patchType": "merge"}, worker.cause))
        if stopped and is_being_deleted(pod):
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
            operations.append(Operation("delete", *where, "", None, options, worker.cause))
        return operations

    def status_written(self, worker: PodWorker, operations: Sequence[Operation], results: Sequence[Result]) -> bool:
        """How the writes of `status_operations` went."""
        fine = True
        for operation, result in zip(operations, results, strict=True):
            if operation.verb == "delete":
                # A conflict may be any; if the name is another pod's by now, the watch will tell and end this worker.
                if result.ok or result.code == 404:
                    worker.deleted = True
                else:
                    fine = False
            elif result.ok:
                self._observe(result.object)
                if worker.pending_status is not None:
                    worker.written = (worker.pending_status, worker.pod.get("status") or {})
            elif result.code == 409:
                self._look_up(worker)
            elif result.code != 404:
                fine = False
        over = worker.memory.failure is not None or (worker.pod.get("status") or {}).get("phase") in TERMINAL
        if over and worker.plan.stopped:
            self._room.release(worker)
        if worker.look_again:
            worker.look_again = False
            self.look_soon(worker)
        return fine

    def _observe(self, pod: Object) -> None:
        self._observing = True
        try:
            self._shared.pods.observe(pod)
        finally:
            self._observing = False

    def _look_up(self, worker: PodWorker) -> None:
        """The pod changed meanwhile: read it, so that the next write goes by its present state."""
        self._ctx.spawn(self._read_pod(worker), "read pod")

    async def _read_pod(self, worker: PodWorker) -> None:
        await self._ctx.sleep(CONFLICT_RETRY_S * self._ctx.random.uniform(0.5, 1.5))
        try:
            (result,) = await self._shared.client.batch([Operation("get", PODS, *worker.key)])
        except RequestError:
            result = None
        if result is not None and result.ok and uid_of(result.object) == worker.uid:
            self._observe(result.object)
            worker.take(result.object)
        self.look_soon(worker)
