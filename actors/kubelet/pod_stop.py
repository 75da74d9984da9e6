"""Ending containers: preStop, the signal, the grace period, and in which order. Pure."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.operation import Object
from actors.client.decision import EventNote
from actors.kubelet.pod_memory import Hook, Kill, Plan, PodMemory
from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.runtime.protocol import RUNNING, STOP_CONTAINER, STOP_POD_SANDBOX, Call, PodSandbox

#: What a container gets at least after its preStop hook has used up the grace period (kubelet's minimum).
GRACE_MIN_S: Final = 2.0
#: A container that runs so long after its grace period is over is stopped again: a runtime that was restarted meanwhile
#: knows nothing of the first time.
STOP_AGAIN_S: Final = 2.0


def plan_stop(
    pod: Object, spec: PodSpec, memory: PodMemory, sandbox: PodSandbox | None, grace_s: float, now_s: float, plan: Plan
) -> None:
    """End a whole pod: regular and init containers first, then sidecars in reverse order, then the sandbox."""
    if sandbox is None:
        plan.stopped = True
        return
    if memory.stop_began_s is None:
        memory.stop_began_s = now_s
    running = {container.name for container in sandbox.running()}
    first = [c for c in spec.containers if c.role != "sidecar" and c.name in running]
    last = [c for c in reversed(spec.sidecars) if c.name in running]
    left_s = max(memory.stop_began_s + grace_s - now_s, 0.0)
    for container in first or last[:1]:
        begun = memory.kills.get(container.name)
        limit_s = grace_s if first else begun.grace_s if begun else left_s
        plan_kill(pod, memory, sandbox, container, limit_s, f"Stopping container {container.name}", now_s, plan)
    if not running:
        if sandbox.ready:
            plan.calls.append(Call(STOP_POD_SANDBOX, {"uid": sandbox.uid}))
        else:
            plan.stopped = True


def plan_kill(
    pod: Object,
    memory: PodMemory,
    sandbox: PodSandbox,
    container: ContainerSpec,
    grace_s: float,
    why: str,
    now_s: float,
    plan: Plan,
) -> None:
    """End one running container; called again while it lasts, it goes on where it was."""
    state = sandbox.latest(container.name)
    if state is None or state.state != RUNNING:
        return
    kill = memory.kills.get(container.name)
    if kill is None or kill.attempt != state.attempt:
        kill = memory.kills[container.name] = Kill(state.attempt, now_s, grace_s)
        plan.notes.append(EventNote(pod, "Normal", "Killing", why, container.field_path))
        if container.pre_stop and grace_s > 0:
            kill.hook = "running"
            plan.hooks.append(Hook(container, state.attempt, "preStop", container.pre_stop, grace_s))
    elif grace_s < kill.grace_s:
        kill.grace_s, kill.stopped = grace_s, False
    deadline_s = kill.began_s + kill.grace_s
    if kill.hook == "running" and now_s < deadline_s:
        plan.wake(deadline_s)
        return
    if kill.stopped:
        again_s = max(deadline_s, kill.told_s) + STOP_AGAIN_S
        if now_s < again_s:
            plan.wake(again_s)
            return
    kill.told_s = now_s
    left_s = max(deadline_s - now_s, 0.0)
    if kill.hook is not None:
        left_s = max(left_s, GRACE_MIN_S)
    params = {"uid": sandbox.uid, "container": container.name, "attempt": state.attempt, "timeout_s": left_s}
    plan.calls.append(Call(STOP_CONTAINER, params))
