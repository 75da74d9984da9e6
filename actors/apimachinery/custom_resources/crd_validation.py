"""Rules of CustomResourceDefinitions (``ValidateCustomResourceDefinition`` and its update), in Kubernetes' words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from actors.apimachinery.custom_resources.definition import ESTABLISHED, condition_is_true
from actors.apimachinery.custom_resources.pattern import COST_MAX, pattern_cost
from actors.apimachinery.custom_resources.rule_validation import validate_rules
from actors.apimachinery.custom_resources.structural_schema import validate_structural
from actors.apimachinery.custom_resources.version_validation import validate_version
from actors.apimachinery.label_syntax import check_dns1035_label, check_dns_subdomain
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.field import IMMUTABLE, Errors, forbidden, invalid, not_supported, required

#: Each pattern costs so much, however short it is.
PATTERN_COST: Final = 20
_APPROVAL: Final = "api-approved.kubernetes.io"
_PROTECTED: Final = re.compile(r"(^|\.)(k8s\.io|kubernetes\.io)$")


def validate_definition(crd: Object) -> Errors:
    """What is wrong with a definition, after defaults."""
    spec = crd.get("spec") or {}
    errors: Errors = []
    names = spec.get("names") or {}
    wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if crd["metadata"].get("name") != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        errors.append(invalid("metadata.name", crd["metadata"].get("name", ""), detail))
    _check_group(errors, crd, spec.get("group") or "")
    if not spec.get("scope"):
        errors.append(required("spec.scope"))
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        errors.append(not_supported("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        errors.append(invalid("spec.preserveUnknownFields", True, detail))
    _check_names(errors, names)
    _check_versions(errors, spec.get("versions") or [])
    _check_conversion(errors, spec.get("conversion") or {})
    if _patterns_cost(spec.get("versions")) >= COST_MAX:
        errors.append(forbidden("spec.versions", "the regular expressions of the schemas are too large together"))
        return errors
    _check_schemas(errors, spec.get("versions") or [])
    return errors


def _patterns_cost(versions: Any) -> int:
    """What compiling all patterns costs; looked at before any is compiled."""
    cost, waiting = 0, [versions]
    while waiting and cost < COST_MAX:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            pattern = value.get("pattern")
            cost += pattern_cost(pattern) + PATTERN_COST if isinstance(pattern, str) else 0
        elif isinstance(value, list):
            waiting += value
    return cost


def _check_group(errors: Errors, crd: Object, group: str) -> None:
    if not group:
        errors.append(required("spec.group"))
        return
    for fault in check_dns_subdomain(group):
        errors.append(invalid("spec.group", group, fault))
    if "." not in group:
        errors.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    if _PROTECTED.search(group) and not (crd["metadata"].get("annotations") or {}).get(_APPROVAL):
        detail = (
            f'protected groups must have approval annotation "{_APPROVAL}", '
            "see https://github.com/kubernetes/enhancements/pull/1111"
        )
        errors.append(required(f"metadata.annotations[{_APPROVAL}]", detail))


def _check_names(errors: Errors, names: Mapping[str, Any]) -> None:
    for name in ("plural", "singular", "kind", "listKind"):
        value = names.get(name) or ""
        if not value:
            if name in ("plural", "kind"):
                errors.append(required(f"spec.names.{name}"))
            continue
        for fault in check_dns1035_label(value.lower() if name.lower().endswith("kind") else value):
            if name.lower().endswith("kind"):
                fault = f"may have mixed case, but should otherwise match: {fault}"
            errors.append(invalid(f"spec.names.{name}", value, fault))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        errors.append(invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same"))
    for name in ("shortNames", "categories"):
        for index, value in enumerate(names.get(name) or ()):
            for fault in check_dns1035_label(value):
                errors.append(invalid(f"spec.names.{name}[{index}]", value, fault))


def _check_versions(errors: Errors, versions: list[Any]) -> None:
    if not versions:
        errors.append(required("spec.versions", "must have at least one version"))
        return
    names = [version.get("name") or "" for version in versions]
    for index, name in enumerate(names):
        for fault in check_dns1035_label(name):
            errors.append(invalid(f"spec.versions[{index}].name", name, fault))
    if len(set(names)) < len(names):
        errors.append(invalid("spec.versions", names, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        errors.append(invalid("spec.versions", names, "must have exactly one version marked as storage version"))
    for index, version in enumerate(versions):
        errors.extend(validate_version(version, f"spec.versions[{index}]"))


def _check_conversion(errors: Errors, conversion: Mapping[str, Any]) -> None:
    strategy = conversion.get("strategy") or "None"
    if strategy == "Webhook":
        detail = "conversion webhooks are not called here: only None is supported"
        errors.append(invalid("spec.conversion.strategy", strategy, detail))
    elif strategy != "None":
        errors.append(not_supported("spec.conversion.strategy", strategy, ("None", "Webhook")))
    elif conversion.get("webhook"):
        errors.append(forbidden("spec.conversion.webhook", "should not be set when strategy is not set to Webhook"))


def _check_schemas(errors: Errors, versions: list[Any]) -> None:
    for schema, path in schemas_of(versions):
        if schema is None:
            errors.append(required(path, "schemas are required"))
            continue
        structural = validate_structural(schema, path)
        errors.extend(structural)
        if not structural:
            errors.extend(validate_rules(schema, path))


def schemas_of(versions: list[Any]) -> Iterator[tuple[Mapping[str, Any] | None, str]]:
    """Each version's schema and its path; equal schemas are one, at the path where Kubernetes keeps it inside."""
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in versions]
    if schemas and schemas[0] is not None and all(schema == schemas[0] for schema in schemas):
        yield schemas[0], "spec.validation.openAPIV3Schema"
        return
    for index, schema in enumerate(schemas):
        yield schema, f"spec.versions[{index}].schema.openAPIV3Schema"


def validate_definition_update(new: Object, old: Object) -> Errors:
    """What may not change: the names and scope of what is established, and versions that objects are stored in."""
    errors: Errors = []
    if condition_is_true(old, ESTABLISHED):
        for path in (("group",), ("scope",), ("names", "kind"), ("names", "plural")):
            after, before = _at(new["spec"], path), _at(old["spec"], path)
            if after != before:
                errors.append(invalid(".".join(("spec", *path)), after, IMMUTABLE))
    errors.extend(validate_stored_versions(new))
    return errors


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = (value or {}).get(name)
    return value


def validate_stored_versions(crd: Object) -> Errors:
    """Every version that objects may be stored in is there, and the storage version is among them."""
    stored = (crd.get("status") or {}).get("storedVersions") or []
    versions = crd["spec"].get("versions") or []
    errors: Errors = []
    if not stored:
        return [invalid("status.storedVersions", stored, "must have at least one stored version")]
    names = {version.get("name") for version in versions}
    for index, name in enumerate(stored):
        if name not in names:
            errors.append(invalid(f"status.storedVersions[{index}]", name, "must appear in spec.versions"))
    current = next((version.get("name") for version in versions if version.get("storage")), None)
    if current is not None and current not in stored:
        errors.append(invalid("status.storedVersions", stored, f"must have the storage version {current}"))
    return errors
