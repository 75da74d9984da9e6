"""Metadata of objects: names, keys, owner references, timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from actors.apimachinery.operation import Object


class Key(NamedTuple):
    """Names an object within its collection. Cluster-scoped objects have an empty namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Mapping[str, Any]) -> Key:
    """The object's key."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def uid_of(obj: Mapping[str, Any]) -> str:
    """The object's uid; empty before the API server gave it one."""
    uid: str = obj["metadata"].get("uid", "")
    return uid


def revision_of(obj: Mapping[str, Any]) -> int:
    """The store revision that wrote this state of the object; 0 when it was never stored."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """The object's labels, empty when it has none. Not to be changed."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """The object's annotations, empty when it has none. Not to be changed."""
    return obj["metadata"].get("annotations") or {}


def is_being_deleted(obj: Mapping[str, Any]) -> bool:
    """Whether deletion was asked for and waits for a grace period or finalizers."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The owner reference that is marked as the managing controller, if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            found: dict[str, Any] = reference
            return found
    return None


def is_controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether `owner` is the managing controller of the object (by uid)."""
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == uid_of(owner)


def new_controller_reference(owner: Object) -> dict[str, Any]:
    """The owner reference a controller puts on what it creates."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


_FIRST_S: Final = -62_135_596_800
_LAST_S: Final = 253_402_300_799


def format_time(wall_s: float) -> str:
    """Kubernetes' metav1.Time: RFC 3339 in whole seconds, UTC; beyond the calendar, its first or last second."""
    return datetime.fromtimestamp(min(max(int(wall_s), _FIRST_S), _LAST_S), UTC).isoformat()[:19] + "Z"


def format_micro_time(wall_s: float) -> str:
    """Kubernetes' metav1.MicroTime: RFC 3339 with six digits of fraction, UTC."""
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time. Raises `ValueError`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
