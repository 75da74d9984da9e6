"""What creating anything asks of its namespace (the NamespaceLifecycle admission), and the namespaces always there."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.meta import is_being_deleted
from actors.apimachinery.operation import Object
from actors.apimachinery.status import forbidden, not_found
from actors.apiserver.call import Call
from actors.apiserver.entry import Entry
from actors.apiserver.write import Target

NAMESPACES: Final = "namespaces"
BUILT_IN: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
#: These can't be deleted.
IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})

FINALIZER: Final = "kubernetes"


def namespace_target(namespace: str) -> Target:
    """Where a namespace is stored."""
    return Target.of(NAMESPACES, namespace)


def check_namespace(call: Call, name: str, namespace: Entry) -> None:
    """Raises `ApiError` unless new objects may be created in the namespace."""
    if not namespace.exists:
        raise not_found(NAMESPACES, "", call.namespace)
    obj = namespace.object
    if not is_being_deleted(obj) and (obj.get("status") or {}).get("phase") != "Terminating":
        return
    why = f"unable to create new content in namespace {call.namespace} because it is being terminated"
    error = forbidden(call.resource.plural, call.resource.group, name, why)
    error.status["details"]["causes"] = [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {call.namespace} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    raise error


def check_deletable(name: str) -> None:
    """Raises `ApiError` (403) for the namespaces that must stay."""
    if name in IMMORTAL:
        raise forbidden(NAMESPACES, "", name, "this namespace may not be deleted")


def complete_namespace(obj: Object) -> None:
    """What every new namespace has: its finalizer, its phase and the label with its name."""
    spec = obj.setdefault("spec", {})
    if FINALIZER not in spec.setdefault("finalizers", []):
        spec["finalizers"] = [*spec["finalizers"], FINALIZER]
    obj["status"] = {"phase": "Active"}
    obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")
