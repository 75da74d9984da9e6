"""Rules of what tells the scheduler where a pod may go: selectors, affinity, tolerations, topology spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.label_syntax import check_label_value, check_qualified_name
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import (
    POSITIVE,
    Errors,
    check_enum,
    check_not_negative,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from actors.apimachinery.validation.metadata import check_labels

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TOLERATION_OPERATORS: Final = ("Equal", "Exists")
_NODE_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_LABEL_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
_WHEN: Final = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES: Final = ("Honor", "Ignore")


def check_placement(errors: Errors, path: str, spec: Object) -> None:
    """All of it, for a pod's spec at `path`."""
    if selector := spec.get("nodeSelector"):
        check_labels(errors, f"{path}.nodeSelector", selector)
    if affinity := spec.get("affinity"):
        _check_affinity(errors, f"{path}.affinity", affinity)
    if tolerations := spec.get("tolerations"):
        check_tolerations(errors, f"{path}.tolerations", tolerations)
    if constraints := spec.get("topologySpreadConstraints"):
        _check_spread(errors, f"{path}.topologySpreadConstraints", constraints)


def check_tolerations(errors: Errors, path: str, tolerations: Sequence[Object]) -> None:
    """Operators, effects, and which of them go with a value or a time."""
    for index, toleration in enumerate(tolerations):
        here = f"{path}[{index}]"
        key, operator, effect = toleration.get("key"), toleration.get("operator"), toleration.get("effect")
        if key:
            for fault in check_qualified_name(key):
                errors.append(invalid(f"{here}.key", key, fault))
        elif operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid(f"{here}.operator", operator or "", detail))
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(f"{here}.effect", effect or "", detail))
        if operator == "Exists":
            if toleration.get("value"):
                detail = "value must be empty when `operator` is 'Exists'"
                errors.append(invalid(f"{here}.operator", toleration["value"], detail))
        elif operator in (None, "", "Equal"):
            for fault in check_label_value(toleration.get("value") or ""):
                errors.append(invalid(f"{here}.operator", toleration["value"], fault))
        else:
            errors.append(not_supported(f"{here}.operator", operator, _TOLERATION_OPERATORS))
        check_enum(errors, f"{here}.effect", effect, _EFFECTS, needed=False)


def _check_affinity(errors: Errors, path: str, affinity: Object) -> None:
    if node := affinity.get("nodeAffinity"):
        here = f"{path}.nodeAffinity"
        needed = node.get("requiredDuringSchedulingIgnoredDuringExecution")
        if needed is not None:
            check_node_selector(errors, f"{here}.requiredDuringSchedulingIgnoredDuringExecution", needed)
        preferred = f"{here}.preferredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(node.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            _check_weight(errors, f"{preferred}[{index}]", term)
            _check_node_term(errors, f"{preferred}[{index}].preference", term.get("preference") or {})
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        needed_path = f"{path}.{kind}.requiredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()):
            _check_pod_term(errors, f"{needed_path}[{index}]", term)
        preferred = f"{path}.{kind}.preferredDuringSchedulingIgnoredDuringExecution"
        for index, term in enumerate(rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()):
            _check_weight(errors, f"{preferred}[{index}]", term)
            _check_pod_term(errors, f"{preferred}[{index}].podAffinityTerm", term.get("podAffinityTerm") or {})


def _check_weight(errors: Errors, path: str, term: Object) -> None:
    if not 1 <= term.get("weight", 0) <= 100:
        errors.append(invalid(f"{path}.weight", term.get("weight", 0), "must be in the range 1-100"))


def check_node_selector(errors: Errors, path: str, selector: Object) -> None:
    """At least one term; operators with the values they need."""
    terms = selector.get("nodeSelectorTerms")
    if not terms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(terms or ()):
        _check_node_term(errors, f"{path}.nodeSelectorTerms[{index}]", term)


def _check_node_term(errors: Errors, path: str, term: Object) -> None:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        _check_values(errors, here, expression, _NODE_OPERATORS, "not a valid selector operator")
        for fault in check_qualified_name(expression.get("key") or ""):
            errors.append(invalid(f"{here}.key", expression.get("key") or "", fault))
    for index, expression in enumerate(term.get("matchFields") or ()):
        here = f"{path}.matchFields[{index}]"
        if expression.get("key") != "metadata.name":
            errors.append(invalid(f"{here}.key", expression.get("key") or "", "not a valid field selector key"))
        if expression.get("operator") in ("In", "NotIn") and len(expression.get("values") or ()) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            errors.append(required(f"{here}.values", detail))


def _check_values(errors: Errors, path: str, expression: Object, operators: tuple[str, ...], why: str) -> None:
    operator, values = expression.get("operator"), expression.get("values") or ()
    if operator not in operators:
        errors.append(invalid(f"{path}.operator", operator or "", why))
    elif operator in ("In", "NotIn") and not values:
        errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.append(forbidden(f"{path}.values", detail))
    elif operator in ("Gt", "Lt") and len(values) != 1:
        errors.append(required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'"))


def check_label_selector(errors: Errors, path: str, selector: Mapping[str, Any]) -> None:
    """A selector object: keys and values are labels, operators have the values they need."""
    if labels := selector.get("matchLabels"):
        check_labels(errors, f"{path}.matchLabels", labels)
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        here = f"{path}.matchExpressions[{index}]"
        _check_values(errors, here, expression, _LABEL_OPERATORS, "not a valid selector operator")
        for fault in check_qualified_name(expression.get("key") or ""):
            errors.append(invalid(f"{here}.key", expression.get("key") or "", fault))
        for position, value in enumerate(expression.get("values") or ()):
            for fault in check_label_value(value):
                errors.append(invalid(f"{here}.values[{position}]", value, fault))


def _check_pod_term(errors: Errors, path: str, term: Object) -> None:
    for name in ("labelSelector", "namespaceSelector"):
        if selector := term.get(name):
            check_label_selector(errors, f"{path}.{name}", selector)
    if not term.get("topologyKey"):
        errors.append(required(f"{path}.topologyKey", "can not be empty"))
    else:
        for fault in check_qualified_name(term["topologyKey"]):
            errors.append(invalid(f"{path}.topologyKey", term["topologyKey"], fault))


def _check_spread(errors: Errors, path: str, constraints: Sequence[Object]) -> None:
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        if constraint.get("maxSkew", 0) <= 0:
            errors.append(invalid(f"{here}.maxSkew", constraint.get("maxSkew", 0), POSITIVE))
        key, when = constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""
        if not key:
            errors.append(required(f"{here}.topologyKey", "can not be empty"))
        if when not in _WHEN:
            errors.append(not_supported(f"{here}.whenUnsatisfiable", when, _WHEN))
        if (key, when) in seen:
            errors.append(duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}"))
        seen.add((key, when))
        check_not_negative(errors, f"{here}.minDomains", constraint.get("minDomains"))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            check_enum(errors, f"{here}.{name}", constraint.get(name), _POLICIES, needed=False)
        if selector := constraint.get("labelSelector"):
            check_label_selector(errors, f"{here}.labelSelector", selector)
