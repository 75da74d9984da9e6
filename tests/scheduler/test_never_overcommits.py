"""Whatever happens to bindings and whenever events arrive, no node gets more pods than it has room for.

The world here is the API server's truth: bindings are carried out late, or refused, or carried out without the
scheduler hearing of it; events reach the scheduler in order, but late.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

from cluster_objects import bound, node, pod
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.scheduler.scheduler import Assignment, Scheduler

CPU = {"n0": 1000, "n1": 2000, "n2": 3000}


@dataclass
class World:
    """Nodes and pods as they are, and what is on its way."""

    scheduler: Scheduler
    pods: dict[str, Any] = field(default_factory=dict)
    events: deque[tuple[str, Any, Any]] = field(default_factory=deque)
    bindings: list[Assignment] = field(default_factory=list)
    answers: list[tuple[Assignment, bool, Any]] = field(default_factory=list)
    now_s: float = 0.0
    uids: set[str] = field(default_factory=set)
    """Of every pod that there ever was."""

    def write(self, name: str, value: Any) -> None:
        old = self.pods.get(name)
        if value is None:
            self.events.append(("delete", self.pods.pop(name), None))
        else:
            self.pods[name] = value
            self.uids.add(value["metadata"]["uid"])
            self.events.append(("put", value, old))

    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.events))):
            kind, value, old = self.events.popleft()
            if kind == "delete":
                self.scheduler.on_pod_deleted(value, self.now_s)
            else:
                self.scheduler.on_pod(value, old, self.now_s)

    def carry_out(self, index: int, refuse: bool) -> None:
        """The API server takes a binding that is on its way."""
        if not self.bindings:
            return
        assignment = self.bindings.pop(index % len(self.bindings))
        current = self.pods.get(assignment.info.key.name)
        gone = current is None or current["metadata"]["uid"] != assignment.info.uid
        if gone or refuse:
            self.answers.append((assignment, False, None if gone else current))
        elif not current["spec"].get("nodeName"):
            self.write(assignment.info.key.name, bound(current, assignment.node_name))
            self.answers.append((assignment, True, None))

    def answer(self, index: int) -> None:
        if self.answers:
            assignment, ok, current = self.answers.pop(index % len(self.answers))
            if ok:
                self.scheduler.bound(assignment)
            else:
                self.scheduler.refused(assignment, current, self.now_s)

    def check(self) -> None:
        used = dict.fromkeys(CPU, 0)
        ports: dict[str, set[int]] = {name: set() for name in CPU}
        for value in self.pods.values():
            where = value["spec"].get("nodeName")
            if where and value["status"]["phase"] == "Pending":
                container = value["spec"]["containers"][0]
                used[where] += int(container["resources"]["requests"]["cpu"].removesuffix("m"))
                for port in container.get("ports", ()):
                    assert port["hostPort"] not in ports[where], "two pods hold one port"
                    ports[where].add(port["hostPort"])
        for name, cpu in used.items():
            assert cpu <= CPU[name], f"{name} is overcommitted"


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "create", "create", "decide", "decide", "carry", "carry", "refuse", "answer", "deliver", "end",
             "delete", "recreate", "touch", "touch", "lose", "wait"]
        ),
        st.integers(0, 11),
        st.sampled_from([200, 400, 500, 900]),
    ),
    min_size=80,
    max_size=160,
)  # fmt: skip


@settings(max_examples=80)
@given(steps, st.integers(0, 2**16))
def test_no_node_is_ever_overcommitted(plan, seed):
    world = World(Scheduler(Random(seed)))
    for name, cpu in CPU.items():
        world.scheduler.on_node(node(name, cpu=f"{cpu}m"), None, 0)
    for round_, (step, number, cpu) in enumerate(plan):
        name = f"p{number}"
        if step in ("create", "recreate"):
            if name in world.pods and step == "recreate":
                world.write(name, None)
            if name not in world.pods:
                ports = [{"hostPort": 80}] if number % 4 == 0 else None
                made = pod(name, requests={"cpu": f"{cpu}m"}, ports=ports)
                made["metadata"]["uid"] = f"{name}-{round_}"
                world.write(name, made)
        elif step == "decide":
            world.bindings += world.scheduler.decide(number, world.now_s).assignments
        elif step in ("carry", "refuse"):
            world.carry_out(number, step == "refuse")
        elif step == "answer":
            world.answer(number)
        elif step == "lose" and world.answers:
            # An answer is lost: the binding is asked for again, and only then its fate is known.
            assignment, ok, _ = world.answers.pop()
            if ok:
                world.scheduler.bound(assignment)
            else:
                world.bindings.append(assignment)
        elif step == "deliver":
            world.deliver(number)
        elif step == "end" and world.pods.get(name, {}).get("spec", {}).get("nodeName"):
            world.write(name, {**world.pods[name], "status": {"phase": "Succeeded"}})
        elif step == "touch" and name in world.pods:
            touched = world.pods[name]
            labels = {"touched": str(round_)}
            world.write(name, {**touched, "metadata": {**touched["metadata"], "labels": labels}})
        elif step == "delete" and name in world.pods:
            world.write(name, None)
        world.now_s += 1 if step == "wait" else 0.01
        world.check()
    settle(world)


def settle(world: World) -> None:
    """Once all messages have arrived, what fits is bound, and the scheduler's books agree with the world."""
    for _ in range(40):
        world.deliver(10**6)
        while world.bindings:
            world.carry_out(0, refuse=False)
        while world.answers:
            world.answer(0)
        world.deliver(10**6)
        world.now_s += 20
        world.bindings += world.scheduler.decide(100, world.now_s).assignments
        world.check()
    snapshot = world.scheduler.snapshot
    assert not [uid for uid in world.uids if snapshot.is_assumed(uid)]
    for name in CPU:
        there = {v["metadata"]["uid"]: v for v in world.pods.values() if v["spec"].get("nodeName") == name}
        live = {uid for uid, v in there.items() if v["status"]["phase"] == "Pending"}
        assert set(snapshot.nodes[name].pods) == live
        info = snapshot.nodes[name]
        again = info.copy()
        assert (again.requested, again.ports, again.owners) == (info.requested, info.ports, info.owners)
    for value in world.pods.values():
        if not value["spec"].get("nodeName"):
            wanted = int(value["spec"]["containers"][0]["resources"]["requests"]["cpu"].removesuffix("m"))
            for name, info in snapshot.nodes.items():
                free = CPU[name] - info.requested.milli_cpu
                port_taken = bool(value["spec"]["containers"][0].get("ports")) and bool(info.ports)
                assert wanted > free or port_taken, "a pod that fits stays pending"
