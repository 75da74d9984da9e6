"""Nobody grants what they don't have: the checks on writing roles and bindings (``policybased`` storage of Kubernetes).

Whoever writes a role must hold all it grants, or have the verb ``escalate`` on it; whoever binds a role must hold all
it grants, or have the verb ``bind`` on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.attributes import Attributes
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.status import ApiError, forbidden, not_found
from actors.apimachinery.user import User
from actors.apiserver.authorization import Authorizer
from actors.apiserver.rbac import GROUP
from actors.apiserver.rule_coverage import compacted, described, missing_rules, quoted

#: An aggregated role may come to grant anything.
EVERYTHING: Final[Sequence[Mapping[str, Any]]] = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)
ROLES: Final = ("roles", "clusterroles")
BINDINGS: Final = ("rolebindings", "clusterrolebindings")


def check_role(authorizer: Authorizer, user: User, resource: Resource, new: Object, old: Object | None) -> None:
    """Raises `ApiError` (403) when writing this role would grant what its writer does not hold."""
    rules, aggregation = new.get("rules") or [], new.get("aggregationRule")
    if old is not None and (old.get("rules") or []) == rules and old.get("aggregationRule") == aggregation:
        return
    name, namespace = new["metadata"].get("name") or "", new["metadata"].get("namespace") or ""
    if _has_verb(authorizer, user, "escalate", resource.plural, namespace, name):
        return
    aggregates = aggregation is not None or (old is not None and old.get("aggregationRule") is not None)
    wanted = [*rules, *EVERYTHING] if aggregates else rules
    _check_held(authorizer, user, wanted, namespace, (resource.plural, name))


def check_binding(authorizer: Authorizer, user: User, resource: Resource, new: Object, old: Object | None) -> None:
    """Raises `ApiError` (403, 404) when this binding would grant what its writer does not hold."""
    reference = new.get("roleRef") or {}
    if old is not None and old.get("roleRef") == reference and old.get("subjects") == new.get("subjects"):
        return
    name, namespace = new["metadata"].get("name") or "", new["metadata"].get("namespace") or ""
    kind, role = reference.get("kind"), reference.get("name") or ""
    plural = "clusterroles" if kind == "ClusterRole" else "roles"
    if user.is_master or _has_verb(authorizer, user, "bind", plural, namespace, role):
        return
    rules = authorizer.rbac.rules_of_reference(reference, namespace)
    if rules is None:
        raise not_found(plural, GROUP, role)
    _check_held(authorizer, user, rules, namespace, (resource.plural, name))


def _has_verb(authorizer: Authorizer, user: User, verb: str, plural: str, namespace: str, name: str) -> bool:
    return authorizer.authorize(user, Attributes(verb, GROUP, plural, "", namespace, name, "v1")).allowed


def _check_held(
    authorizer: Authorizer, user: User, wanted: Sequence[Mapping[str, Any]], namespace: str, what: tuple[str, str]
) -> None:
    granted = authorizer.rbac.granted(user, namespace)
    missing = missing_rules(granted.rules, wanted)
    if not missing:
        return
    why = (
        f"user {quoted([user.name])[1:-1]} (groups={quoted(user.groups)}) is attempting to grant RBAC permissions not "
        "currently held:\n"
    ) + "\n".join(described(compacted(missing)))
    if granted.errors:
        why += f"; resolution errors: [{', '.join(granted.errors)}]"
    raise refused_grant(what[0], what[1], why)


def refused_grant(plural: str, name: str, why: str) -> ApiError:
    """403."""
    return forbidden(plural, GROUP, name, why)
