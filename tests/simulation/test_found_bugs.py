"""What the simulation found, each as the schedule it was shrunk to; docs/bugs.md tells the stories."""

from __future__ import annotations

import pytest

from actors.simulation.fault_plan import Step
from actors.simulation.fault_profile import FaultProfile
from actors.simulation.moment import Moment
from actors.simulation.run import execute
from actors.simulation.schedule import Schedule
from actors.simulation.workload import deployment_manifest


def rollout(image: str = "nginx:1.26") -> tuple[Step, ...]:
    return (
        Step(0.0, "create", {"manifest": deployment_manifest("web", 2, "nginx:1.25")}),
        Step(2.0, "set-image", {"name": "web", "image": image}),
    )


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("operation", ["delete", "patch status"])
def test_a_conflict_in_answer_to_the_kubelets_final_delete(operation: str, nth: int) -> None:
    """Any 409 was taken for "another pod has the name now", and the pod was left terminating for ever."""
    moment = Moment(operation=operation, resource="v1/pods", by="kubelet-node-1", nth=nth)
    fault = Step(0.0, "message", {"fault": "conflict"}, moment)
    report = execute(Schedule(2, 1, 10.0, FaultProfile(), (*rollout(), fault)))
    assert report.failure is None
    assert report.faults == {"conflict": 1}


def test_with_every_hint_lost_it_converges_by_asking() -> None:
    """Publications are hints only: with none delivered, ever, silence makes every informer ask."""
    report = execute(Schedule(4, 2, 30.0, FaultProfile(), (*rollout(), Step(0.0, "no-hints"))))
    assert report.failure is None
    assert report.faults["no-hints"] > 100


def test_a_kubelet_whose_view_is_old_does_not_ask_its_runtime_again_and_again() -> None:
    """It wanted a pod to run that the runtime had removed, which the runtime ignores: 3000 requests a second."""
    steps = (
        *rollout(),
        Step(5.0, "scale", {"name": "web", "replicas": 0}),
        Step(6.0, "restart-onto-old-view", {"actor": "kubelet-node-1", "behind_s": 2.0, "for_s": 3.0}),
    )
    asked = 0

    def count(key, frames) -> None:
        nonlocal asked
        asked += key[:2] == ("kubelet-node-1", "runtime-node-1") and key[3] == "batch"

    assert execute(Schedule(2, 1, 12.0, FaultProfile(), steps), count).failure is None
    assert 0 < asked < 100


def test_the_lease_of_a_removed_node_is_collected() -> None:
    """The garbage collector watched neither leases nor nodes."""
    steps = (*rollout(), Step(4.0, "remove-node", {"node": "node-2"}))
    assert execute(Schedule(2, 2, 10.0, FaultProfile(), steps)).failure is None
