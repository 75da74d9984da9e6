"""Rules of what makes Jobs fail and succeed: limits for each index, podFailurePolicy, successPolicy."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import Errors, check_enum, duplicate, invalid, not_supported, required

_INDEXED: Final = "requires indexed completion mode"
_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")


def check_policies(errors: Errors, path: str, spec: Object) -> None:
    """What of a Job's spec depends on each other."""
    _check_limits(errors, path, spec)
    _check_failure_policy(errors, path, spec)
    if spec.get("successPolicy") is not None:
        if spec.get("completionMode") != "Indexed":
            errors.append(invalid(f"{path}.successPolicy", spec["successPolicy"], _INDEXED))
        _check_success_policy(errors, f"{path}.successPolicy.rules", spec)


def _check_limits(errors: Errors, path: str, spec: Object) -> None:
    most = spec.get("maxFailedIndexes")
    if most is not None and spec.get("backoffLimitPerIndex") is None:
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if spec.get("completionMode") != "Indexed":
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                errors.append(invalid(f"{path}.{name}", spec[name], _INDEXED))
    elif most is not None and spec.get("completions") is not None and most > spec["completions"]:
        errors.append(invalid(f"{path}.maxFailedIndexes", most, "must be less than or equal to completions"))


def _check_failure_policy(errors: Errors, path: str, spec: Object) -> None:
    policy = spec.get("podFailurePolicy")
    if policy is None:
        return
    restart = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    if restart != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(invalid(f"{path}.template.spec.restartPolicy", restart, why))
    replacement = spec.get("podReplacementPolicy")
    if replacement == "TerminatingOrFailed":
        errors.append(not_supported(f"{path}.podReplacementPolicy", replacement, ("Failed",)))
    for number, rule in enumerate(policy.get("rules") or ()):
        _check_failure_rule(errors, f"{path}.podFailurePolicy.rules[{number}]", spec, rule)


def _check_failure_rule(errors: Errors, path: str, spec: Object, rule: Object) -> None:
    check_enum(errors, f"{path}.action", rule.get("action"), _ACTIONS)
    if rule.get("action") == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        errors.append(invalid(f"{path}.action", "FailIndex", "requires the backoffLimitPerIndex to be set"))
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        _check_exit_codes(errors, f"{path}.onExitCodes", spec, codes)
    if codes is not None and conditions:
        errors.append(invalid(path, None, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        errors.append(invalid(path, None, "specifying one of OnExitCodes and OnPodConditions is required"))


def _check_exit_codes(errors: Errors, path: str, spec: Object, codes: Object) -> None:
    check_enum(errors, f"{path}.operator", codes.get("operator"), _OPERATORS)
    pod = (spec.get("template") or {}).get("spec") or {}
    names = {c.get("name") for kind in ("containers", "initContainers") for c in pod.get(kind) or ()}
    if codes.get("containerName") is not None and codes["containerName"] not in names:
        why = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", codes["containerName"], why))
    values = codes.get("values") or []
    if not values:
        errors.append(invalid(f"{path}.values", values, "at least one value is required"))
    for number, value in enumerate(values):
        if value == 0 and codes.get("operator") == "In":
            errors.append(invalid(f"{path}.values[{number}]", value, "must not be 0 for the In operator"))
        if value in values[:number]:
            errors.append(duplicate(f"{path}.values[{number}]", value))
    if values != sorted(values):
        errors.append(invalid(f"{path}.values", values, "must be ordered"))


def _check_success_policy(errors: Errors, path: str, spec: Object) -> None:
    rules = spec["successPolicy"].get("rules") or ()
    if not rules:
        errors.append(required(path, "at least one rules must be specified when the successPolicy is specified"))
    for number, rule in enumerate(rules):
        if rule.get("succeededCount") is None and rule.get("succeededIndexes") is None:
            why = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(required(f"{path}[{number}]", why))
