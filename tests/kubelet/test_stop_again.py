"""A container that outlives its grace period is stopped again: the runtime that was told may be gone."""

from __future__ import annotations

from actors.kubelet.pod_memory import Kill, Plan, PodMemory
from actors.kubelet.pod_spec import PodSpec
from actors.kubelet.pod_stop import STOP_AGAIN_S, plan_kill
from actors.runtime.protocol import RUNNING, STOP_CONTAINER, ContainerState, PodSandbox

POD = {"metadata": {"name": "web", "uid": "uid-1"}, "spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}
GRACE_S = 30.0


def calls_at(now_s: float, memory: PodMemory) -> list[str]:
    sandbox = PodSandbox("uid-1", "default", "web", "sandbox")
    sandbox.containers["web"] = [ContainerState("c", "web", 0, "nginx:1", RUNNING, 0.0)]
    spec = PodSpec(POD)
    plan = Plan()
    plan_kill(POD, memory, sandbox, spec.containers[0], GRACE_S, "why", now_s, plan)
    return [call.method for call in plan.calls]


def test_it_is_told_once_within_its_grace_period_and_again_after_it() -> None:
    memory = PodMemory()
    assert calls_at(100.0, memory) == [STOP_CONTAINER]
    kill = memory.kills["web"]
    assert isinstance(kill, Kill)
    kill.stopped = True
    assert calls_at(100.0 + GRACE_S, memory) == []
    again_s = 100.0 + GRACE_S + STOP_AGAIN_S
    assert calls_at(again_s, memory) == [STOP_CONTAINER]
    assert calls_at(again_s + STOP_AGAIN_S - 0.1, memory) == []
    assert calls_at(again_s + STOP_AGAIN_S, memory) == [STOP_CONTAINER]
