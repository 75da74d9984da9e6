"""What the statuses of a pod's containers become when nothing of it will run again (kubelet's `TerminatePod`).

A container whose end nobody saw counts as failed, so that no pod is told to have succeeded that may not have. That
goes for one that never ran too: "never" may only mean that the runtime has lost it. What waited for the init
containers when these came to an end is left waiting: how they went says enough about the pod.

    init a: done    init b: failed     web: waiting    ->  web stays waiting
    init a: waiting init b: waiting    web: waiting    ->  a has failed
    init a: done    init b: done       web: waiting    ->  web has failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from actors.apimachinery.operation import Object
from actors.kubelet.container_status import has_run, lost
from actors.kubelet.pod_spec import PodSpec


def end_statuses(spec: PodSpec, old: Mapping[str, Any], inits: Sequence[Object], regulars: Sequence[Object]) -> None:
    """Make the statuses those of a pod that has ended. `old`: the pod's status as it was told last."""
    if _was_initialized(spec, old, inits, regulars):
        _end(regulars)
    begun = [index for index, status in enumerate(inits) if has_run(status)]
    _end(inits[: max(begun, default=0) + 1])


def _was_initialized(
    spec: PodSpec, old: Mapping[str, Any], inits: Sequence[Object], regulars: Sequence[Object]
) -> bool:
    """Whether regular containers may ever have been started (kubelet's `hasPodInitialized`)."""
    if not inits or any(has_run(status) for status in regulars):
        return True
    last = inits[-1]
    if spec.inits[-1].role == "sidecar":
        told = [status for status in old.get("initContainerStatuses") or () if status["name"] == last["name"]]
        return any(status.get("started") and "running" in (status.get("state") or {}) for status in told)
    return any((last[field].get("terminated") or {}).get("exitCode") == 0 for field in ("state", "lastState"))


def _end(statuses: Sequence[Object]) -> None:
    for status in statuses:
        if "terminated" not in status["state"]:
            status["state"] = {"terminated": lost(status)}
