"""Validation rules of a schema (``x-kubernetes-validations``), evaluated on custom objects.

    errors = evaluate_rules(rules_of(schema), obj)            # a new object
    errors = evaluate_rules(rules_of(schema), new, old)       # an update

Rules that read ``oldSelf`` are judged on updates only, where the value had a counterpart before: fields and map values
by name, items of lists of type ``map`` by their keys, other items never. As for the rest of the schema, what an update
leaves as it was isn't judged again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from actors.apimachinery.cel.expression import (
    Budget,
    CelError,
    CelMissing,
    Expression,
    OverBudget,
    compile_expression,
)
from actors.apimachinery.cel.values import typed
from actors.apimachinery.custom_resources.value_validation import NO_OLD, item_key, json_type, same
from actors.apimachinery.status import CauseReason, FieldError
from actors.apimachinery.validation.field import Errors

Schema = Mapping[str, Any]

RULES: Final = "x-kubernetes-validations"
_REASONS: Final[Mapping[str, CauseReason]] = {
    "FieldValueInvalid": "FieldValueInvalid",
    "FieldValueForbidden": "FieldValueForbidden",
    "FieldValueRequired": "FieldValueRequired",
    "FieldValueDuplicate": "FieldValueDuplicate",
}
_MESSAGE_MAX: Final = 5 * 1024
_PATH_PART: Final = re.compile(r"\.([a-zA-Z_][a-zA-Z0-9_]*)|\['([^']+)'\]")
_TEXT: Final = {"type": "string"}
_METADATA: Final = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled."""

    source: Mapping[str, Any]
    expression: Expression
    message_expression: Expression | None

    @property
    def is_transition(self) -> bool:
        return self.expression.reads("oldSelf")

    @property
    def text(self) -> str:
        """How errors of its evaluation name it."""
        return str(self.source.get("message") or self.source["rule"]).strip()


@dataclass(slots=True)
class RuleNode:
    """The rules of a part of the schema, and of what is in it."""

    schema: Schema
    rules: list[Rule] = field(default_factory=list)
    properties: dict[str, RuleNode] = field(default_factory=dict)
    additional: RuleNode | None = None
    items: RuleNode | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.rules or self.properties or self.additional or self.items)


def self_schema(schema: Schema, *, is_resource: bool) -> Schema:
    """What ``self`` is made of: of a resource also apiVersion, kind, and the name of its metadata."""
    if not is_resource:
        return schema
    common = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA}
    return {**schema, "properties": {**schema.get("properties", {}), **common}}


def compile_rule(source: Mapping[str, Any], schema: Schema) -> Rule:
    """Compile a rule for a value of a schema. Raises `CelError` and `CelMissing`."""
    old = None if source.get("optionalOldSelf") else schema
    variables = {"self": schema, "oldSelf": old}
    message = source.get("messageExpression")
    return Rule(
        source,
        compile_expression(source["rule"], variables),
        compile_expression(message, variables) if message else None,
    )


def compile_rules(schema: Schema, *, is_resource: bool = True) -> RuleNode | None:
    """All rules of a schema; None when it has none. Raises `CelError` and `CelMissing`."""
    node = RuleNode(self_schema(schema, is_resource=is_resource))
    node.rules = [compile_rule(source, node.schema) for source in schema.get(RULES) or ()]
    for name, inner in (schema.get("properties") or {}).items():
        found = compile_rules(inner, is_resource=bool(inner.get("x-kubernetes-embedded-resource")))
        if found is not None:
            node.properties[name] = found
    for part in ("additionalProperties", "items"):
        inner = schema.get(part)
        if isinstance(inner, dict):
            found = compile_rules(inner, is_resource=bool(inner.get("x-kubernetes-embedded-resource")))
            if part == "items":
                node.items = found
            else:
                node.additional = found
    return None if node.is_empty else node


def evaluate_rules(node: RuleNode | None, value: Any, old: Any = NO_OLD) -> Errors:
    """What the rules find wrong with an object."""
    errors: Errors = []
    if node is not None:
        try:
            _Evaluation(errors, Budget()).value(node, value, old, "")
        except OverBudget:
            detail = "validation failed due to running out of cost budget, no further validation rules will be run"
            errors.append(FieldError("FieldValueInvalid", "<nil>", detail, "object"))
    return errors


class _Evaluation:
    def __init__(self, errors: Errors, budget: Budget) -> None:
        self._errors = errors
        self._budget = budget

    def value(self, node: RuleNode, value: Any, old: Any, path: str) -> None:
        """Judge a value and what is in it."""
        if value is None or (old is not NO_OLD and same(value, old) and not _has_transitions(node)):
            return
        if node.rules:
            self._rules(node, value, old, path)
        if isinstance(value, dict) and (node.properties or node.additional is not None):
            before = old if isinstance(old, dict) else {}
            for name, item in value.items():
                inner = node.properties.get(name)
                if inner is None and name not in (node.schema.get("properties") or {}):
                    inner = node.additional
                if inner is not None:
                    self.value(inner, item, before.get(name, NO_OLD), f"{path}.{name}" if path else name)
        elif isinstance(value, list) and node.items is not None:
            before = _items_before(node.schema, old)
            for index, item in enumerate(value):
                was = before.get(item_key(item, node.schema), NO_OLD) if before else NO_OLD
                self.value(node.items, item, was, f"{path}[{index}]")

    def _rules(self, node: RuleNode, value: Any, old: Any, path: str) -> None:
        unchanged = old is not NO_OLD and same(value, old)
        own = typed(value, node.schema)
        before = typed(old, node.schema) if old is not NO_OLD else NO_OLD
        for rule in node.rules:
            variables = {"self": own}
            if rule.is_transition:
                if rule.source.get("optionalOldSelf"):
                    variables["oldSelf"] = _optional(before)
                elif before is NO_OLD:
                    continue
                else:
                    variables["oldSelf"] = before
            elif unchanged:
                continue
            self._rule(rule, variables, value, path)

    def _rule(self, rule: Rule, variables: dict[str, Any], value: Any, path: str) -> None:
        shown = json_type(value) if isinstance(value, (dict, list)) else value
        try:
            holds = rule.expression.evaluate(variables, self._budget)
        except CelError as error:
            detail = f"{error} evaluating rule: {rule.text}"
            self._errors.append(FieldError("FieldValueInvalid", path or "<nil>", detail, shown))
            return
        if holds is True:
            return
        where = path + field_path_of(rule.source.get("fieldPath") or "")
        reason = _REASONS.get(rule.source.get("reason") or "", "FieldValueInvalid")
        detail = self._message(rule, variables)
        self._errors.append(FieldError(reason, where.lstrip(".") or "<nil>", detail, shown))

    def _message(self, rule: Rule, variables: dict[str, Any]) -> str:
        if rule.message_expression is not None:
            try:
                text = rule.message_expression.evaluate(variables, self._budget)
            except CelError:
                text = None
            if isinstance(text, str) and text.strip() and "\n" not in text and len(text) <= _MESSAGE_MAX:
                return text.strip()
        message = rule.source.get("message")
        return message.strip() if message else f"failed rule: {rule.source['rule'].strip()}"


def _has_transitions(node: RuleNode) -> bool:
    inner = [*node.properties.values(), *(part for part in (node.additional, node.items) if part is not None)]
    return any(rule.is_transition for rule in node.rules) or any(_has_transitions(each) for each in inner)


def _items_before(schema: Schema, old: Any) -> dict[str, Any]:
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    return {item_key(item, schema): item for item in old}


def _optional(before: Any) -> Any:
    from cel import OptionalValue

    return OptionalValue.none() if before is NO_OLD else OptionalValue.of(before)


@lru_cache(maxsize=512)
def field_path_of(text: str) -> str:
    """``.spec['a.b']`` as errors have it: ``.spec[a.b]``. Raises `ValueError` for what isn't a path."""
    path, position = "", 0
    while position < len(text):
        part = _PATH_PART.match(text, position)
        if part is None:
            raise ValueError(f"invalid path: {text[position:]}")
        path += f".{part.group(1) or part.group(2)}"
        position = part.end()
    return path


__all__ = ["CelMissing", "RuleNode", "compile_rules", "evaluate_rules"]
