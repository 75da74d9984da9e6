"""Rules of RBAC: roles and their bindings."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.label_syntax import check_path_segment
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import Errors, invalid, not_supported, required

_GROUP: Final = "rbac.authorization.k8s.io"


def validate_role(obj: Object) -> Errors:
    """A Role: every rule says verbs, groups and resources."""
    return _check_rules(obj, namespaced=True)


def validate_cluster_role(obj: Object) -> Errors:
    """A ClusterRole: like a Role, and its rules may be about URLs instead."""
    return _check_rules(obj, namespaced=False)


def _check_rules(obj: Object, *, namespaced: bool) -> Errors:
    errors: Errors = []
    for index, rule in enumerate(obj.get("rules") or ()):
        here = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.append(required(f"{here}.verbs", "verbs must contain at least one value"))
        urls = rule.get("nonResourceURLs")
        if urls:
            if namespaced:
                detail = "namespaced rules cannot apply to non-resource URLs"
                errors.append(invalid(f"{here}.nonResourceURLs", urls, detail))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                errors.append(invalid(f"{here}.nonResourceURLs", urls, detail))
            continue
        if not rule.get("apiGroups"):
            errors.append(required(f"{here}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            errors.append(required(f"{here}.resources", "resource rules must supply at least one resource"))
    return errors


def validate_role_binding(obj: Object) -> Errors:
    """A RoleBinding: to a Role or a ClusterRole."""
    return _check_binding(obj, ("Role", "ClusterRole"), namespaced=True)


def validate_cluster_role_binding(obj: Object) -> Errors:
    """A ClusterRoleBinding: to a ClusterRole."""
    return _check_binding(obj, ("ClusterRole",), namespaced=False)


def _check_binding(obj: Object, kinds: tuple[str, ...], *, namespaced: bool) -> Errors:
    errors: Errors = []
    reference = obj.get("roleRef") or {}
    if reference.get("apiGroup") != _GROUP:
        errors.append(not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (_GROUP,)))
    if reference.get("kind") not in kinds:
        errors.append(not_supported("roleRef.kind", reference.get("kind", ""), kinds))
    if not reference.get("name"):
        errors.append(required("roleRef.name"))
    else:
        for fault in check_path_segment(reference["name"]):
            errors.append(invalid("roleRef.name", reference["name"], fault))
    for index, subject in enumerate(obj.get("subjects") or ()):
        _check_subject(errors, f"subjects[{index}]", subject, namespaced=namespaced)
    return errors


def _check_subject(errors: Errors, path: str, subject: Object, *, namespaced: bool) -> None:
    if not subject.get("name"):
        errors.append(required(f"{path}.name"))
    kind, group = subject.get("kind"), subject.get("apiGroup") or ""
    if kind == "ServiceAccount":
        if group:
            errors.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not subject.get("namespace") and not namespaced:
            errors.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != _GROUP:
            errors.append(not_supported(f"{path}.apiGroup", group, (_GROUP,)))
    else:
        errors.append(not_supported(f"{path}.kind", kind or "", ("ServiceAccount", "User", "Group")))


def validate_binding_update(new: Object, old: Object) -> Errors:
    """Whom a binding names may change, what it grants may not."""
    if new.get("roleRef") != old.get("roleRef"):
        return [invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]
    return []
