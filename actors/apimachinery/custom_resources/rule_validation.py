"""Are a schema's rules rules? Each must compile, name what is there, and not cost too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.cel.expression import CelError, CelMissing
from actors.apimachinery.cel.scan import size_of
from actors.apimachinery.custom_resources.rules import RULES, compile_rule, field_path_of, self_schema
from actors.apimachinery.validation.field import Errors, forbidden, invalid, not_supported, required

Schema = Mapping[str, Any]

#: What a rule may cost, once for each value it is evaluated on, by the limits in the schema.
COST_MAX: Final = 10_000_000
_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_EMBEDDED: Final = "x-kubernetes-embedded-resource"


def validate_rules(schema: Schema, path: str) -> Errors:
    """What is wrong with the rules of a structural schema."""
    errors: Errors = []
    _check(errors, schema, path, times=1, is_resource=True, uncorrelatable="")
    return errors


def _check(errors: Errors, schema: Schema, path: str, *, times: int, is_resource: bool, uncorrelatable: str) -> None:
    own = self_schema(schema, is_resource=is_resource)
    for index, rule in enumerate(schema.get(RULES) or ()):
        _check_rule(errors, rule, own, f"{path}.{RULES}[{index}]", times, uncorrelatable)
    for name, inner in (schema.get("properties") or {}).items():
        _descend(errors, inner, f"{path}.properties[{name}]", times, uncorrelatable)
    if isinstance(schema.get("additionalProperties"), dict):
        many = min(times * size_of(schema), 10**18)
        _descend(errors, schema["additionalProperties"], f"{path}.additionalProperties", many, uncorrelatable)
    if isinstance(schema.get("items"), dict):
        many = min(times * size_of(schema), 10**18)
        lost = uncorrelatable
        if not lost and schema.get("x-kubernetes-list-type") != "map":
            lost = path
        _descend(errors, schema["items"], f"{path}.items", many, lost)


def _descend(errors: Errors, schema: Schema, path: str, times: int, uncorrelatable: str) -> None:
    is_resource = bool(schema.get(_EMBEDDED))
    _check(errors, schema, path, times=times, is_resource=is_resource, uncorrelatable=uncorrelatable)


def _check_rule(
    errors: Errors, rule: Mapping[str, Any], schema: Schema, path: str, times: int, uncorrelatable: str
) -> None:
    source = rule.get("rule") or ""
    if not source.strip():
        errors.append(required(f"{path}.rule", "rule is not specified"))
        return
    _check_message(errors, rule, path)
    if rule.get("reason") and rule["reason"] not in _REASONS:
        errors.append(not_supported(f"{path}.reason", rule["reason"], _REASONS))
    if rule.get("fieldPath"):
        _check_field_path(errors, rule["fieldPath"], schema, f"{path}.fieldPath")
    try:
        compiled = compile_rule(rule, schema)
    except CelMissing as error:
        errors.append(invalid(f"{path}.rule", source, str(error)))
        return
    except CelError as error:
        errors.append(invalid(f"{path}.rule", source, f"compilation failed: {error}"))
        return
    if compiled.is_transition:
        if uncorrelatable:
            detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
            errors.append(invalid(f"{path}.rule", source, detail))
    elif rule.get("optionalOldSelf"):
        detail = "may not be set to true if oldSelf is not used in rule"
        errors.append(invalid(f"{path}.optionalOldSelf", True, detail))
    cost = compiled.expression.found.cost * times
    if cost > COST_MAX:
        errors.append(forbidden(f"{path}.rule", _too_costly(cost / COST_MAX)))


def _too_costly(factor: float) -> str:
    shown = "more than 100x" if factor > 100 else f"{factor:.1f}x"
    advice = (
        "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings"
    )
    return f"estimated rule cost exceeds budget by factor of {shown} ({advice} are declared)"


def _check_message(errors: Errors, rule: Mapping[str, Any], path: str) -> None:
    message = rule.get("message")
    if message is None:
        return
    if not message.strip():
        errors.append(invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif "\n" in message.strip():
        errors.append(invalid(f"{path}.message", message, "message must not contain line breaks"))


def _check_field_path(errors: Errors, text: str, schema: Schema, path: str) -> None:
    try:
        names = field_path_of(text).split(".")[1:]
    except ValueError as error:
        errors.append(invalid(path, text, f"fieldPath must be a valid path: {error}"))
        return
    inner: Any = schema
    for name in names:
        properties = inner.get("properties") or {}
        inner = properties.get(name) or inner.get("additionalProperties")
        if not isinstance(inner, Mapping):
            errors.append(
                invalid(path, text, f"fieldPath must be a valid path: does not refer to a valid field: {name}")
            )
            return
