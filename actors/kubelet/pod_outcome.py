"""Whether a pod is over, and how. Pure."""

from __future__ import annotations

from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.runtime.protocol import EXITED, ContainerState, PodSandbox


def in_sandbox(sandbox: PodSandbox | None, container: ContainerSpec) -> ContainerState | None:
    """The container's newest attempt within the present sandbox."""
    if sandbox is None:
        return None
    latest = sandbox.latest(container.name)
    return latest if latest is not None and latest.created_s >= sandbox.created_s else None


def failed_init(spec: PodSpec, sandbox: PodSandbox | None) -> bool:
    """Whether an init container failed for good."""
    for container in spec.inits:
        state = in_sandbox(sandbox, container)
        if container.role == "init" and state is not None and state.state == EXITED and state.exit_code != 0:
            return not container.restarts_after(state.exit_code)
    return False


def is_complete(spec: PodSpec, sandbox: PodSandbox | None) -> bool:
    """Whether every regular container has ended and none is to run again, or initialisation has failed for good."""
    if sandbox is None:
        return False
    if failed_init(spec, sandbox):
        return True
    for container in spec.regulars:
        state = sandbox.latest(container.name)
        if state is None or state.state != EXITED or container.restarts_after(state.exit_code):
            return False
    return True
