"""Lists of conditions in a status, as controllers keep them.

Lists are never changed in place: each function answers a new list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery.meta import format_time

Condition = dict[str, Any]


def find_condition(conditions: Sequence[Condition] | None, condition_type: str) -> Condition | None:
    """The condition of a type."""
    for condition in conditions or ():
        if condition["type"] == condition_type:
            return condition
    return None


def new_condition(
    condition_type: str, status: str, reason: str, message: str, now_s: float, *, update_time: bool = False
) -> Condition:
    """A condition that came to be now. `update_time`: the kind has a ``lastUpdateTime`` too (Deployments)."""
    now = format_time(now_s)
    condition = {"type": condition_type, "status": status}
    if update_time:
        condition["lastUpdateTime"] = now
    condition["lastTransitionTime"] = now
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def with_condition(conditions: Sequence[Condition] | None, condition: Condition) -> list[Condition]:
    """The list with a condition set, as Deployment and ReplicaSet controllers do it.

    One of the same status and reason stays as it is, its times and message included. When only the reason differs, the
    time of the last transition stays. A changed condition moves to the end.
    """
    current = find_condition(conditions, condition["type"])
    if current is not None and current["status"] == condition["status"]:
        if current.get("reason", "") == condition.get("reason", ""):
            return list(conditions or ())
        condition = {**condition, "lastTransitionTime": current.get("lastTransitionTime")}
    return [*without_condition(conditions, condition["type"]), condition]


def without_condition(conditions: Sequence[Condition] | None, condition_type: str) -> list[Condition]:
    """The list without the conditions of a type."""
    return [condition for condition in conditions or () if condition["type"] != condition_type]
