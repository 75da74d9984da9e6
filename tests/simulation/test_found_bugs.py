"""What the simulation found, each as the schedule it was shrunk to; docs/bugs.md tells the stories."""

from __future__ import annotations

from random import Random

from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.interception import Interception
from actors.simulation.run import Run, Schedule, execute
from actors.simulation.workload import deployment_manifest
from broker.message import KIND_PUBLICATION, unpack


def rollout(image: str = "nginx:1.26") -> tuple[Step, ...]:
    return (
        Step(0.0, "create", {"manifest": deployment_manifest("web", 2, "nginx:1.25")}),
        Step(2.0, "set-image", {"name": "web", "image": image}),
    )


def test_a_conflict_in_answer_to_the_kubelets_final_delete() -> None:
    """Any 409 was taken for "another pod has the name now", and the pod was left terminating for ever."""
    seen = 0
    for n in range(2, 12):
        where = {"sender": "kubelet-node-1", "receiver": "apiserver", "kind": "request", "subject": "operate"}
        fault = Step(0.0, "message", {**where, "n": n, "fault": "conflict"})
        report = execute(Schedule(2, 1, 10.0, FaultProfile(), (*rollout(), fault)))
        assert report.failure is None
        seen += report.faults.get("conflict", 0)
    assert seen >= 8


def test_with_every_hint_lost_it_converges_by_asking() -> None:
    """Publications are hints only: with none delivered, ever, silence makes every informer ask."""
    run = Run(Schedule(4, 2, 30.0, FaultProfile(), rollout()))
    dropped = 0

    class WithoutHints(Interception):
        def __call__(self, context, frames, route) -> None:
            nonlocal dropped
            if unpack(frames[0])[1] == KIND_PUBLICATION:
                dropped += 1
            else:
                super().__call__(context, frames, route)

    run.interception = WithoutHints(run.cluster.sim, [], FaultProfile(), Random(0))
    report = run.execute()
    assert report.failure is None
    assert dropped > 100
