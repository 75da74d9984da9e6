"""``containerStatuses`` from what the runtime has (kubelet's `convertToAPIContainerStatuses`). Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.kubelet.pod_memory import PodMemory, Waiting
from actors.kubelet.pod_spec import ContainerSpec
from actors.runtime.protocol import CREATED, EXITED, RUNNING, ContainerState, PodSandbox

UNKNOWN_REASON: Final = "ContainerStatusUnknown"
UNKNOWN_MESSAGE: Final = "The container could not be located when the pod was terminated"
UNKNOWN_EXIT_CODE: Final = 137


def container_status(
    container: ContainerSpec,
    memory: PodMemory,
    sandbox: PodSandbox | None,
    old: Object | None,
    runtime: str,
    default_waiting: str,
    *,
    ending: bool,
) -> Object:
    """One container's status. `ending`: nothing of the pod will run again."""
    attempts = sandbox.containers.get(container.name, []) if sandbox is not None else []
    if not attempts:
        return _forgotten(container, memory, old, default_waiting, ending=ending)
    latest = attempts[-1]
    previous = attempts[-2] if len(attempts) > 1 else None
    waiting = memory.waiting.get(container.name)
    last: Object = _last_state(previous, old, latest, runtime)
    if latest.state == RUNNING:
        state: Object = {"running": {"startedAt": format_time(latest.started_s)}}
    elif latest.state == CREATED:
        state = _waiting(waiting or Waiting(default_waiting))
    elif waiting is not None and not ending:
        state, last = _waiting(waiting), _terminated(latest, runtime)
    else:
        state = _terminated(latest, runtime)
    started = latest.state == RUNNING and is_started(container, memory, latest)
    return {
        "name": container.name,
        "state": state,
        "lastState": last,
        "ready": _is_ready(container, memory, latest, started),
        "restartCount": latest.attempt,
        "image": container.image,
        "imageID": image_id(latest.image, runtime),
        "containerID": f"{runtime}://{latest.id}",
        "started": started,
        **_fixed_parts(container),
    }


def is_started(container: ContainerSpec, memory: PodMemory, latest: ContainerState) -> bool:
    """Whether a running container has passed postStart and its startup probe."""
    hook = memory.hooks.get(container.name)
    if hook is not None and hook[0] == latest.attempt and hook[1] != "done":
        return False
    if container.probe("startup") is None:
        return True
    state = memory.probes.get((container.name, "startup"))
    return state is not None and state.attempt == latest.attempt and state.result is True


def _is_ready(container: ContainerSpec, memory: PodMemory, latest: ContainerState, started: bool) -> bool:
    if container.role == "ephemeral":
        return False  # never counted
    if container.role == "init":
        return latest.state == EXITED and latest.exit_code == 0
    if not started:
        return False
    if container.probe("readiness") is None:
        return True
    state = memory.probes.get((container.name, "readiness"))
    return state is not None and state.attempt == latest.attempt and state.result is True


def _forgotten(
    container: ContainerSpec, memory: PodMemory, old: Object | None, default_waiting: str, *, ending: bool
) -> Object:
    """The runtime knows nothing of it: it never ran, or the runtime has lost it."""
    waiting = memory.waiting.get(container.name) or Waiting(default_waiting)
    status: Object = {
        "name": container.name,
        "state": _waiting(waiting),
        "lastState": {},
        "ready": False,
        "restartCount": old.get("restartCount", 0) if old is not None else 0,
        "image": container.image,
        "imageID": "",
        "started": False,
        **_fixed_parts(container),
    }
    if old is None:
        return status
    if old.get("containerID"):
        # It stays in every case: it is what tells the next attempt that this one's number is taken.
        status |= {"containerID": old["containerID"], "imageID": old.get("imageID", "")}
    old_state = old.get("state") or {}
    if "terminated" in old_state:
        # Known from the status alone, as after the end of a pod.
        complete = container.role == "init" and old_state["terminated"]["exitCode"] == 0
        return {**status, "state": old_state, "lastState": old.get("lastState") or {}, "ready": complete}
    status["lastState"] = old.get("lastState") or {}
    if "running" in old_state:
        status["state" if ending else "lastState"] = {"terminated": lost(old)}
    return status


def _fixed_parts(container: ContainerSpec) -> Object:
    """What is copied from the spec: resources as they are applied, and mounts."""
    parts: Object = {}
    resources = container.spec.get("resources")
    if resources:
        parts["resources"] = resources
        if resources.get("requests"):
            parts["allocatedResources"] = resources["requests"]
    mounts = container.spec.get("volumeMounts")
    if mounts:
        parts["volumeMounts"] = [_mount_status(mount) for mount in mounts]
    return parts


def _mount_status(mount: dict[str, Any]) -> Object:
    shown: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        shown |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return shown


def _last_state(previous: ContainerState | None, old: Object | None, latest: ContainerState, runtime: str) -> Object:
    if previous is not None:
        return _terminated(previous, runtime) if previous.state == EXITED else {}
    if old is None:
        return {}
    state = old.get("state") or {}
    if old.get("containerID") and old["containerID"] != f"{runtime}://{latest.id}" and "waiting" not in state:
        # The attempt before is only known from the status: the runtime has lost it.
        return {"terminated": state["terminated"]} if "terminated" in state else {"terminated": lost(old)}
    kept: Object = old.get("lastState") or {}
    return kept


def has_run(status: Object) -> bool:
    """Whether a container has ever left "waiting"."""
    return "waiting" not in status["state"] or "terminated" in status["lastState"]


def lost(status: Object) -> Object:
    """What is said of a container whose end nobody saw, by what its status was: a failure."""
    ended = {"exitCode": UNKNOWN_EXIT_CODE, "reason": UNKNOWN_REASON, "message": UNKNOWN_MESSAGE}
    return {**ended, "containerID": status["containerID"]} if status.get("containerID") else ended


def _waiting(waiting: Waiting) -> Object:
    shown: Object = {"reason": waiting.reason}
    if waiting.message:
        shown["message"] = waiting.message
    return {"waiting": shown}


def _terminated(state: ContainerState, runtime: str) -> Object:
    ended: Object = {
        "exitCode": state.exit_code,
        "reason": state.reason,
        "finishedAt": format_time(state.finished_s),
        "containerID": f"{runtime}://{state.id}",
    }
    if state.started_s:
        ended["startedAt"] = format_time(state.started_s)
    if state.message:
        ended["message"] = state.message
    return {"terminated": ended}


def image_id(image: str, runtime: str) -> str:
    """What a runtime calls an image: a digest, made up from the name by one that fetches nothing."""
    if runtime == "process":
        return ""
    repository = image.split("@")[0]
    if ":" in repository.rsplit("/", 1)[-1]:
        repository = repository.rpartition(":")[0]
    if "/" not in repository:
        repository = f"docker.io/library/{repository}"
    digest = hashlib.sha256(image.encode()).hexdigest()
    return f"{repository}@sha256:{digest}"
