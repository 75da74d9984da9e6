"""The scheduler's process: informers in, bindings out.

It takes over its lease first. From then on the API server refuses bindings of any predecessor, and the informers are
started only then: so their view contains every binding there is and will be, besides this scheduler's own, which it
knows as assumed pods. When it loses the lease it crashes, and its next incarnation begins anew.

Waiting pods are decided in rounds; a round's writes travel in one message while the next round is decided. A binding
whose outcome is unknown is asked for again, to the same node, until it is known; until then the pod stays assumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.meta import is_being_deleted, uid_of
from actors.apimachinery.operation import Object, Operation, Result
from actors.apimachinery.status import ApiError
from actors.apimachinery.stream import DELETED
from actors.client.client import Client
from actors.client.decision import EventNote
from actors.client.events import EventRecorder
from actors.client.informer import InformerSet
from actors.client.lease import RESOURCE as LEASES
from actors.client.lease import FencedLease, LeaseLost
from actors.scheduler.fit_error import truncated
from actors.scheduler.pod_info import DEFAULT_SCHEDULER_NAME, is_bindable, node_name_of
from actors.scheduler.pod_status import (
    PODS,
    Reason,
    binding,
    nomination_withdrawn,
    preemption_of,
    unscheduled_condition,
)
from actors.scheduler.scheduler import Assignment, Failure, Round, Scheduler
from broker.context import Context, RequestError
from broker.message import Cause

LEASE_NAMESPACE: Final = "kube-system"
LEASE_NAME: Final = "kube-scheduler"
#: Pods decided in one round, and rounds whose writes may be under way at once.
ROUND_PODS_MAX: Final = 256
ROUNDS_UNDER_WAY_MAX: Final = 8
#: A write without an answer is repeated after this long.
RETRY_S: Final = 0.2


async def run(ctx: Context) -> None:
    """Be the cluster's scheduler, until crashed or superseded."""
    client = Client(ctx)
    lease = FencedLease(client, LEASE_NAMESPACE, LEASE_NAME)
    await lease.acquire()
    actor = SchedulerActor(ctx, client, lease)
    await actor.start()
    await actor.loop()


class SchedulerActor:
    """One incarnation of the scheduler."""

    def __init__(self, ctx: Context, client: Client, lease: FencedLease) -> None:
        self._ctx = ctx
        self._client = client
        self._lease = lease
        self._recorder = EventRecorder(client, DEFAULT_SCHEDULER_NAME)
        self._informers = InformerSet(client)
        self._pods = self._informers.of(PODS)
        self._scheduler = Scheduler(ctx.random)
        self._wake = asyncio.Event()
        self._under_way = 0

    async def start(self) -> None:
        """Begin to follow the cluster; returns when the view is complete."""
        self._informers.of("v1/nodes").on_event(self._on_node)
        self._informers.of("v1/namespaces").on_event(self._on_namespace)
        self._informers.of("v1/services").on_event(self._on_service)
        self._informers.of("policy/v1/poddisruptionbudgets").on_event(self._on_disruption_budget)
        self._pods.on_event(self._on_pod)
        await self._informers.start()

    async def loop(self) -> None:
        """Decide for as long as there are pods that wait, then wait for events or for a backoff to end."""
        while True:
            # Cleared also when no further round may begin: waiting on a set event would never let anybody else run.
            self._wake.clear()
            while self._under_way < ROUNDS_UNDER_WAY_MAX:
                decided = self._scheduler.decide(ROUND_PODS_MAX, self._ctx.monotonic_s())
                if not decided:
                    break
                self._under_way += 1
                self._ctx.spawn(self._write(decided), "bind")
                await asyncio.sleep(0)
            await self._until_needed()

    async def _until_needed(self) -> None:
        timer: asyncio.TimerHandle | None = None
        if self._under_way < ROUNDS_UNDER_WAY_MAX:
            now_s = self._ctx.monotonic_s()
            wake_s = self._scheduler.queue.next_wake_s(now_s)
            if wake_s is not None:
                timer = asyncio.get_running_loop().call_later(wake_s - now_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    # Events

    def _on_pod(self, kind: str, pod: Object, old: Object | None) -> None:
        now_s = self._ctx.monotonic_s()
        if kind == DELETED:
            self._scheduler.on_pod_deleted(pod, now_s)
        else:
            self._scheduler.on_pod(pod, old, now_s, self._ctx.cause)
        self._wake.set()

    def _on_node(self, kind: str, node: Object, old: Object | None) -> None:
        now_s = self._ctx.monotonic_s()
        if kind == DELETED:
            self._scheduler.on_node_deleted(node, now_s)
        else:
            self._scheduler.on_node(node, old, now_s)
        self._wake.set()

    def _on_namespace(self, kind: str, namespace: Object, _old: Object | None) -> None:
        self._scheduler.on_namespace(namespace, self._ctx.monotonic_s(), gone=kind == DELETED)
        self._wake.set()

    def _on_service(self, kind: str, service: Object, _old: Object | None) -> None:
        self._scheduler.snapshot.set_service(service, gone=kind == DELETED)

    def _on_disruption_budget(self, kind: str, budget: Object, _old: Object | None) -> None:
        self._scheduler.on_disruption_budget(budget, gone=kind == DELETED)

    # Writing

    async def _write(self, decided: Round) -> None:
        """Carry out a round's decisions."""
        assignments: Sequence[Assignment] = decided.assignments
        conditions = [operation for failure in decided.failures for operation in self._consequences(failure)]
        while assignments or conditions:
            bindings = [binding(assignment, self._lease.fence) for assignment in assignments]
            try:
                results = await self._client.batch([*bindings, *conditions])
            except RequestError:
                await self._ctx.sleep(RETRY_S * (1 + self._ctx.random.random()))
                continue
            self._on_conditions(results[len(bindings) :])
            conditions = []
            assignments = await self._on_bindings(assignments, results[: len(bindings)])
            if assignments:
                await self._ctx.sleep(RETRY_S * (1 + self._ctx.random.random()))
        self._under_way -= 1
        self._wake.set()

    def _on_conditions(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.ok and result.objects and "spec" in result.object and not is_being_deleted(result.object):
                self._pods.observe(result.object)

    async def _on_bindings(self, assignments: Sequence[Assignment], results: Sequence[Result]) -> list[Assignment]:
        """Take in what became of bindings; returns those to be asked for again."""
        again: list[Assignment] = []
        for assignment, result in zip(assignments, results, strict=True):
            if result.ok:
                self._on_bound(assignment, result)
            elif result.code >= 500 or result.code == 429 or not await self._on_refused(assignment, result):
                again.append(assignment)
        return again

    def _on_bound(self, assignment: Assignment, result: Result) -> None:
        self._scheduler.bound(assignment)
        for obj in result.objects:
            if "spec" in obj:
                self._pods.observe(obj)
        key = assignment.info.key
        if self._scheduler.snapshot.node_of(assignment.info.uid) not in ("", assignment.node_name):
            return  # somebody else has bound it
        note = f"Successfully assigned {key.namespace}/{key.name} to {assignment.node_name}"
        with self._ctx.acting_on(assignment.queued.cause):
            self._recorder.record(EventNote(_about(assignment.info.pod), "Normal", "Scheduled", note))

    async def _on_refused(self, assignment: Assignment, result: Result) -> bool:
        """Find out what a refusal means: the lease is lost, the pod is bound already, gone, or not to be bound.

        False when it may still be bound as asked: a pod that waits for a node was refused for something passing, and a
        copy of the request may yet arrive, so that the pod has to stay assumed.
        """
        if result.code == 409:
            await self._check_lease()
        current = await self._current(assignment)
        same = current is not None and uid_of(current) == assignment.info.uid
        if current is not None and same and node_name_of(current):
            self._pods.observe(current)
            self._on_bound(assignment, result)
            return True
        if current is not None and same and result.code == 409 and is_bindable(current):
            return False
        self._scheduler.refused(assignment, current, self._ctx.monotonic_s())
        if current is not None and same:
            why = (result.status or {}).get("message", "")
            await self._report_error(assignment, current, f'running Bind plugin "DefaultBinder": {why}')
        self._wake.set()
        return True

    async def _check_lease(self) -> None:
        fence = self._lease.fence
        held: Mapping[str, Any] | None = None
        while held is None:
            try:
                held = await self._client.get(LEASES, LEASE_NAME, LEASE_NAMESPACE)
            except RequestError:
                await self._ctx.sleep(RETRY_S)
            except ApiError as error:
                if error.code == 404:
                    raise LeaseLost(f"{LEASE_NAMESPACE}/{LEASE_NAME} is gone") from error
                await self._ctx.sleep(RETRY_S)
        if uid_of(held) != fence["uid"]:
            raise LeaseLost(f"{LEASE_NAMESPACE}/{LEASE_NAME} is held by another")

    async def _current(self, assignment: Assignment) -> Object | None:
        """The pod as the API server has it now; None when it is gone."""
        key = assignment.info.key
        while True:
            try:
                return await self._client.get(PODS, key.name, key.namespace)
            except RequestError:
                await self._ctx.sleep(RETRY_S)
            except ApiError as error:
                if error.code == 404:
                    return None
                await self._ctx.sleep(RETRY_S)

    # Telling why

    def _consequences(self, failure: Failure) -> list[Operation]:
        """What to write because a pod fits nowhere: its condition, and what makes room for it."""
        fence, cause, info = self._lease.fence, failure.queued.cause, failure.info
        told = self._tell(info.pod, "Unschedulable", failure.message, cause, failure.nominated_node)
        operations = [told] if told is not None else []
        for victim in failure.victims:
            operations += preemption_of(victim.pod, self._ctx.wall_s(), fence, cause)
            note = f"Preempted by pod {info.uid} on node {failure.nominated_node}"
            with self._ctx.acting_on(cause):
                self._recorder.record(EventNote(_about(victim.pod), "Normal", "Preempted", note))
        return operations + [nomination_withdrawn(other.pod, fence, cause) for other in failure.displaced]

    async def _report_error(self, assignment: Assignment, pod: Object, message: str) -> None:
        operation = self._tell(pod, "SchedulerError", message, assignment.queued.cause)
        if operation is not None:
            try:
                self._on_conditions(await self._client.batch([operation]))
            except RequestError:
                return  # the next attempt says it again

    def _tell(
        self, pod: Object, reason: Reason, message: str, cause: Cause, nominated_node: str = ""
    ) -> Operation | None:
        """Record the event; returns the write of the condition, if one is needed."""
        with self._ctx.acting_on(cause):
            self._recorder.record(EventNote(_about(pod), "Warning", "FailedScheduling", truncated(message)))
        fence, wall_s = self._lease.fence, self._ctx.wall_s()
        return unscheduled_condition(pod, reason, message, wall_s, fence, cause, nominated_node)


def _about(pod: Object) -> Object:
    """The pod with what an event needs of it; objects from lists may lack their kind."""
    return pod if "kind" in pod else {"apiVersion": "v1", "kind": "Pod", **pod}
