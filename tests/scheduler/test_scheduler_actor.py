"""The whole actor against a small API server, while messages get lost and everything crashes."""

from __future__ import annotations

from typing import Any

from cluster_objects import node, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.apimachinery.operation import OPERATE, WATCH, Object, Operation, encode_object, operations_from_wire
from actors.apimachinery.stream import ADDED, DELETED, HELLO_TOPIC, MODIFIED, Stream
from actors.scheduler.actor import run
from broker.context import Context
from broker.faults import RandomFaults
from broker.message import Request
from broker.simulation import Simulation

LEASES = "coordination.k8s.io/v1/leases"


class SmallServer:
    """Just enough of an API server: state survives its crashes, watches go by revision, fences are checked."""

    def __init__(self) -> None:
        self.revision = 1
        self.objects: dict[tuple[str, str, str], tuple[int, Object]] = {}
        self.log: list[tuple[str, str, int, str, str, bytes]] = []
        self.ctx: Context | None = None
        self.bound: list[tuple[str, str]] = []

    async def run(self, ctx: Context) -> None:
        self.ctx = ctx
        ctx.serve(OPERATE, self.operate)
        ctx.serve(WATCH, self.watch)
        for _ in range(5):
            ctx.publish(HELLO_TOPIC)
            await ctx.sleep(0.2)
        while True:
            await ctx.sleep(1)
            for resource in ("v1/pods", "v1/nodes", "v1/namespaces", "v1/services"):
                last = max((row[2] for row in self.log if row[0] == resource), default=1)
                ctx.publish(Stream(resource).topic, [last, [], self.revision])

    def put(self, resource: str, obj: Object | None, key: tuple[str, str]) -> Object:
        self.revision += 1
        full = (resource, *key)
        kind = DELETED if obj is None else MODIFIED if full in self.objects else ADDED
        shown = self.objects.pop(full)[1] if obj is None else obj
        if obj is not None:
            self.objects[full] = (self.revision, obj)
        previous = max((row[2] for row in self.log if row[0] == resource), default=1)
        blob = encode_object(shown)
        self.log.append((resource, kind, self.revision, *key, blob))
        if self.ctx is not None and not self.ctx.closed:  # type: ignore[attr-defined]
            row = [kind, self.revision, *key, "", 0.0]
            self.ctx.publish(Stream(resource).topic, [previous, [row], self.revision], [blob])
        return shown

    def create(self, resource: str, obj: Object) -> None:
        metadata = obj["metadata"]
        self.put(resource, obj, (metadata.get("namespace", ""), metadata["name"]))

    def watch(self, request: Request) -> None:
        since, resource = request.body["since"], request.body["resource"]
        rows = [row for row in self.log if row[0] == resource and row[2] > since]
        events = [[kind, revision, namespace, name, "", 0.0] for _, kind, revision, namespace, name, _ in rows]
        request.reply([since, events, self.revision], [row[-1] for row in rows])

    def operate(self, request: Request) -> None:
        results, blobs = [], []
        for operation in operations_from_wire(request.body, request.blobs):
            code, found = self.carry_out(operation)
            status = {"code": code, "message": "refused"} if code >= 400 else None
            results.append([code, self.revision, [revision for revision, _ in found], status, None])
            blobs += [encode_object(obj) for _, obj in found]
        request.reply(results, blobs)

    def carry_out(self, op: Operation) -> tuple[int, list[tuple[int, Object]]]:
        key = (op.resource, op.namespace, op.name)
        fence = op.options.get("fence")
        if fence and self.lease_uid() != fence["uid"]:
            return 409, []
        if op.verb == "list":
            return 200, [value for known, value in sorted(self.objects.items()) if known[0] == op.resource]
        if op.verb == "create" and not op.subresource:
            if key in self.objects:
                return 409, []
            body = {**op.body, "metadata": {**op.body["metadata"], "uid": f"made-{self.revision}"}}
            self.put(op.resource, body, key[1:])
            return 201, [self.objects[key]]
        if key not in self.objects:
            return 404, []
        revision, current = self.objects[key]
        if op.verb == "get":
            return 200, [(revision, current)]
        if op.verb == "delete":
            self.put(op.resource, None, key[1:])
            return 200, []
        if op.subresource == "binding":
            return self.bind(op, current), []
        return self.patch(op, revision, current)

    def bind(self, op: Operation, current: Object) -> int:
        if op.body["metadata"]["uid"] != current["metadata"]["uid"] or current["spec"].get("nodeName"):
            return 409
        target = op.body["target"]["name"]
        spec = {**current["spec"], "nodeName": target}
        self.put(op.resource, {**current, "spec": spec, "status": {"phase": "Pending"}}, (op.namespace, op.name))
        self.bound.append((op.name, target))
        return 201

    def patch(self, op: Operation, revision: int, current: Object) -> tuple[int, list[tuple[int, Object]]]:
        wanted = op.body.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != str(revision):
            return 409, []
        if op.subresource == "status":
            changed = {**current, "status": {**current["status"], **op.body["status"]}}
        else:
            changed = {**current, **{k: v for k, v in op.body.items() if k != "metadata"}}
        self.put(op.resource, changed, (op.namespace, op.name))
        return 200, [self.objects[op.resource, op.namespace, op.name]]

    def lease_uid(self) -> str:
        found = self.objects.get((LEASES, "kube-system", "kube-scheduler"))
        return found[1]["metadata"]["uid"] if found else ""

    def all(self, resource: str) -> list[Object]:
        return [obj for (known, _, _), (_, obj) in self.objects.items() if known == resource]

    def pods_on(self, name: str) -> list[Object]:
        return [p for p in self.all("v1/pods") if p["spec"].get("nodeName") == name]

    def unbound(self) -> list[Object]:
        return [p for p in self.all("v1/pods") if not p["spec"].get("nodeName")]


def condition(obj: Object) -> Any:
    return next((c for c in obj["status"].get("conditions", ()) if c["type"] == "PodScheduled"), None)


def test_pods_are_bound_and_told_of() -> None:
    server = SmallServer()
    for i in range(3):
        server.create("v1/nodes", node(f"n{i}", cpu="2"))
    for i in range(6):
        server.create("v1/pods", pod(f"p{i}", requests={"cpu": "1"}))
    server.create("v1/pods", pod("huge", requests={"cpu": "3"}))
    with Simulation(seed=3) as sim:
        sim.spawn_actor("apiserver", server.run)
        sim.spawn_actor("scheduler", run)
        assert sim.run_until(lambda: len(server.bound) == 6 and bool(condition(server.unbound()[0])), 20)
        assert [len(server.pods_on(f"n{i}")) for i in range(3)] == [2, 2, 2]
        (huge,) = server.unbound()
        assert condition(huge)["reason"] == "Unschedulable"
        assert condition(huge)["message"] == (
            "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, "
            "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        )
        server.create("v1/nodes", node("big", cpu="4"))
        assert sim.run_until(lambda: ("huge", "big") in server.bound, 20)
        assert sim.run_until(lambda: len(server.all("v1/events")) >= 8, 20)
        told = {(e["reason"], e["type"], e["message"]) for e in server.all("v1/events")}
        assert ("Scheduled", "Normal", "Successfully assigned default/huge to big") in told
        assert ("FailedScheduling", "Warning", condition(huge)["message"]) in told
        assert {e["source"]["component"] for e in server.all("v1/events")} == {"default-scheduler"}
        assert not sim.crashes


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    faults=st.builds(RandomFaults, drop=st.floats(0, 0.3), duplicate=st.floats(0, 0.3), delay=st.floats(0, 0.3)),
    crashes=st.lists(st.tuples(st.sampled_from(["scheduler", "apiserver"]), st.floats(0, 2)), min_size=2, max_size=6),
    sizes=st.lists(st.sampled_from([300, 500, 700, 1000]), min_size=10, max_size=20),
)
def test_nodes_are_never_overcommitted_by_any_incarnation(seed, faults, crashes, sizes) -> None:
    server = SmallServer()
    for i in range(3):
        server.create("v1/nodes", node(f"n{i}", cpu="2"))
    with Simulation(seed=seed, faults=faults) as sim:
        sim.spawn_actor("apiserver", server.run)
        sim.spawn_actor("scheduler", run)
        for i, size in enumerate(sizes):
            server.create("v1/pods", pod(f"p{i}", requests={"cpu": f"{size}m"}))
            if i < len(crashes):
                name, pause_s = crashes[i]
                sim.run_for(pause_s)
                sim.crash(name)
            check(server)
        assert sim.run_until(lambda: settled(server), 300), "pods that fit were not bound"
        check(server)


def used(server: SmallServer, name: str) -> int:
    return sum(
        int(p["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m")) for p in server.pods_on(name)
    )


def check(server: SmallServer) -> None:
    assert all(used(server, f"n{i}") <= 2000 for i in range(3))
    assert len({name for name, _ in server.bound}) == len(server.bound)


def settled(server: SmallServer) -> bool:
    check(server)
    free = max(2000 - used(server, f"n{i}") for i in range(3))
    waiting = server.unbound()
    wanted = [int(p["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m")) for p in waiting]
    return all(size > free for size in wanted) and all(condition(p) for p in waiting)


class LateRequests:
    """While switched on, what the scheduler asks arrives three seconds late."""

    def __init__(self) -> None:
        self.on = False

    def fate(self, sender: str, receiver: str, kind: int, subject: str, random: object) -> list[float]:
        return [3.0 if self.on and sender == "scheduler" and subject == OPERATE else 0.0]


def test_a_binding_that_outlives_its_scheduler_is_refused() -> None:
    server, late = SmallServer(), LateRequests()
    server.create("v1/nodes", node("n0", cpu="1"))
    with Simulation(seed=1, faults=late) as sim:
        sim.spawn_actor("apiserver", server.run)
        sim.spawn_actor("scheduler", run)
        sim.run_for(2)
        late.on = True
        server.create("v1/pods", pod("first", requests={"cpu": "700m"}))
        sim.run_for(0.1)
        late.on = False
        server.create("v1/pods", pod("urgent", requests={"cpu": "700m"}, priority=10))
        sim.crash("scheduler")
        sim.run_for(10)
        assert server.bound == [("urgent", "n0")]
