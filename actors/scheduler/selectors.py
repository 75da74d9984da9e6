"""Selectors, compiled once and matched often: labels of pods, labels and names of nodes, taints.

Matching follows ``k8s.io/apimachinery/pkg/labels`` and ``k8s.io/component-helpers/scheduling/corev1``: a missing label
selector selects nothing and an empty one everything; ``NotIn`` and ``DoesNotExist`` match where the key is missing; a
node selector's terms are alternatives, a term's requirements all have to hold, and an empty term matches no node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]
Requirement = tuple[str, str, tuple[str, ...]]
"""Key, operator, values."""

Taint = tuple[str, str, str]
"""Key, value, effect."""


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A label selector in compiled form."""

    equals: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """Selects nothing at all: the form of a selector that is not there."""

    def matches(self, labels: Labels) -> bool:
        """Whether these labels are selected."""
        if self.nothing:
            return False
        for key, value in self.equals:
            if labels.get(key) != value:
                return False
        return all(_holds(requirement, labels) for requirement in self.requirements)

    def narrowed(self, requirements: Sequence[Requirement]) -> LabelSelector:
        """The selector that also demands these requirements."""
        return LabelSelector(self.equals, (*self.requirements, *requirements), self.nothing)


NOTHING = LabelSelector(nothing=True)


def label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """Compile a ``LabelSelector`` of the API; None selects nothing."""
    if selector is None:
        return NOTHING
    equals = tuple((selector.get("matchLabels") or {}).items())
    return LabelSelector(equals, tuple(_requirement(e) for e in selector.get("matchExpressions") or ()))


@dataclass(frozen=True, slots=True)
class NodeSelectorTerm:
    """One alternative of a node selector."""

    expressions: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]

    def matches(self, labels: Labels, name: str) -> bool:
        """Whether a node with these labels and this name matches."""
        if not self.expressions and not self.fields:
            return False
        if not all(_holds(requirement, labels) for requirement in self.expressions):
            return False
        own = {"metadata.name": name}
        return all(_holds(requirement, own) for requirement in self.fields)

    def names(self) -> frozenset[str] | None:
        """The only node names this term can match, or None when it does not name any."""
        found: frozenset[str] | None = None
        for key, operator, values in self.fields:
            if key == "metadata.name" and operator == "In":
                found = frozenset(values) if found is None else found & frozenset(values)
        return found


def node_selector_term(term: Mapping[str, Any]) -> NodeSelectorTerm:
    """Compile a ``NodeSelectorTerm`` of the API."""
    return NodeSelectorTerm(
        tuple(_requirement(e) for e in term.get("matchExpressions") or ()),
        tuple(_requirement(e) for e in term.get("matchFields") or ()),
    )


def taints_of(node: Mapping[str, Any]) -> tuple[Taint, ...]:
    """A node's taints."""
    return tuple(
        (taint["key"], taint.get("value") or "", taint.get("effect") or "")
        for taint in node.get("spec", {}).get("taints") or ()
    )


@dataclass(frozen=True, slots=True)
class Tolerations:
    """A pod's tolerations."""

    rows: tuple[tuple[str, str, str, str], ...] = ()
    """Key, operator, value, effect."""

    def tolerate(self, taint: Taint) -> bool:
        """Whether any toleration covers the taint: no key is any key with Exists, no effect is every effect."""
        key, value, effect = taint
        for wanted_key, operator, wanted_value, wanted_effect in self.rows:
            if wanted_effect and wanted_effect != effect:
                continue
            if wanted_key and wanted_key != key:
                continue
            if _covers(operator, wanted_value, value):
                return True
        return False


def tolerations_of(pod: Mapping[str, Any]) -> Tolerations:
    """A pod's tolerations, compiled."""
    return Tolerations(
        tuple(
            (t.get("key") or "", t.get("operator") or "Equal", t.get("value") or "", t.get("effect") or "")
            for t in pod["spec"].get("tolerations") or ()
        )
    )


def _covers(operator: str, wanted: str, value: str) -> bool:
    if operator == "Exists":
        return True
    if operator == "Equal":
        return wanted == value
    limit, actual = _number(wanted), _number(value)
    if limit is None or actual is None:
        return False
    return actual > limit if operator == "Gt" else operator == "Lt" and actual < limit


def _requirement(expression: Mapping[str, Any]) -> Requirement:
    return (expression["key"], expression["operator"], tuple(expression.get("values") or ()))


def _holds(requirement: Requirement, labels: Labels) -> bool:
    key, operator, values = requirement
    value = labels.get(key)
    if operator == "In":
        return value is not None and value in values
    if operator == "NotIn":
        return value is None or value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    actual, limit = _number(value), _number(values[0]) if len(values) == 1 else None
    if actual is None or limit is None:
        return False
    return actual > limit if operator == "Gt" else operator == "Lt" and actual < limit


def _number(text: str | None) -> int | None:
    """A whole number as Go's ParseInt reads it."""
    if text is None or not text.isascii() or not text.removeprefix("-").removeprefix("+").isdigit():
        return None
    return int(text)
