"""What a kubelet may: its own node, the pods bound to it, and what those refer to.

Kubernetes has this in two parts, the Node authorizer and the NodeRestriction admission; messages are theirs. The actor
``hollow-nodes`` is the kubelet of many nodes: those with its prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.status import ApiError, forbidden
from actors.apimachinery.user import NODE_PREFIX, NODES, User
from actors.apiserver.bootstrap_roles import built_in_rbac
from actors.apiserver.identity import HOLLOW_NODES_USER, HOLLOW_PREFIX
from actors.apiserver.rbac import Rule
from actors.apiserver.storage_key import path_of
from actors.apiserver.watch_cache import WatchCache

NODE_ROLE: Final = "system:node"
LEASE_NAMESPACE: Final = "kube-node-lease"
MIRROR: Final = "kubernetes.io/config.mirror"
PODS: Final = "pods"

_REFERRED: Final = ("secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts")


def node_rules() -> list[Rule]:
    """The rules of every kubelet; they are not bound to the group, so that nobody gets them by it."""
    return next(obj["rules"] for _, obj in built_in_rbac() if obj["metadata"]["name"] == NODE_ROLE)


class NodeIdentity:
    """Whose kubelet somebody is."""

    __slots__ = ("is_own", "many", "name")

    def __init__(self, name: str, is_own: Callable[[str], bool], *, many: bool = False) -> None:
        self.name = name
        self.is_own = is_own
        self.many = many


def node_identity(user: User) -> NodeIdentity | None:
    """The node whose kubelet a user is; None for everybody else."""
    if NODES not in user.groups:
        return None
    if user == HOLLOW_NODES_USER:
        return NodeIdentity(HOLLOW_PREFIX + "*", lambda name: name.startswith(HOLLOW_PREFIX), many=True)
    if not user.name.startswith(NODE_PREFIX):
        return None
    own = user.name[len(NODE_PREFIX) :]
    return NodeIdentity(own, lambda name: name == own)


class NodeAuthorizer:
    """Knows which pods are on which node."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self.rules = node_rules()

    def denial(self, node: NodeIdentity, asked: Attributes, selector: str) -> str:
        """Why a kubelet may not do what its role allows in general; empty when it may."""
        what = asked.resource
        if asked.group == "" and what in _REFERRED and not (what == "persistentvolumeclaims" and asked.subresource):
            if not asked.name:
                return f"can only read individual resources of this type, node '{node.name}'"
            if not self._refers(node, asked):
                return f"no relationship found between node '{node.name}' and this object"
        if asked.group == "" and what == "nodes" and asked.name and not node.is_own(asked.name):
            return f"node '{node.name}' cannot {_deed(asked.verb)} '{asked.name}', only its own Node object"
        if asked.group == "" and what == PODS and asked.verb in ("list", "watch", "deletecollection"):
            wanted = "spec.nodeName!=" if node.many else f"spec.nodeName={node.name}"
            if wanted not in selector.replace("==", "=").split(","):
                return f"can only list/watch pods with spec.nodeName field selector, node '{node.name}'"
        if what == "leases":
            if asked.namespace != LEASE_NAMESPACE:
                return f"can only access leases in the '{LEASE_NAMESPACE}' namespace"
            if asked.name and not node.is_own(asked.name):
                return f"can only access node lease with the same name as the requesting node '{node.name}'"
        return ""

    def check_write(self, node: NodeIdentity, operation: Operation) -> None:
        """Raises `ApiError` (403) for a write that is another node's business."""
        verb, resource = operation.verb, operation.resource
        if verb in ("get", "list"):
            return
        if resource == "v1/pods":
            self._check_pod(node, operation)
        elif resource in ("v1/nodes", "coordination.k8s.io/v1/leases") and verb == "create":
            body = operation.body if isinstance(operation.body, dict) else {}
            name = operation.name or (body.get("metadata") or {}).get("name") or ""
            if not node.is_own(name):
                plural = resource.rpartition("/")[2]
                group = "coordination.k8s.io" if plural == "leases" else ""
                raise forbidden(plural, group, name, f"node '{node.name}' is not allowed to modify '{name}'")

    def _check_pod(self, node: NodeIdentity, operation: Operation) -> None:
        if operation.verb == "create" and not operation.subresource:
            body = operation.body if isinstance(operation.body, dict) else {}
            metadata = body.get("metadata") or {}
            if MIRROR not in (metadata.get("annotations") or {}):
                why = f"pod does not have \"{MIRROR}\" annotation, node '{node.name}' can only create mirror pods"
                raise forbidden(PODS, "", operation.name, why)
            if not node.is_own((body.get("spec") or {}).get("nodeName") or ""):
                why = f"node '{node.name}' can only create pods with spec.nodeName set to itself"
                raise forbidden(PODS, "", operation.name, why)
            return
        entry = self._cache.get(PODS, path_of(operation.namespace, operation.name))
        if entry is None:
            return  # what isn't there can't be harmed
        if not node.is_own((entry.object.get("spec") or {}).get("nodeName") or ""):
            raise _not_its_pod(node, operation)

    def _refers(self, node: NodeIdentity, asked: Attributes) -> bool:
        collection = self._cache.collection(PODS)
        wanted = (asked.resource, asked.name)
        for path in collection.paths_of(asked.namespace):
            pod = collection.entries[path].object
            spec = pod.get("spec") or {}
            if node.is_own(spec.get("nodeName") or "") and wanted in references(pod):
                return True
        return False


def _not_its_pod(node: NodeIdentity, operation: Operation) -> ApiError:
    deed = {"delete": "delete pods", "create": "evict pods"}.get(operation.verb, "update pod status for pods")
    return forbidden(PODS, "", operation.name, f"node '{node.name}' can only {deed} with spec.nodeName set to itself")


def _deed(verb: str) -> str:
    return "read" if verb in ("get", "list", "watch") else verb


def references(pod: Object) -> set[tuple[str, str]]:
    """The objects of its namespace that a pod refers to, as resource and name."""
    spec = pod.get("spec") or {}
    found = {("serviceaccounts", spec.get("serviceAccountName") or "")}
    found |= {("secrets", each.get("name") or "") for each in spec.get("imagePullSecrets") or ()}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            found |= set(_of_container(container))
    for volume in spec.get("volumes") or ():
        found |= set(_of_volume(pod, volume))
    return found


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield from _named(source, "configMapRef", "secretRef")
    for variable in container.get("env") or ():
        yield from _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")


def _named(source: Mapping[str, Any], config_map: str, secret: str) -> Iterator[tuple[str, str]]:
    if source.get(config_map):
        yield "configmaps", source[config_map].get("name") or ""
    if source.get(secret):
        yield "secrets", source[secret].get("name") or source[secret].get("secretName") or ""


def _of_volume(pod: Object, volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _named(volume, "configMap", "secret")
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield from _named(source, "configMap", "secret")
    if volume.get("persistentVolumeClaim"):
        yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName") or ""
    if volume.get("ephemeral"):
        yield "persistentvolumeclaims", f"{pod['metadata'].get('name', '')}-{volume.get('name', '')}"
