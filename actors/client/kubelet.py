"""Asking a node's kubelet: which actor that is, what it can be asked, and which containers have nothing to tell yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.status import bad_request
from actors.apimachinery.tables.definition import items_of, of

#: A node's annotation that names the actor that answers for it, as a real node names its kubelet's port.
KUBELET_ACTOR: Final = "podchain.dev/kubelet"
#: What a kubelet is asked for ``kubectl logs``, by namespace, pod and container: a part of the log.
CONTAINER_LOG: Final = "container_log"
#: For ``exec``, ``attach`` and ``port-forward``, by namespace and pod: a stream (`actors.client.container_stream`).
CONTAINER_STREAM: Final = "container_stream"
#: For ``kubectl top``: what the containers of all nodes of this actor use, [[node, stats], ...].
NODE_STATS: Final = "node_stats"
_STATUS_FIELDS: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def own_kubelet(node_name: str) -> str:
    """The actor that is the kubelet of this node alone."""
    return f"kubelet-{node_name}"


def kubelet_of_node(node: Mapping[str, Any]) -> str:
    """The actor that is a node's kubelet: the one its annotation names, else its own."""
    metadata = node["metadata"]
    return (metadata.get("annotations") or {}).get(KUBELET_ACTOR) or own_kubelet(metadata["name"])


def check_has_run(pod: Object, container: str) -> None:
    """Raises `ApiError` (400) for a container that has not run yet, telling why it waits."""
    reason = _waiting_reason(pod, container)
    if reason:
        name = pod["metadata"]["name"]
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


def _waiting_reason(pod: Object, container: str) -> str:
    """Why a container has not run yet; empty when it has, or may have."""
    for field in _STATUS_FIELDS:
        for status in items_of(pod, "status", field):
            waiting = of(status, "state", "waiting")
            if status.get("name") == container and waiting is not None and not status.get("restartCount"):
                return str(waiting.get("reason") or "ContainerCreating")
    return ""
