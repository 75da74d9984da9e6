"""Rules of the cluster's own kinds: nodes, leases, priorities, budgets, autoscalers, quotas, events."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.label_syntax import check_label_value, check_qualified_name
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import (
    Errors,
    check_count_or_percent,
    check_immutable,
    check_not_negative,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from actors.apimachinery.validation.placement import check_label_selector

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_USER_PRIORITY_MAX: Final = 1_000_000_000


def validate_node(obj: Object) -> Errors:
    """A Node: its taints."""
    errors: Errors = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate((obj.get("spec") or {}).get("taints") or ()):
        here = f"spec.taints[{index}]"
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        for fault in check_qualified_name(key):
            errors.append(invalid(f"{here}.key", key, fault))
        for fault in check_label_value(taint.get("value") or ""):
            errors.append(invalid(f"{here}.value", taint["value"], fault))
        if effect not in _EFFECTS:
            errors.append(not_supported(f"{here}.effect", effect, _EFFECTS) if effect else required(f"{here}.effect"))
        if (key, effect) in seen:
            errors.append(duplicate(here, taint))
        seen.add((key, effect))
    return errors


def validate_node_update(new: Object, old: Object) -> Errors:
    """A node's identity and pod addresses stay once they are set."""
    errors: Errors = []
    after, before = new.get("spec") or {}, old.get("spec") or {}
    for field in ("podCIDR", "podCIDRs"):
        if before.get(field) and after.get(field) != before[field]:
            errors.append(forbidden(f"spec.{field}", f'node updates may not change {field} except from "" to valid'))
    if before.get("providerID") and after.get("providerID") != before["providerID"]:
        errors.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
    return errors


def validate_lease(obj: Object) -> Errors:
    """A Lease: positive duration, no negative number of transitions."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    check_not_negative(errors, "spec.leaseTransitions", spec.get("leaseTransitions"))
    return errors


def validate_disruption_budget(obj: Object) -> Errors:
    """A PodDisruptionBudget: one bound, not both."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        detail = "minAvailable and maxUnavailable cannot be both set"
        errors.append(invalid("spec", spec, detail))
    for field, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            check_count_or_percent(errors, f"spec.{field}", value)
            if isinstance(value, str) and value.rstrip("%").isdigit() and int(value.rstrip("%")) > 100:
                errors.append(invalid(f"spec.{field}", value, "must not be greater than 100%"))
    if selector := spec.get("selector"):
        check_label_selector(errors, "spec.selector", selector)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in (None, "AlwaysAllow", "IfHealthyBudget"):
        errors.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget")))
    return errors


def validate_autoscaler(obj: Object) -> Errors:
    """A HorizontalPodAutoscaler: bounds in order, a target to scale."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        errors.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most < 1:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than 0"))
    if least is not None and most < least:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            errors.append(required(f"spec.scaleTargetRef.{field}"))
    return errors


def validate_priority_class(obj: Object) -> Errors:
    """A PriorityClass: names and values above a billion are the system's."""
    errors: Errors = []
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    if name.startswith("system-"):
        if name not in ("system-node-critical", "system-cluster-critical"):
            detail = "priority class names with 'system-' prefix are reserved for system use only"
            errors.append(forbidden("metadata.name", detail))
    elif value > _USER_PRIORITY_MAX:
        detail = f"maximum allowed value of a user defined priority is {_USER_PRIORITY_MAX}"
        errors.append(forbidden("value", detail))
    policy = obj.get("preemptionPolicy")
    if policy not in (None, "Never", "PreemptLowerPriority"):
        errors.append(not_supported("preemptionPolicy", policy, ("Never", "PreemptLowerPriority")))
    return errors


def validate_priority_class_update(new: Object, old: Object) -> Errors:
    """A class' value and preemption policy stay."""
    errors: Errors = []
    if new.get("value", 0) != old.get("value", 0):
        errors.append(forbidden("value", "may not be changed in an update."))
    check_immutable(errors, "preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))
    return errors


def validate_event(obj: Object) -> Errors:
    """An Event lives where the object it is about lives."""
    involved = obj.get("involvedObject") or {}
    namespace, about = obj["metadata"].get("namespace", ""), involved.get("namespace", "")
    if about and about != namespace:
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    if not about and namespace not in ("default", "kube-system"):
        return [invalid("involvedObject.namespace", about, "does not match event.namespace")]
    return []


def validate_runtime_class(obj: Object) -> Errors:
    """A RuntimeClass names a handler."""
    return [] if obj.get("handler") else [required("handler")]


def validate_endpoint_slice(obj: Object) -> Errors:
    """An EndpointSlice: one type of address, which stays."""
    kind = obj.get("addressType")
    supported = ("FQDN", "IPv4", "IPv6")
    errors: Errors = []
    if not kind:
        errors.append(required("addressType"))
    elif kind not in supported:
        errors.append(not_supported("addressType", kind, supported))
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        if not endpoint.get("addresses"):
            errors.append(required(f"endpoints[{index}].addresses", "must contain at least 1 address"))
    return errors


def validate_resource_quota(obj: Object) -> Errors:
    """A ResourceQuota: names of what it counts are qualified, amounts not negative."""
    errors: Errors = []
    for name, amount in ((obj.get("spec") or {}).get("hard") or {}).items():
        for fault in check_qualified_name(name):
            errors.append(invalid(f"spec.hard[{name}]", name, fault))
        if str(amount).startswith("-"):
            errors.append(invalid(f"spec.hard[{name}]", amount, "must be greater than or equal to 0"))
    return errors


def validate_controller_revision(obj: Object) -> Errors:
    """A ControllerRevision: a number that is not negative, and data."""
    errors: Errors = []
    check_not_negative(errors, "revision", obj.get("revision"))
    if obj.get("data") is None:
        errors.append(required("data", "data is mandatory"))
    return errors


def validate_controller_revision_update(new: Object, old: Object) -> Errors:
    """What a revision recorded stays."""
    errors: Errors = []
    check_immutable(errors, "data", new.get("data"), old.get("data"))
    return errors
