"""What to do about a pod next: kubelet's `computePodActions`, as a function without I/O.

`plan_pod` looks at what the API wants, what the runtime has, and what the worker remembers, and answers the runtime
calls, hooks, probes and events that follow. It reads no clock and touches nothing but the memory it is handed. It is
called again after each answer: one look gives one step (a sandbox; images; containers), so that what comes next rests
on what really happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.meta import annotations_of, is_being_deleted, parse_time
from actors.apimachinery.operation import Object
from actors.client.decision import EventNote
from actors.kubelet.config import NodeConfig
from actors.kubelet.container_start import ContainerStart
from actors.kubelet.pod_memory import Plan, PodDependencies, PodMemory
from actors.kubelet.pod_outcome import in_sandbox, is_complete
from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.kubelet.pod_stop import plan_kill, plan_stop
from actors.kubelet.probe import initial_probe
from actors.kubelet.volumes import VolumeError, pod_volumes
from actors.runtime.protocol import EXITED, RUN_POD_SANDBOX, RUNNING, Call, PodSandbox

DEADLINE_MESSAGE: Final = "Pod was active on the node longer than the specified deadline"
#: A removed pod that nobody asked to end gracefully gets this long.
REMOVED_GRACE_S: Final = 1.0
#: A volume that can't be set up is tried again after this long.
MOUNT_RETRY_S: Final = 2.0


def plan_pod(
    pod: Object,
    spec: PodSpec,
    memory: PodMemory,
    sandbox: PodSandbox | None,
    images: Mapping[str, int],
    node: NodeConfig,
    dependencies: PodDependencies | None,
    now_s: float,
    *,
    removed: bool = False,
) -> Plan:
    """The next step for a pod. `removed`: the API knows it no more."""
    plan = Plan()
    if sandbox is not None:
        for name, attempts in sandbox.containers.items():
            if attempts:
                memory.take_attempt(name, attempts[-1].attempt)
    if memory.rejected:
        plan.stopped = True
        return plan
    _check_deadline(pod, memory, plan, now_s)
    grace_s = _stop_grace(pod, spec, memory, removed)
    if grace_s is not None:
        plan_stop(pod, spec, memory, sandbox, grace_s, now_s, plan)
        return plan
    if is_complete(spec, sandbox) or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        plan_stop(pod, spec, memory, sandbox, spec.grace_s, now_s, plan)
        return plan
    if sandbox is None or not sandbox.ready:
        _plan_sandbox(pod, spec, memory, sandbox, node, dependencies, now_s, plan)
        return plan
    start = ContainerStart(pod, spec, memory, sandbox, images, node, dependencies, now_s, plan)
    _plan_ephemerals(start)
    if _initialized(start):
        _plan_regulars(start)
    return plan


def _check_deadline(pod: Object, memory: PodMemory, plan: Plan, now_s: float) -> None:
    deadline = pod["spec"].get("activeDeadlineSeconds")
    if deadline is None or memory.failure:
        return
    started = pod.get("status", {}).get("startTime")
    started_s = parse_time(started) if started else memory.start_time_s
    if started_s is None:
        return
    if now_s < started_s + deadline:
        plan.wake(started_s + deadline)
    elif pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
        memory.failure = ("DeadlineExceeded", DEADLINE_MESSAGE)
        plan.notes.append(EventNote(pod, "Normal", "DeadlineExceeded", DEADLINE_MESSAGE))


def _stop_grace(pod: Object, spec: PodSpec, memory: PodMemory, removed: bool) -> float | None:
    """How long the pod's containers have to end; None when they may go on."""
    if is_being_deleted(pod):
        grace = pod["metadata"].get("deletionGracePeriodSeconds")
        grace_s: float = spec.grace_s if grace is None else grace
        return max(grace_s, REMOVED_GRACE_S)
    if removed:
        return REMOVED_GRACE_S
    return spec.grace_s if memory.failure else None


def _plan_sandbox(
    pod: Object,
    spec: PodSpec,
    memory: PodMemory,
    sandbox: PodSandbox | None,
    node: NodeConfig,
    dependencies: PodDependencies | None,
    now_s: float,
    plan: Plan,
) -> None:
    retry_s = memory.retry_s.get("", 0.0)
    if now_s < retry_s:
        plan.wake(retry_s)
        return
    if spec.dependencies and (dependencies is None or dependencies.fetched_s < retry_s):
        plan.fetch = True
        return
    try:
        volumes = pod_volumes(pod, node, dependencies)
    except VolumeError as error:
        message = f'MountVolume.SetUp failed for volume "{error.volume}" : {error.message}'
        plan.notes.append(EventNote(pod, "Warning", "FailedMount", message))
        memory.retry_s[""] = now_s + MOUNT_RETRY_S
        plan.wake(now_s + MOUNT_RETRY_S)
        return
    if sandbox is not None:
        note = "Pod sandbox changed, it will be killed and re-created."
        plan.notes.append(EventNote(pod, "Normal", "SandboxChanged", note))
    metadata = pod["metadata"]
    params: dict[str, Any] = {
        "uid": metadata["uid"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "attempt": sandbox.attempt + 1 if sandbox is not None else 0,
        "annotations": dict(annotations_of(pod)),
        "host_network": spec.host_network,
        "host_ip": node.address,
        "pod_cidr": pod_cidr(node),
        "volumes": volumes,
    }
    plan.calls.append(Call(RUN_POD_SANDBOX, params))


def pod_cidr(node: NodeConfig) -> str:
    """Where the node's pods' addresses come from."""
    return node.pod_cidr


def _initialized(start: ContainerStart) -> bool:
    """See to the init containers; True once the regular ones may start."""
    spec, sandbox = start.spec, start.sandbox
    begun = any(in_sandbox(sandbox, container) for container in spec.regulars)
    for container in spec.inits:
        state = in_sandbox(sandbox, container)
        if container.role == "sidecar":
            up = _keep_running(start, container)
            if not up and not begun:
                return False
        elif not begun:
            if state is None:
                start.start(container)
                return False
            if state.state == EXITED and state.exit_code != 0:
                start.restart(container, state)
                return False
            if state.state != EXITED:
                _keep_running(start, container)
                return False
    return True


def _plan_regulars(start: ContainerStart) -> None:
    calls = start.plan.calls
    for container in start.spec.regulars:
        _keep_running(start, container)
        # A container with a postStart hook holds up those that come after it until the hook is over.
        hook = start.memory.hooks.get(container.name)
        starting = bool(container.post_start and calls and calls[-1].params["container"] == container.name)
        if starting or (hook is not None and hook[1] == "running"):
            return


def _plan_ephemerals(start: ContainerStart) -> None:
    """Start each once, whatever the other containers do (``kubectl debug``)."""
    for container in start.spec.ephemerals:
        state = in_sandbox(start.sandbox, container)
        if state is None or state.state not in (RUNNING, EXITED):
            start.start(container)


def _keep_running(start: ContainerStart, container: ContainerSpec) -> bool:
    """Start a container, or start it again, or see to its probes. True when it is up."""
    state = in_sandbox(start.sandbox, container)
    if state is None:
        start.start(container)
        return False
    if state.state == EXITED:
        if container.restarts_after(state.exit_code):
            start.restart(container, state)
        return False
    if state.state != RUNNING:
        start.start(container)
        return False
    if state.image != container.image:
        why = f"Container {container.name} definition changed, will be restarted"
        _kill(start, container, why, start.spec.grace_s)
        return False
    return _see_to_probes(start, container, state.attempt, state.started_s)


def _see_to_probes(start: ContainerStart, container: ContainerSpec, attempt: int, started_s: float) -> bool:
    memory, plan = start.memory, start.plan
    hook = memory.hooks.get(container.name)
    if hook is not None and hook[0] == attempt and hook[1] == "failed":
        _kill(start, container, "FailedPostStartHook", start.spec.grace_s)
        return False
    up = hook is None or hook[0] != attempt or hook[1] == "done"
    for kind, probe in container.probes:
        key = (container.name, kind)
        state = memory.probes.get(key)
        if state is None or state.attempt != attempt:
            state = memory.probes[key] = initial_probe(kind, probe, attempt, started_s, start.now_s)
        if kind != "readiness" and state.result is False:
            restarts = ", will be restarted" if container.restart_policy != "Never" else ""
            grace_s = probe.get("terminationGracePeriodSeconds")
            why = f"Container {container.name} failed {kind} probe{restarts}"
            _kill(start, container, why, start.spec.grace_s if grace_s is None else grace_s)
            return False
        if state.due_s <= start.now_s:
            plan.probes.append((container, kind, probe, attempt))
        else:
            plan.wake(state.due_s)
        if kind == "startup" and state.result is not True:
            return False  # the others begin when it has started up
    return up


def _kill(start: ContainerStart, container: ContainerSpec, why: str, grace_s: float) -> None:
    plan_kill(start.pod, start.memory, start.sandbox, container, grace_s, why, start.now_s, start.plan)
