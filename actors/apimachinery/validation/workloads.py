"""Rules of Deployments, ReplicaSets, ReplicationControllers, StatefulSets and DaemonSets."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.selector import LabelSelector, SelectorError
from actors.apimachinery.validation.field import (
    Errors,
    check_count_or_percent,
    check_enum,
    check_immutable,
    check_not_negative,
    forbidden,
    invalid,
    not_supported,
    percent_of,
    required,
)
from actors.apimachinery.validation.metadata import check_annotations, check_labels
from actors.apimachinery.validation.placement import check_label_selector
from actors.apimachinery.validation.pods import check_pod_spec

_STATEFUL_SET_MUTABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_STATEFUL_SET_FIXED: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def check_template(errors: Errors, path: str, template: Object | None) -> None:
    """A pod template: its labels, annotations and spec."""
    template = template or {}
    metadata = template.get("metadata") or {}
    if labels := metadata.get("labels"):
        check_labels(errors, f"{path}.labels", labels)
    if annotations := metadata.get("annotations"):
        check_annotations(errors, f"{path}.annotations", annotations)
    spec = template.get("spec") or {}
    check_pod_spec(errors, f"{path}.spec", spec)
    if spec.get("ephemeralContainers"):
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))


def _check_owned_template(errors: Errors, spec: Object, kind: str) -> None:
    """The template of something that replaces its pods: they must match its selector, and never end by themselves."""
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if selector:
        try:
            matches = LabelSelector.from_object(selector).matches(labels)
        except SelectorError:
            matches = True  # reported with the selector itself
        if not matches:
            detail = "`selector` does not match template `labels`"
            errors.append(invalid("spec.template.metadata.labels", labels, detail))
    check_template(errors, "spec.template", template)
    pod = template.get("spec") or {}
    if pod.get("restartPolicy") not in ("Always", None):
        errors.append(not_supported("spec.template.spec.restartPolicy", pod["restartPolicy"], ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden("spec.template.spec.activeDeadlineSeconds", detail))


def _check_selector(errors: Errors, spec: Object, kind: str) -> None:
    selector = spec.get("selector")
    if selector is None:
        errors.append(required("spec.selector"))
        return
    check_label_selector(errors, "spec.selector", selector)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))


def validate_deployment(obj: Object) -> Errors:
    """A Deployment, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_not_negative(errors, "spec.replicas", spec.get("replicas"))
    _check_selector(errors, spec, "deployment")
    _check_owned_template(errors, spec, "ReplicaSet")
    _check_deployment_strategy(errors, spec.get("strategy") or {})
    check_not_negative(errors, "spec.minReadySeconds", spec.get("minReadySeconds"))
    check_not_negative(errors, "spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        check_not_negative(errors, "spec.progressDeadlineSeconds", deadline)
        if deadline <= spec.get("minReadySeconds", 0):
            errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def _check_deployment_strategy(errors: Errors, strategy: Object) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(forbidden("spec.strategy.rollingUpdate", detail))
    elif kind == "RollingUpdate":
        if rolling is None:
            errors.append(required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil"))
        else:
            _check_rolling_update(errors, "spec.strategy.rollingUpdate", rolling)
    else:
        errors.append(not_supported("spec.strategy.type", kind or "", ("Recreate", "RollingUpdate")))


def _check_rolling_update(errors: Errors, path: str, rolling: Object) -> None:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    check_count_or_percent(errors, f"{path}.maxUnavailable", unavailable)
    check_count_or_percent(errors, f"{path}.maxSurge", surge)
    if _is_zero(unavailable) and _is_zero(surge):
        errors.append(invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    _check_not_above_100(errors, f"{path}.maxUnavailable", unavailable)


def _check_not_above_100(errors: Errors, path: str, value: Any) -> None:
    if (percent_of(value) or 0) > 100:
        errors.append(invalid(path, value, "must not be greater than 100%"))


def _is_zero(value: Any) -> bool:
    return value == 0 or percent_of(value) == 0


def validate_replica_set(obj: Object) -> Errors:
    """A ReplicaSet, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_not_negative(errors, "spec.replicas", spec.get("replicas"))
    check_not_negative(errors, "spec.minReadySeconds", spec.get("minReadySeconds"))
    _check_selector(errors, spec, "deployment")
    if not spec.get("template"):
        errors.append(required("spec.template"))
    else:
        _check_owned_template(errors, spec, "ReplicaSet")
    return errors


def validate_replication_controller(obj: Object) -> Errors:
    """A ReplicationController, after defaults: its selector is a plain map."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_not_negative(errors, "spec.minReadySeconds", spec.get("minReadySeconds"))
    check_not_negative(errors, "spec.replicas", spec.get("replicas"))
    selector = spec.get("selector")
    if not selector:
        errors.append(required("spec.selector"))
    if not spec.get("template"):
        errors.append(required("spec.template"))
    else:
        wanted = {**spec, "selector": {"matchLabels": selector} if selector else None}
        _check_owned_template(errors, wanted, "ReplicationController")
    return errors


def validate_stateful_set(obj: Object) -> Errors:
    """A StatefulSet, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    policies = ("OrderedReady", "Parallel")
    check_enum(errors, "spec.podManagementPolicy", spec.get("podManagementPolicy"), policies)
    strategy = spec.get("updateStrategy") or {}
    kind = strategy.get("type")
    if kind == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        check_not_negative(errors, "spec.updateStrategy.rollingUpdate.partition", rolling.get("partition"))
    elif kind == "OnDelete":
        if strategy.get("rollingUpdate") is not None:
            detail = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid("spec.updateStrategy.rollingUpdate", strategy["rollingUpdate"], detail))
    else:
        check_enum(errors, "spec.updateStrategy", kind, ("RollingUpdate", "OnDelete"))
    for name in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        check_not_negative(errors, f"spec.{name}", spec.get(name))
    for name, value in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        check_enum(errors, f"spec.persistentVolumeClaimRetentionPolicy.{name}", value, ("Retain", "Delete"))
    _check_selector(errors, spec, "statefulset")
    _check_owned_template(errors, _with_claimed_volumes(spec), "StatefulSet")
    return errors


def _with_claimed_volumes(spec: Object) -> Object:
    """Each claim template becomes a volume of its name in every pod, which containers may mount."""
    claims = [(claim.get("metadata") or {}).get("name") for claim in spec.get("volumeClaimTemplates") or ()]
    template = spec.get("template") or {}
    pod = template.get("spec")
    if not claims or not pod:
        return spec
    own = [volume for volume in pod.get("volumes") or () if volume.get("name") not in claims]
    added = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims if name]
    return {**spec, "template": {**template, "spec": {**pod, "volumes": [*own, *added]}}}


def validate_daemon_set(obj: Object) -> Errors:
    """A DaemonSet, after defaults."""
    errors: Errors = []
    spec = obj.get("spec") or {}
    _check_selector(errors, spec, "daemonset")
    _check_owned_template(errors, spec, "DaemonSet")
    check_not_negative(errors, "spec.minReadySeconds", spec.get("minReadySeconds"))
    check_not_negative(errors, "spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    strategy = spec.get("updateStrategy") or {}
    kind = strategy.get("type")
    if kind == "RollingUpdate":
        _check_daemon_rolling_update(errors, strategy.get("rollingUpdate"))
    elif kind != "OnDelete":
        errors.append(not_supported("spec.updateStrategy.type", kind or "", ("RollingUpdate", "OnDelete")))
    return errors


def _check_daemon_rolling_update(errors: Errors, rolling: Object | None) -> None:
    path = "spec.updateStrategy.rollingUpdate"
    if rolling is None:
        errors.append(required(path))
        return
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    check_count_or_percent(errors, f"{path}.maxUnavailable", unavailable)
    check_count_or_percent(errors, f"{path}.maxSurge", surge)
    if _is_zero(unavailable) and _is_zero(surge):
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    elif not _is_zero(unavailable) and not _is_zero(surge):
        errors.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    _check_not_above_100(errors, f"{path}.maxUnavailable", unavailable)
    _check_not_above_100(errors, f"{path}.maxSurge", surge)


def validate_selector_update(new: Object, old: Object) -> Errors:
    """The selector of a Deployment, ReplicaSet or DaemonSet can't change."""
    errors: Errors = []
    check_immutable(errors, "spec.selector", new["spec"].get("selector"), (old.get("spec") or {}).get("selector"))
    return errors


def validate_stateful_set_update(new: Object, old: Object) -> Errors:
    """Of a StatefulSet only a few fields can change; above all not the claim templates."""
    fixed_after = {k: v for k, v in new["spec"].items() if k not in _STATEFUL_SET_MUTABLE}
    fixed_before = {k: v for k, v in old["spec"].items() if k not in _STATEFUL_SET_MUTABLE}
    return [forbidden("spec", _STATEFUL_SET_FIXED)] if fixed_after != fixed_before else []
