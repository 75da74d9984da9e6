"""A pod's status from what its containers do (kubelet's `generateAPIPodStatus`). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object
from actors.kubelet.config import NodeConfig
from actors.kubelet.container_status import container_status, has_run
from actors.kubelet.pod_conditions import pod_conditions
from actors.kubelet.pod_end import end_statuses
from actors.kubelet.pod_memory import PodMemory
from actors.kubelet.pod_outcome import failed_init
from actors.kubelet.pod_spec import ContainerSpec, PodSpec
from actors.kubelet.qos import qos_class
from actors.runtime.protocol import PodSandbox

TERMINAL: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class PodView:
    """What a status is made from."""

    pod: Object
    spec: PodSpec
    memory: PodMemory
    sandbox: PodSandbox | None
    node: NodeConfig
    runtime: str
    """The runtime's name, as in ``sim://<id>``."""
    stopped: bool
    """The pod was to end and nothing of it runs any more."""
    now_s: float


def pod_status(view: PodView) -> Object:
    """The whole status."""
    pod, memory, spec = view.pod, view.memory, view.spec
    old = pod.get("status") or {}
    if memory.rejected:
        return _rejected(view, old)
    default_waiting = "PodInitializing" if spec.inits else "ContainerCreating"
    inits = _statuses(view, spec.inits, old.get("initContainerStatuses"), default_waiting)
    regulars = _statuses(view, spec.regulars, old.get("containerStatuses"), default_waiting)
    if view.stopped:
        end_statuses(spec, old, inits, regulars)
    phase = pod_phase(view, inits, regulars)
    if old.get("phase") in TERMINAL:
        phase = old["phase"]
    status: Object = {"phase": phase}
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    reason, message = memory.failure or (old.get("reason"), old.get("message"))
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    status["conditions"] = pod_conditions(pod, spec, phase, view.sandbox, inits, regulars, view.now_s)
    status["hostIP"] = view.node.address
    status["hostIPs"] = [{"ip": view.node.address}]
    ip = view.sandbox.ip if view.sandbox is not None else old.get("podIP")
    if ip:
        status["podIP"] = ip
        status["podIPs"] = [{"ip": ip}]
    status["startTime"] = old.get("startTime") or format_time(memory.start_time_s or view.now_s)
    if inits:
        status["initContainerStatuses"] = inits
    status["containerStatuses"] = regulars
    if spec.ephemerals:
        known = old.get("ephemeralContainerStatuses")
        status["ephemeralContainerStatuses"] = _statuses(view, spec.ephemerals, known, "ContainerCreating")
    status["qosClass"] = old.get("qosClass") or qos_class(pod["spec"])
    return status


def _rejected(view: PodView, old: Mapping[str, Any]) -> Object:
    reason, message = view.memory.failure or ("", "")
    status: Object = {"phase": "Failed", "reason": reason, "message": message}
    status["startTime"] = old.get("startTime") or format_time(view.now_s)
    status["qosClass"] = old.get("qosClass") or qos_class(view.pod["spec"])
    status["conditions"] = list(old.get("conditions") or ())
    return status


def _statuses(
    view: PodView, containers: Sequence[ContainerSpec], old: Sequence[Object] | None, default_waiting: str
) -> list[Object]:
    known = {status["name"]: status for status in old or ()}
    return [
        container_status(
            container,
            view.memory,
            view.sandbox,
            known.get(container.name),
            view.runtime,
            default_waiting,
            ending=view.stopped,
        )
        for container in containers
    ]


def pod_phase(view: PodView, inits: Sequence[Object], regulars: Sequence[Object]) -> str:
    """Kubelet's `getPhase`."""
    if view.memory.failure and view.stopped:
        return "Failed"
    spec = view.spec
    begun = any(has_run(status) for status in regulars)
    if failed_init(spec, view.sandbox):
        return "Failed"
    if not begun and not view.stopped and not _initialized(spec, inits):
        return "Pending"
    if any(not has_run(status) for status in regulars):
        return "Failed" if view.stopped else "Pending"
    if any("running" in status["state"] for status in regulars):
        return "Running"
    if any("running" in status["state"] for status in inits):
        return "Running"  # sidecars outlive the containers they serve
    ended = [status["state"].get("terminated") or status["lastState"].get("terminated") for status in regulars]
    succeeded = all(state["exitCode"] == 0 for state in ended)
    if view.stopped:
        return "Succeeded" if succeeded else "Failed"
    if spec.policy == "Always":
        return "Running"
    restarting = any(
        container.restarts_after(state["exitCode"]) for container, state in zip(spec.regulars, ended, strict=True)
    )
    if restarting:
        return "Running"
    return "Succeeded" if succeeded else "Failed"


def _initialized(spec: PodSpec, inits: Sequence[Object]) -> bool:
    for container, status in zip(spec.inits, inits, strict=True):
        if container.role == "sidecar":
            if not status["started"]:
                return False
        elif (status["state"].get("terminated") or {}).get("exitCode") != 0:
            return False
    return True


def status_patch(old: Mapping[str, Any], new: Object) -> Object:
    """What of the status changes, as a merge patch; empty when nothing does."""
    patch: Object = {key: value for key, value in new.items() if old.get(key) != value}
    for key in old:
        if key not in new and key in ("reason", "message", "podIP", "podIPs"):
            patch[key] = None
    return patch
