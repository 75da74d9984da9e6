"""Which container of a pod a request means, and which kubelet answers for it."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.operation import Object
from actors.apimachinery.status import bad_request
from actors.apimachinery.tables.definition import items_of, of
from actors.client.client import Client
from actors.client.kubelet import kubelet_of_node

_SPEC_FIELDS: Final = ("initContainers", "containers", "ephemeralContainers")


def chosen_container(pod: Object, wanted: str) -> str:
    """The container that is meant. Raises `ApiError` (400) when that can't be told."""
    name = pod["metadata"]["name"]
    containers = [container["name"] for container in items_of(pod, "spec", "containers")]
    every = [container["name"] for field in _SPEC_FIELDS for container in items_of(pod, "spec", field)]
    if wanted:
        if wanted not in every:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(every) == 1 and containers:
        return str(containers[0])
    shown = " ".join(containers)
    init = " ".join(container["name"] for container in items_of(pod, "spec", "initContainers"))
    message = f"a container name must be specified for pod {name}, choose one of: [{shown}]"
    raise bad_request(f"{message} or one of the init containers: [{init}]" if init else message)


async def kubelet_of(client: Client, pod: Object) -> tuple[str, str]:
    """The pod's node, and the actor that is its kubelet. Raises `ApiError` (400) for a pod that has no node."""
    node = of(pod, "spec", "nodeName")
    if not node:
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    # The gateway's own question: who may see a pod's log need not be allowed to see nodes.
    found = await Client(client.ctx, client.target).get("v1/nodes", node)
    return node, kubelet_of_node(found)
