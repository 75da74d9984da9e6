"""The fields that nobody comes to own through a write: the server's own, and those that the write can't change.

An update of an object does not change its status, and one of its status nothing else (``GetResetFields`` of Kubernetes'
strategies); both leave alone what the server sets in every object.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from actors.apimachinery.managed_fields.field_set import NOTHING, FieldSet, difference, set_of, without_subtrees
from actors.apimachinery.resources import Resource

#: Of the metadata these belong to the server.
SERVERS_METADATA: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
_SERVERS: Final = set_of(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in SERVERS_METADATA),
)
#: Of the metadata an update of the status does not change these.
_NOT_WITH_STATUS: Final = ("deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
#: Top-level fields that objects may have beside metadata and status.
_MAIN: Final = ("spec", "data", "stringData", "binaryData")


@cache
def _reset_by(*, status_apart: bool, subresource: str) -> FieldSet:
    if subresource == "status":
        return set_of(*((f"f:{name}",) for name in _MAIN), *(("f:metadata", f"f:{name}") for name in _NOT_WITH_STATUS))
    return set_of(("f:status",)) if status_apart else NOTHING


def changeable(fields: FieldSet, resource: Resource, subresource: str) -> FieldSet:
    """The fields of a set that a write to the object, or to one of its subresources, can change."""
    reset = _reset_by(status_apart=resource.has_subresource("status"), subresource=subresource)
    return without_subtrees(fields, reset)


def ownable(fields: FieldSet, resource: Resource, subresource: str) -> FieldSet:
    """Those of them that a manager comes to own by it."""
    return difference(changeable(fields, resource, subresource), _SERVERS)


def is_reset_at_top(name: str, resource: Resource, subresource: str) -> bool:
    """Whether a whole top-level field is none that a write comes to own; saves looking into it."""
    if name in ("apiVersion", "kind"):
        return True
    if subresource == "status":
        return name not in ("status", "metadata")
    return name == "status" and resource.has_subresource("status")
