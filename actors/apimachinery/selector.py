"""Label selectors and field selectors.

    selector = LabelSelector.parse("app=web,tier in (a,b),!old")    # raises SelectorError
    selector = LabelSelector.from_object({"matchLabels": {...}, "matchExpressions": [...]})
    selector.matches(labels) -> bool
    str(selector)                                                   # canonical: equal selectors have equal texts

    selector = FieldSelector.parse("spec.nodeName=n1,status.phase!=Failed", resource)
    selector.matches(obj) -> bool
    selector.exact("spec.nodeName") -> "n1"                         # None when it isn't pinned to one value

Messages of `SelectorError` are those of ``k8s.io/apimachinery``'s labels and fields packages; the API server answers
them as 400 BadRequest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.selectable_fields import field_value, supported_fields
from actors.apimachinery.selector_syntax import Requirement, SelectorError, new_requirement, parse_requirements
from actors.apimachinery.status import format_value

__all__ = ["FieldRequirement", "FieldSelector", "LabelSelector", "Requirement", "SelectorError"]

_FROM_OBJECT: Final = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


class LabelSelector:
    """All of its requirements must hold. Without any it matches everything."""

    __slots__ = ("_equal", "_other", "_text", "matches_nothing", "requirements")

    def __init__(self, requirements: Sequence[Requirement] = (), *, matches_nothing: bool = False) -> None:
        unique = {str(requirement): requirement for requirement in requirements}
        self.requirements = tuple(unique[text] for text in sorted(unique, key=lambda text: (unique[text].key, text)))
        self.matches_nothing = matches_nothing
        # Most requirements are of the form key=value: those are one lookup and one comparison each.
        self._equal = tuple((r.key, r.values[0]) for r in self.requirements if _is_equality(r))
        self._other = tuple(r for r in self.requirements if not _is_equality(r))
        self._text = ",".join(map(str, self.requirements))

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """From kubectl's and the API's text form. Raises `SelectorError`."""
        return cls(parse_requirements(text))

    @classmethod
    def from_object(cls, selector: Mapping[str, Any] | None) -> LabelSelector:
        """From ``{matchLabels, matchExpressions}``; None matches nothing, an empty one everything.

        Raises `SelectorError`.
        """
        if selector is None:
            return cls(matches_nothing=True)
        requirements = [
            new_requirement(key, "in", [value]) for key, value in (selector.get("matchLabels") or {}).items()
        ]
        for expression in selector.get("matchExpressions") or ():
            operator = _FROM_OBJECT.get(expression.get("operator", ""))
            if operator is None:
                shown = format_value(expression.get("operator", ""))
                raise SelectorError(f"{shown} is not a valid label selector operator")
            requirements.append(new_requirement(expression.get("key", ""), operator, expression.get("values") or ()))
        return cls(requirements)

    @classmethod
    def from_map(cls, labels: Mapping[str, str] | None) -> LabelSelector:
        """From a plain map, as Services and ReplicationControllers have: every label must be equal."""
        return cls([Requirement(key, "in", (value,)) for key, value in (labels or {}).items()])

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether labels fulfil every requirement."""
        if self.matches_nothing:
            return False
        if labels is None:
            labels = {}
        for key, value in self._equal:
            if labels.get(key) != value:
                return False
        return all(requirement.matches(labels) for requirement in self._other)

    @property
    def is_empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements and not self.matches_nothing

    def exact(self, key: str) -> str | None:
        """The one value a label must have, if the selector pins it to one."""
        return next((value for name, value in self._equal if name == key), None)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"LabelSelector({self._text!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelSelector):
            return NotImplemented
        return self._text == other._text and self.matches_nothing == other.matches_nothing

    def __hash__(self) -> int:
        return hash((self._text, self.matches_nothing))


def _is_equality(requirement: Requirement) -> bool:
    return requirement.operator == "in" and len(requirement.values) == 1


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on one field of the object."""

    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


class FieldSelector:
    """All of its requirements must hold. Without any it matches everything."""

    __slots__ = ("_text", "requirements")

    def __init__(self, requirements: Sequence[FieldRequirement] = ()) -> None:
        unique = {str(requirement): requirement for requirement in requirements}
        self.requirements = tuple(unique[text] for text in sorted(unique))
        self._text = ",".join(map(str, self.requirements))

    @classmethod
    def parse(cls, text: str, resource: str, custom_fields: Sequence[str] = ()) -> FieldSelector:
        """From the API's text form, for a resource named as in ``v1/pods``; a custom one may have fields of its own.

        Raises `SelectorError` for a text that can't be understood and for a field that the kind doesn't offer.
        """
        requirements: list[FieldRequirement] = []
        for term in _split_unescaped(text):
            if not term:
                continue
            requirements.append(_field_requirement(text, term))
        supported = supported_fields(resource)
        for requirement in requirements:
            if requirement.field not in supported and requirement.field not in custom_fields:
                raise SelectorError(_unsupported(requirement.field, len(supported) + len(custom_fields)))
        return cls(requirements)

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Whether the object's fields fulfil every requirement. A missing field counts as empty."""
        return all((field_value(obj, r.field) == r.value) is r.equal for r in self.requirements)

    @property
    def is_empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements

    def exact(self, field: str) -> str | None:
        """The one value a field must have, if the selector pins it to one."""
        return next((r.value for r in self.requirements if r.equal and r.field == field), None)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"FieldSelector({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, FieldSelector) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


def _unsupported(field: str, supported: int) -> str:
    """Kinds with fields of their own and kinds without word it differently."""
    if supported > 2:
        return f"field label not supported: {field}"
    return f'{format_value(field)} is not a known field selector: only "metadata.name", "metadata.namespace"'


def _split_unescaped(text: str) -> list[str]:
    """Split at commas that no backslash stands before."""
    terms = [""]
    escaped = False
    for character in text:
        if character == "," and not escaped:
            terms.append("")
        else:
            terms[-1] += character
        escaped = character == "\\" and not escaped
    return terms


def _field_requirement(text: str, term: str) -> FieldRequirement:
    for position in range(len(term)):
        for symbol in ("!=", "==", "="):
            if term.startswith(symbol, position):
                value = _unescape(term[position + len(symbol) :])
                return FieldRequirement(term[:position], symbol != "!=", value)
    raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")


def _unescape(value: str) -> str:
    r"""Undo ``\\``, ``\,`` and ``\=``; anything else after a backslash, and a bare ``=``, is refused."""
    plain = ""
    escaped = False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{character}")
            plain += character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {character}")
        else:
            plain += character
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return plain
