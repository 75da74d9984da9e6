"""What is in a namespace, and how its emptying is told: pure. Conditions and texts as Kubernetes' namespace deleter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.resources import Resource, ResourceTable

FINALIZER: Final = "kubernetes"
SERVICE_ACCOUNT: Final = "default"
NAMESPACES: Final = "v1/namespaces"
SERVICE_ACCOUNTS: Final = "v1/serviceaccounts"
CONFIG_MAPS: Final = "v1/configmaps"
ROOT_CA: Final = "kube-root-ca.crt"


def contents(table: ResourceTable) -> list[Resource]:
    """The resources a namespace may contain."""
    return [r for r in table.preferred() if r.namespaced and "deletecollection" in r.verbs and "list" in r.verbs]


def service_account(namespace: str) -> Operation:
    """Creates the service account that pods run as unless they name another."""
    body = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": SERVICE_ACCOUNT, "namespace": namespace},
    }
    return Operation("create", SERVICE_ACCOUNTS, namespace, SERVICE_ACCOUNT, "", body)


def root_ca_config_map(namespace: str, known: Object | None, certificate: str) -> Operation | None:
    """Publishes the cluster's certificate authority in a namespace; None when it is there already."""
    data = {"ca.crt": certificate}
    if known is not None:
        if known.get("data") == data:
            return None
        return Operation("update", CONFIG_MAPS, namespace, ROOT_CA, "", {**known, "data": data})
    metadata = {"name": ROOT_CA, "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    return Operation("create", CONFIG_MAPS, namespace, ROOT_CA, "", body)


def emptying(namespace: str, resources: Sequence[Resource]) -> list[Operation]:
    """Deletes everything, and then asks what is left: for each resource a deletion and a list, in this order."""
    operations: list[Operation] = []
    for resource in resources:
        operations.append(Operation("deletecollection", resource.key, namespace))
        operations.append(Operation("list", resource.key, namespace))
    return operations


def is_terminating(namespace: Object) -> bool:
    """Whether it is being deleted and still waits for its content to go."""
    return bool(namespace["metadata"].get("deletionTimestamp")) and FINALIZER in _finalizers(namespace)


def _finalizers(namespace: Object) -> Sequence[str]:
    finalizers: Sequence[str] = (namespace.get("spec") or {}).get("finalizers") or ()
    return finalizers


def finalization(namespace: Object) -> Operation:
    """Takes the controller's finalizer off: the namespace is empty."""
    kept = [each for each in _finalizers(namespace) if each != FINALIZER]
    body = {**namespace, "spec": {**namespace.get("spec", {}), "finalizers": kept}}
    return Operation("update", NAMESPACES, "", namespace["metadata"]["name"], "finalize", body)


def status_update(
    namespace: Object, left: Mapping[str, Sequence[Object]], failures: Sequence[str], now_s: float
) -> Object:
    """The namespace's status while it is being emptied; `left` maps a resource's name to what is there of it."""
    remaining = {name: objects for name, objects in left.items() if objects}
    content = ", ".join(f"{name} has {len(objects)} resource instances" for name, objects in sorted(remaining.items()))
    finalizers: dict[str, int] = {}
    for objects in remaining.values():
        for obj in objects:
            for finalizer in obj["metadata"].get("finalizers") or ():
                finalizers[finalizer] = finalizers.get(finalizer, 0) + 1
    holding = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
    conditions = [
        ("NamespaceDeletionDiscoveryFailure", "", "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            "; ".join(failures) and f"Failed to delete all resource types, {len(failures)} remaining: {failures[0]}",
            (
                "ContentDeletionFailed",
                "ContentDeleted",
                "All content successfully deleted, may be waiting on finalization",
            ),
        ),
        _condition(
            "NamespaceContentRemaining",
            content and f"Some resources are remaining: {content}",
            ("SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            holding and f"Some content in the namespace has finalizers remaining: {holding}",
            ("SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]
    known = {c.get("type"): c for c in (namespace.get("status") or {}).get("conditions") or ()}
    return {
        **(namespace.get("status") or {}),
        "phase": "Terminating",
        "conditions": [_with_time(condition, known, now_s) for condition in conditions],
    }


def _condition(name: str, problem: str, texts: tuple[str, str, str]) -> tuple[str, str, str, str]:
    reason_true, reason_false, message_false = texts
    return (name, "x", reason_true, problem) if problem else (name, "", reason_false, message_false)


def _with_time(condition: tuple[str, str, str, str], known: Mapping[str, Any], now_s: float) -> Object:
    name, is_true, reason, message = condition
    status = "True" if is_true else "False"
    before = known.get(name)
    since = before["lastTransitionTime"] if before and before["status"] == status else format_time(now_s)
    return {"type": name, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
