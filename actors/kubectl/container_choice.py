"""Which pod and which container ``logs`` and ``exec`` mean."""

from __future__ import annotations

from actors.apimachinery.operation import Object
from actors.apimachinery.selector import LabelSelector
from actors.apimachinery.tables.definition import items_of, of
from actors.client.kubelet import kubelet_of_node
from actors.kubectl.failure import CommandFailed
from actors.kubectl.session import Kubectl
from actors.kubectl.target import Found

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def container_names(pod: Object, *, init: bool = True) -> list[str]:
    """Names of a pod's containers, init containers first, in the order they are started."""
    fields = ("initContainers", "containers", "ephemeralContainers") if init else ("containers",)
    return [container["name"] for field in fields for container in items_of(pod, "spec", field)]


def chosen_container(kubectl: Kubectl, pod: Object, wanted: str, *, quiet: bool = False) -> str:
    """The container to use, saying which when the user left it open. Raises `CommandFailed`."""
    names = container_names(pod)
    pod_name = pod["metadata"]["name"]
    if wanted:
        if wanted not in names:
            raise CommandFailed(f"container {wanted} is not valid for pod {pod_name}")
        return wanted
    annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    if annotated and annotated in names:
        return str(annotated)
    main = container_names(pod, init=False)
    if len(names) > 1 and not quiet:
        shown = ", ".join(_with_note(pod, name) for name in [*main, *(name for name in names if name not in main)])
        kubectl.warn(f'Defaulted container "{main[0]}" out of: {shown}')
    return main[0]


def _with_note(pod: Object, name: str) -> str:
    for field, note in (("initContainers", " (init)"), ("ephemeralContainers", " (ephem)")):
        if any(container["name"] == name for container in items_of(pod, "spec", field)):
            return name + note
    return name


async def pods_of(kubectl: Kubectl, found: Found) -> list[Object]:
    """The pod itself, or the pods that a workload selects, those that run and are ready first."""
    if found.resource.key == "v1/pods":
        return [found.object]
    selector = of(found.object, "spec", "selector")
    if selector is None:
        raise CommandFailed(f"cannot get the logs from {found.label}: the object does not select pods")
    plain = found.resource.kind in ("Service", "ReplicationController")
    chosen = LabelSelector.from_map(selector) if plain else LabelSelector.from_object(selector)
    listed = await kubectl.client.list("v1/pods", found.namespace, label_selector=str(chosen))
    if not listed.items:
        raise CommandFailed("timed out waiting for the condition")
    return sorted(listed.items, key=_readiness)


def _readiness(pod: Object) -> tuple[bool, bool, str]:
    """Sorts the pods that are of most use to the front (``podutils.ByLogging``)."""
    running = of(pod, "status", "phase") == "Running"
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in items_of(pod, "status", "conditions"))
    return (not running, not ready, str(pod["metadata"]["name"]))


async def kubelet_actor(kubectl: Kubectl, pod: Object) -> str:
    """The actor that answers for the pod's node. Raises `CommandFailed` for a pod that is on none."""
    node = of(pod, "spec", "nodeName")
    if not node:
        raise CommandFailed(f"pod {pod['metadata']['name']} does not have a host assigned")
    return kubelet_of_node(await kubectl.client.get("v1/nodes", node))
