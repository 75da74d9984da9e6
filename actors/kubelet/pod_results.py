"""What the answers to calls, hooks and probes mean for a pod: its memory changes, and events follow. Pure."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.client.decision import EventNote
from actors.kubelet.container_start import ERROR_RETRY_S
from actors.kubelet.pod_memory import Hook, PodMemory, Waiting
from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.kubelet.probe import Kind, probed
from actors.runtime.protocol import (
    CREATE_CONTAINER,
    RUN_POD_SANDBOX,
    START_CONTAINER,
    STOP_CONTAINER,
    Call,
)

#: The code of an answer that never came.
UNANSWERED: Final = "Unanswered"
UNANSWERED_RETRY_S: Final = 1.0
#: A sandbox that the runtime says it runs, and which isn't there, is asked for again after this long.
SANDBOX_RETRY_S: Final = 1.0
_PROBE_TITLE: Final[dict[Kind, str]] = {"startup": "Startup", "readiness": "Readiness", "liveness": "Liveness"}

Failure = tuple[str, str]
"""Code and message."""


def call_answered(
    pod: Object, spec: PodSpec, memory: PodMemory, call: Call, failure: Failure | None, now_s: float
) -> tuple[list[EventNote], list[Hook]]:
    """A runtime call was carried out, or failed."""
    name = call.params.get("container", "")
    if failure is not None and failure[0] == UNANSWERED:
        memory.retry_s[name] = max(memory.retry_s.get(name, 0.0), now_s + UNANSWERED_RETRY_S)
        return [], []
    if call.method == RUN_POD_SANDBOX:
        if failure is None:
            # The runtime ignores it when it has removed that pod already, which an old view may not show yet.
            memory.retry_s[""] = now_s + SANDBOX_RETRY_S
            return [], []
        memory.retry_s[""] = now_s + ERROR_RETRY_S
        text = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {failure[1]}"
        return [EventNote(pod, "Warning", "FailedCreatePodSandBox", text)], []
    container = next((c for c in spec.containers if c.name == name), None)
    if container is None:
        return [], []
    if call.method == STOP_CONTAINER:
        kill = memory.kills.get(name)
        if failure is None and kill is not None and kill.attempt == call.params["attempt"]:
            kill.stopped = True
        return [], []
    if call.method == CREATE_CONTAINER:
        return _created(pod, memory, container, call, failure, now_s), []
    if call.method == START_CONTAINER:
        return _started(pod, memory, container, call, failure)
    return [], []


def _created(
    pod: Object, memory: PodMemory, container: ContainerSpec, call: Call, failure: Failure | None, now_s: float
) -> list[EventNote]:
    if failure is None:
        memory.take_attempt(container.name, call.params["attempt"])
        return [EventNote(pod, "Normal", "Created", "Container created", container.field_path)]
    memory.waiting[container.name] = Waiting("CreateContainerError", failure[1])
    memory.retry_s[container.name] = now_s + ERROR_RETRY_S
    return [EventNote(pod, "Warning", "Failed", f"Error: {failure[1]}", container.field_path)]


def _started(
    pod: Object, memory: PodMemory, container: ContainerSpec, call: Call, failure: Failure | None
) -> tuple[list[EventNote], list[Hook]]:
    if failure is not None:
        if failure[0] == "NotFound":
            return [], []  # it could not be created, which was told already
        memory.waiting[container.name] = Waiting("RunContainerError", failure[1])
        return [EventNote(pod, "Warning", "Failed", f"Error: {failure[1]}", container.field_path)], []
    memory.waiting.pop(container.name, None)
    memory.retry_s.pop(container.name, None)
    hooks: list[Hook] = []
    if container.post_start:
        attempt = call.params["attempt"]
        memory.hooks[container.name] = (attempt, "running")
        hooks.append(Hook(container, attempt, "postStart", container.post_start, 0.0))
    return [EventNote(pod, "Normal", "Started", "Container started", container.field_path)], hooks


def hook_answered(pod: Object, memory: PodMemory, hook: Hook, failure: str) -> list[EventNote]:
    """A lifecycle hook ended; `failure` is empty when it went well."""
    name = hook.container.name
    if hook.kind == "postStart":
        if memory.hooks.get(name, (-1, "done"))[0] == hook.attempt:
            memory.hooks[name] = (hook.attempt, "failed" if failure else "done")
        title = "FailedPostStartHook"
    else:
        kill = memory.kills.get(name)
        if kill is not None and kill.attempt == hook.attempt:
            kill.hook = "failed" if failure else "done"
        title = "FailedPreStopHook"
    if not failure:
        return []
    text = "PostStartHook failed" if hook.kind == "postStart" else "PreStopHook failed"
    return [EventNote(pod, "Warning", title, text, hook.container.field_path)]


def probe_answered(
    pod: Object,
    memory: PodMemory,
    container: ContainerSpec,
    kind: Kind,
    probe: dict[str, Any],
    attempt: int,
    success: bool,
    output: str,
    now_s: float,
) -> list[EventNote]:
    """A probe ended."""
    state = memory.probes.get((container.name, kind))
    if state is None or state.attempt != attempt:
        return []
    memory.probes[(container.name, kind)] = probed(kind, state, probe, success, now_s)
    if success:
        return []
    text = f"{_PROBE_TITLE[kind]} probe failed: {output}"
    return [EventNote(pod, "Warning", "Unhealthy", text, container.field_path)]
