"""The end of a run: faults are over, and the cluster has to come to rest as it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.apimachinery.meta import key_of
from actors.apimachinery.operation import Operation
from actors.apimachinery.resources import resource_for_kind
from actors.simulation.cluster import CONTROL_PLANE, SimulatedCluster
from actors.simulation.final_oracles import left_over, not_idempotent, versions, written_between
from actors.simulation.oracles import unsettled
from actors.simulation.schedule import Expectation, Failure
from actors.simulation.user import InsistingUser
from actors.simulation.witness import HistoryWitness, committed
from actors.simulation.workload import final_nodes, final_state, nodes_of, state_of

#: After the last fault the cluster may take this long to converge (virtual seconds).
CONVERGE_WITHIN_S: Final = 180.0
#: What has converged must stay so, without a write, for this long.
QUIET_S: Final = 30.0
#: After all controllers were restarted, they have this long to write something.
RESTARTED_S: Final = 5.0
#: How often the state is looked at while it converges.
LOOK_EVERY_S: Final = 0.5
#: Writes that are under way when convergence is seen may end within this time.
AFTERMATH_S: Final = 15.0
LAWS: Final = 9
#: All others read everything anew when they start, and must find nothing to do in a settled cluster. (The API server
#: serves and the tracer listens; a restarted runtime has lost its containers.)
_NOT_RESTARTED: Final = ("apiserver", "tracer")


class Verdict:
    """Judges one cluster."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        witness: HistoryWitness,
        user: InsistingUser,
        nodes: int,
        expectations: Sequence[Expectation] = (),
        also_unsettled: Callable[[], list[str]] = list,
    ) -> None:
        self._cluster = cluster
        self._witness = witness
        self._user = user
        self._nodes = nodes
        self._expectations = expectations
        self._also_unsettled = also_unsettled
        self.settled_s = 0.0

    def judge(self) -> Failure | None:
        """Let it settle, and look."""
        sim, oracles = self._cluster.sim, self._cluster.oracles
        deadline_s = sim.now_s + CONVERGE_WITHIN_S
        while problems := self._unsettled():
            if oracles.violations:
                return Failure("invariant", tuple(oracles.violations))
            if sim.now_s >= deadline_s:
                return Failure("not converged", tuple(problems))
            sim.run_for(LOOK_EVERY_S)
        self.settled_s = sim.now_s
        return self._check_settled()

    def _unsettled(self) -> list[str]:
        if self._user.done < len(self._user.steps):
            return [f"the user has no answer yet: {self._user.steps[self._user.done]}"]
        return unsettled(self._cluster.oracles) + self._also_unsettled()

    def _check_settled(self) -> Failure | None:
        sim, oracles = self._cluster.sim, self._cluster.oracles
        sim.run_for(AFTERMATH_S)
        before = versions(oracles)
        sim.run_for(QUIET_S)
        after = versions(oracles)
        found: list[tuple[str, Sequence[str]]] = [
            ("invariant", oracles.violations),
            ("not converged", self._unsettled()),
            ("final state", [*self._user.refused, *self._not_as_asked()]),
            ("expectation", self._disappointed()),
            ("still writing", written_between(before, after)),
            ("left over", left_over(oracles)),
            ("not idempotent", not_idempotent(oracles, self._cluster.client.ctx.wall_s())),
            ("lost", self._unread()),
        ]
        failure = next((Failure(kind, tuple(details)) for kind, details in found if details), None)
        return failure or self._check_restarted()

    def _check_restarted(self) -> Failure | None:
        """Whatever reads everything anew finds nothing to do."""
        sim, oracles = self._cluster.sim, self._cluster.oracles
        before = versions(oracles)
        for actor in sim.actors:
            if actor in {**CONTROL_PLANE, **self._cluster.extra_actors} and actor not in _NOT_RESTARTED:
                sim.crash(actor, restart_after_s=0.0)
        sim.run_for(RESTARTED_S)
        written = written_between(before, versions(oracles))
        if written:
            return Failure("not idempotent", tuple(f"{text} (by a controller that was restarted)" for text in written))
        return Failure("invariant", tuple(oracles.violations)) if oracles.violations else None

    def _not_as_asked(self) -> list[str]:
        wanted = final_state(self._user.steps, self._user.undone)
        got = state_of(self._cluster.oracles)
        wrong = [
            f"Deployment {n}: {got.get(n)}, not {wanted.get(n)}"
            for n in {**wanted, **got}
            if wanted.get(n) != got.get(n)
        ]
        if not self._cluster.hollow_nodes:
            nodes, there = final_nodes(self._user.steps, self._nodes), nodes_of(self._cluster.oracles)
            wrong += [
                f"Node {n}: schedulable is {there.get(n)}, not {nodes.get(n)}"
                for n in {**nodes, **there}
                if nodes.get(n) != there.get(n)
            ]
        return wrong

    def _unread(self) -> list[str]:
        """Objects that the API server shows otherwise than they were committed."""
        oracles = self._cluster.oracles
        wanted = committed(oracles)
        problems: list[str] = []
        for kind, table in oracles.objects.items():
            first = next(iter(table.values()), None)
            resource = resource_for_kind(first["apiVersion"], kind) if first is not None else None
            if resource is None or kind in ("Event", "Lease", "Node"):
                continue  # those are written all the time
            listed = self._cluster.run(self._cluster.client.call(Operation("list", resource.key)))
            shown = {key_of(obj): obj["metadata"]["resourceVersion"] for obj in listed.objects}
            problems += [
                f"{kind} {key} is read as of {shown.get(key)}, not {wanted.get((kind, key))}"
                for key in {**shown, **table}
                if shown.get(key) != wanted.get((kind, key))
            ]
        return problems

    def _disappointed(self) -> list[str]:
        problems: list[str] = []
        for e in self._expectations:
            obj = self._cluster.oracles.objects.get(e.kind, {}).get(e.key)
            if not e.path:
                if obj is not None:
                    problems.append(f"{e.kind} {e.key} exists")
                continue
            value: Any = obj
            for name in e.path:
                value = value.get(name) if isinstance(value, dict) else None
            if value != e.value:
                problems.append(f"{e.kind} {e.key}: {'.'.join(e.path)} is {value!r}, not {e.value!r}")
        return problems
