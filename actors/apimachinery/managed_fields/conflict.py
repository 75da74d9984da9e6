"""Two managers want different things: what Kubernetes answers (``NewConflictError``)."""

from __future__ import annotations

from collections.abc import Mapping

from actors.apimachinery.managed_fields.field_set import FieldSet, difference, paths
from actors.apimachinery.managed_fields.managers import UPDATE, ManagerId
from actors.apimachinery.managed_fields.path_element import shown_path
from actors.apimachinery.status import ApiError, status_failure

Conflicts = Mapping[ManagerId, FieldSet]


class FieldConflict(Exception):
    """An apply would change fields that others own."""

    def __init__(self, conflicts: Conflicts) -> None:
        super().__init__("field managers are in conflict")
        self.conflicts = conflicts

    def without(self, fields: FieldSet) -> Conflicts:
        """What is left when some fields may be changed."""
        left = {own_id: difference(theirs, fields) for own_id, theirs in self.conflicts.items()}
        return {own_id: theirs for own_id, theirs in left.items() if theirs}


def conflict_error(conflicts: Conflicts) -> ApiError:
    """409, naming each field and its manager."""
    named = [(_named(own_id), theirs) for own_id, theirs in conflicts.items() if theirs]
    rows = sorted(named, key=lambda row: row[0])
    found = [(manager, shown_path(path)) for manager, theirs in rows for path in paths(theirs)]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        parts = []
        for manager, _ in rows:
            parts.append(f"conflicts with {manager}:")
            parts += [f"- {path}" for other, path in found if other == manager]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(parts)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in found
    ]
    return ApiError(status_failure(409, "Conflict", message, {"causes": causes}))


def _named(own_id: ManagerId) -> str:
    text = f'"{own_id.name}"'
    if own_id.subresource:
        text += f' with subresource "{own_id.subresource}"'
    return f"{text} using {own_id.api_version}" if own_id.operation == UPDATE else text
