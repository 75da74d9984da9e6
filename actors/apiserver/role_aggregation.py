"""Aggregated ClusterRoles: their rules are those of the roles that their selectors choose, and follow them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.selector import LabelSelector, SelectorError


def is_aggregated(role: Mapping[str, Any]) -> bool:
    """Whether a role's rules are made from others'."""
    return role.get("aggregationRule") is not None


def aggregated_rules(role: Object, roles: Iterable[Object]) -> list[Any]:
    """The rules a role should have: each of the chosen roles' once, roles in the order of their names."""
    selectors = _selectors(role)
    own = role["metadata"]["name"]
    rules: list[Any] = []
    for other in sorted(roles, key=lambda each: str(each["metadata"]["name"])):
        labels = other["metadata"].get("labels") or {}
        if other["metadata"]["name"] == own or not any(selector.matches(labels) for selector in selectors):
            continue
        rules.extend(rule for rule in other.get("rules") or () if rule not in rules)
    return rules


def _selectors(role: Object) -> list[LabelSelector]:
    """Those that can be understood; another one chooses nothing, and must not end who looks at it."""
    found = []
    for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        try:
            found.append(LabelSelector.from_object(selector))
        except (SelectorError, LookupError, TypeError, AttributeError):
            continue
    return found


def outdated(roles: Iterable[Object]) -> list[Object]:
    """The aggregated roles whose rules are not what they should be, with the right ones."""
    every = list(roles)
    found = []
    for role in every:
        if is_aggregated(role):
            rules = aggregated_rules(role, every)
            if rules != (role.get("rules") or []):
                found.append({**role, "rules": rules})
    return found
