"""Starting one container: back-off, image, configuration, creation. Pure.

The order is the kubelet's (`startContainer`): back-off of a crashing container, then its image, then what its
environment refers to, then create and start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.apimachinery.operation import Object
from actors.client.decision import EventNote
from actors.kubelet.backoff import format_duration, next_backoff, until_s
from actors.kubelet.config import NodeConfig
from actors.kubelet.environment import ConfigError, expand, resolve_environment
from actors.kubelet.pod_memory import ImagePull, Plan, PodDependencies, PodMemory, Waiting
from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.runtime.protocol import (
    CREATE_CONTAINER,
    CREATED,
    FAILED,
    PULL_IMAGE,
    PULLED,
    START_CONTAINER,
    Call,
    ContainerState,
    PodSandbox,
    PullState,
)

#: A container that can't be created is tried again after this long (the pod workers' back-off).
ERROR_RETRY_S = 10.0
#: The kubelet looks at a pod again about this soon after a pull failed, and then says that it backs off.
PULL_LOOK_AGAIN_S = 1.0
#: Timers may fire this much early.
EARLY_S = 0.002
#: ConfigMaps and Secrets read longer ago than this are read again for a container that starts.
DEPENDENCIES_FRESH_S = 5.0


@dataclass(slots=True)
class ContainerStart:
    """Everything that deciding about a container's start needs; adds to `plan`."""

    pod: Object
    spec: PodSpec
    memory: PodMemory
    sandbox: PodSandbox
    images: Mapping[str, int]
    node: NodeConfig
    dependencies: PodDependencies | None
    now_s: float
    plan: Plan

    def start(self, container: ContainerSpec) -> None:
        """Take the next step towards a new attempt."""
        retry_s = self.memory.retry_s.get(container.name, 0.0)
        if self.now_s + EARLY_S < retry_s:
            self.plan.wake(retry_s)
            return
        attempt = next_attempt(self.pod, self.memory, self.sandbox, container.name)
        if self._has_image(container, attempt):
            self._create(container, attempt)

    def restart(self, container: ContainerSpec, ended: ContainerState) -> None:
        """Start a container that has ended anew, unless it crashes too often."""
        memory, name = self.memory, container.name
        if memory.restarting.get(name) != ended.attempt + 1:
            backoff = memory.crash_backoff.get(name)
            free_s = until_s(backoff, ended.finished_s)
            if self.now_s + EARLY_S < free_s and backoff is not None:
                self._back_off(container, ended, backoff.delay_s)
                self.plan.wake(free_s)
                return
            memory.crash_backoff[name] = next_backoff(backoff, self.now_s, ended.finished_s)
            memory.restarting[name] = ended.attempt + 1
        self.start(container)

    def _back_off(self, container: ContainerSpec, ended: ContainerState, delay_s: float) -> None:
        metadata = self.pod["metadata"]
        shown = f"{metadata['name']}_{metadata.get('namespace', '')}({metadata['uid']})"
        self.memory.waiting[container.name] = Waiting(
            "CrashLoopBackOff",
            f"back-off {format_duration(delay_s)} restarting failed container={container.name} pod={shown}",
        )
        if self.memory.announced.get(container.name) != ended.attempt:
            self.memory.announced[container.name] = ended.attempt
            text = f"Back-off restarting failed container {container.name} in pod {shown}"
            self._note("Warning", "BackOff", text, container)

    # Image

    def _has_image(self, container: ContainerSpec, attempt: int) -> bool:
        pull = self.memory.pulls.get(container.name)
        if pull is not None and pull.attempt == attempt:
            if pull.ready:
                return True
            if not pull.over:
                return self._pull_went(container, pull)
        if container.pull_policy == "Always":
            self._pull(container, attempt)
            return False
        if container.image in self.images:
            text = f'Container image "{container.image}" already present on machine and can be accessed by the pod'
            self._note("Normal", "Pulled", text, container)
            self.memory.pulls[container.name] = ImagePull(attempt, self._serial(container), ready=True)
            return True
        if container.pull_policy == "Never":
            text = f'Container image "{container.image}" is not present with pull policy of Never'
            self._note("Warning", "ErrImageNeverPull", text, container)
            self._failed(container, "ErrImageNeverPull", text)
            return False
        self._pull(container, attempt)
        return False

    def _serial(self, container: ContainerSpec) -> int:
        known = self.sandbox.pulls.get(container.name)
        mine = self.memory.pulls.get(container.name)
        return max(known.serial if known else 0, mine.serial if mine else 0)

    def _pull(self, container: ContainerSpec, attempt: int) -> None:
        backoff = self.memory.pull_backoff.get(container.name)
        if backoff is not None and self.now_s + EARLY_S < backoff.updated_s + backoff.delay_s:
            error = self.memory.pull_error.get(container.name, "")
            text = f'Back-off pulling image "{container.image}"'
            if self.memory.waiting.get(container.name, Waiting("")).reason != "ImagePullBackOff":
                self._note("Normal", "BackOff", text, container)
                self._note("Warning", "Failed", "Error: ImagePullBackOff", container)
            self.memory.waiting[container.name] = Waiting("ImagePullBackOff", f"{text}: ErrImagePull: {error}")
            self.plan.wake(backoff.updated_s + backoff.delay_s)
            return
        self._note("Normal", "Pulling", f'Pulling image "{container.image}"', container)
        pull = self.memory.pulls[container.name] = ImagePull(attempt, self._serial(container) + 1)
        self._call_pull(container, pull)

    def _call_pull(self, container: ContainerSpec, pull: ImagePull) -> None:
        params = {
            "uid": self.sandbox.uid,
            "container": container.name,
            "image": container.image,
            "serial": pull.serial,
        }
        self.plan.calls.append(Call(PULL_IMAGE, params))

    def _pull_went(self, container: ContainerSpec, pull: ImagePull) -> bool:
        """What came of a pull that was asked for. True when the image is there."""
        found = self.sandbox.pulls.get(container.name)
        if found is None or found.serial < pull.serial:
            self._call_pull(container, pull)
            return False
        if found.state == PULLED:
            pull.ready = pull.over = True
            self.memory.pull_backoff.pop(container.name, None)
            self._note("Normal", "Pulled", pulled_text(container.image, found), container)
            return True
        if found.state == FAILED:
            pull.over = True
            name = container.name
            backoff = self.memory.pull_backoff.get(name)
            self.memory.pull_backoff[name] = next_backoff(backoff, self.now_s, self.now_s)
            self.memory.pull_error[name] = found.error
            self.memory.waiting[name] = Waiting("ErrImagePull", found.error)
            self._note("Warning", "Failed", f'Failed to pull image "{container.image}": {found.error}', container)
            self._note("Warning", "Failed", "Error: ErrImagePull", container)
            self.plan.wake(self.now_s + PULL_LOOK_AGAIN_S)
            self.memory.retry_s[name] = self.now_s + PULL_LOOK_AGAIN_S
        return False

    # Creation

    def _create(self, container: ContainerSpec, attempt: int) -> None:
        fresh = self.dependencies is not None and self.dependencies.fetched_s >= self.now_s - DEPENDENCIES_FRESH_S
        if self.spec.dependencies and not fresh:
            self.plan.fetch = True
            return
        which = {"uid": self.sandbox.uid, "container": container.name, "attempt": attempt}
        existing = self.sandbox.attempt_of(container.name, attempt)
        if existing is None:
            try:
                config = self._config(container)
            except ConfigError as error:
                self._failed(container, "CreateContainerConfigError", str(error))
                return
            self.plan.calls.append(Call(CREATE_CONTAINER, {**which, **config}))
        if existing is None or existing.state == CREATED:
            self.plan.calls.append(Call(START_CONTAINER, which))

    def _config(self, container: ContainerSpec) -> dict[str, Any]:
        spec = container.spec
        config: dict[str, Any] = {"image": container.image}
        if container.role == "init" or container.restart_policy != "Always":
            config["ends"] = True
        env = resolve_environment(self.pod, spec, self.node, self.sandbox.ip, self.dependencies)
        if env:
            config["env"] = env
        for field in ("command", "args"):
            if spec.get(field):
                config[field] = [expand(word, env) for word in spec[field]]
        if spec.get("workingDir"):
            config["working_dir"] = spec["workingDir"]
        if spec.get("volumeMounts"):
            config["mounts"] = [_mount(mount, env) for mount in spec["volumeMounts"]]
        for field, name in (("stdin", "stdin"), ("stdinOnce", "stdin_once"), ("tty", "tty")):
            if spec.get(field):
                config[name] = True
        config["termination_path"] = spec.get("terminationMessagePath") or "/dev/termination-log"
        config["termination_from_logs"] = spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        config["stop_signal"] = (spec.get("lifecycle") or {}).get("stopSignal") or "SIGTERM"
        return config

    def _failed(self, container: ContainerSpec, reason: str, message: str) -> None:
        """It can't be started now: say so, and try again later."""
        text = f"Error: {reason}" if reason == "ErrImageNeverPull" else f"Error: {message}"
        self._note("Warning", "Failed", text, container)
        self.memory.waiting[container.name] = Waiting(reason, message)
        self.memory.retry_s[container.name] = self.now_s + ERROR_RETRY_S
        self.plan.wake(self.now_s + ERROR_RETRY_S)

    def _note(self, kind: str, reason: str, message: str, container: ContainerSpec) -> None:
        self.plan.notes.append(EventNote(self.pod, kind, reason, message, container.field_path))  # type: ignore[arg-type]


def _mount(mount: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    sub_path = mount.get("subPath") or ""
    if mount.get("subPathExpr"):
        sub_path = expand(mount["subPathExpr"], env)
    return {
        "volume": mount["name"],
        "path": mount["mountPath"],
        "sub_path": sub_path,
        "read_only": bool(mount.get("readOnly")),
    }


def next_attempt(pod: Object, memory: PodMemory, sandbox: PodSandbox | None, name: str) -> int:
    """The attempt that comes next: one more than the runtime, the kubelet's memory or the status know of."""
    taken = max(memory.attempts.get(name, -1), _told_attempt(pod.get("status") or {}, name))
    latest = sandbox.latest(name) if sandbox is not None else None
    if latest is not None and latest.attempt >= taken:
        return latest.attempt if latest.state == CREATED else latest.attempt + 1
    return taken + 1


def _told_attempt(status: Mapping[str, Any], name: str) -> int:
    """The attempt that a pod's status tells of; -1: of none."""
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for old in status.get(field) or ():
            if old["name"] == name:
                restarts: int = old.get("restartCount") or 0
                return restarts if old.get("containerID") else restarts - 1
    return -1


def pulled_text(image: str, pull: PullState) -> str:
    """The text of the event Pulled."""
    took = format_duration(round(pull.finished_s - pull.started_s, 3))
    return (
        f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
        f"Image size: {pull.size_bytes} bytes."
    )
