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

from actors.apimachinery.label_syntax import check_label_value, check_qualified_name
from actors.apimachinery.selectable_fields import field_value, supported_fields
from actors.apimachinery.status import format_value

_SYMBOLS: Final = frozenset("=!(),><")
_SPACES: Final = frozenset(" \t\r\n")
_OPERATORS: Final = frozenset({"=", "==", "!=", ">", "<", "in", "notin"})
_OPERATOR_LIST: Final = "in, notin, =, ==, !=, gt, lt"
_END: Final = ""

_FROM_OBJECT: Final = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


class SelectorError(ValueError):
    """The selector can't be understood; the message is Kubernetes'."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label.

    Operators: ``in`` (``=`` is one with a single value), ``notin`` (likewise ``!=``), ``exists``, ``!``, ``>``, ``<``.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it. ``notin`` and ``!`` are fulfilled by a label that isn't there."""
        value = labels.get(self.key)
        operator = self.operator
        if operator == "in":
            return value is not None and value in self.values
        if operator == "notin":
            return value is None or value not in self.values
        if operator == "exists":
            return value is not None
        if operator == "!":
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None:
            return False
        try:
            actual, bound = int(value), int(self.values[0])
        except ValueError:
            return False
        return actual > bound if self.operator == ">" else actual < bound

    def __str__(self) -> str:
        if self.operator == "exists":
            return self.key
        if self.operator == "!":
            return f"!{self.key}"
        if self.operator in (">", "<"):
            return f"{self.key}{self.operator}{self.values[0]}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator == 'in' else '!='}{self.values[0]}"
        return f"{self.key} {self.operator} ({','.join(self.values)})"


def _requirement(key: str, operator: str, values: Sequence[str]) -> Requirement:
    """Check and build one requirement (labels.NewRequirement). Raises `SelectorError`."""
    faults: list[str] = []
    if problems := check_qualified_name(key):
        faults.append(f"key: Invalid value: {format_value(key)}: {'; '.join(problems)}")
    if operator in ("in", "notin") and not values:
        faults.append("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("exists", "!") and values:
        shown = format_value(list(values))
        faults.append(f"values: Invalid value: {shown}: values set must be empty for exists and does not exist")
    if operator in (">", "<") and not _is_integer(values[0]):
        why = "for 'Gt', 'Lt' operators, the value must be an integer"
        faults.append(f"values[0]: Invalid value: {format_value(values[0])}: {why}")
    for index, value in enumerate(values):
        if problems := check_label_value(value):
            faults.append(f"values[{index}][{key}]: Invalid value: {format_value(value)}: {'; '.join(problems)}")
    if faults:
        raise SelectorError(faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")
    return Requirement(key, operator, tuple(sorted(set(values))))


def _is_integer(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


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
        return cls(_Parser(text).parse())

    @classmethod
    def from_object(cls, selector: Mapping[str, Any] | None) -> LabelSelector:
        """From ``{matchLabels, matchExpressions}``; None matches nothing, an empty one everything.

        Raises `SelectorError`.
        """
        if selector is None:
            return cls(matches_nothing=True)
        requirements = [_requirement(key, "in", [value]) for key, value in (selector.get("matchLabels") or {}).items()]
        for expression in selector.get("matchExpressions") or ():
            operator = _FROM_OBJECT.get(expression.get("operator", ""))
            if operator is None:
                shown = format_value(expression.get("operator", ""))
                raise SelectorError(f"{shown} is not a valid label selector operator")
            requirements.append(_requirement(expression.get("key", ""), operator, expression.get("values") or ()))
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


def _tokens(text: str) -> list[str]:
    """Split into symbols and words, the end marked by an empty token."""
    tokens: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        start = position
        position += 1
        if character in _SPACES:
            continue
        if character in _SYMBOLS:
            if text[start : start + 2] in ("==", "!="):
                position += 1
        else:
            while position < len(text) and text[position] not in _SYMBOLS and text[position] not in _SPACES:
                position += 1
        tokens.append(text[start:position])
    tokens.append(_END)
    return tokens


class _Parser:
    """Recursive descent over the grammar of ``labels.Parse``."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def _look(self) -> str:
        return self._tokens[self._position]

    def _take(self) -> str:
        word = self._tokens[self._position]
        if word != _END:
            self._position += 1
        return word

    @staticmethod
    def _is_word(word: str) -> bool:
        return word != _END and word[0] not in _SYMBOLS

    def parse(self) -> list[Requirement]:
        requirements: list[Requirement] = []
        while self._look() != _END:
            word = self._look()
            if not self._is_word(word) and word != "!":
                raise SelectorError(f"found '{word}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            word = self._take()
            if word == _END:
                break
            if word != ",":
                raise SelectorError(f"found '{word}', expected: ',' or 'end of string'")
            if not self._is_word(self._look()) and self._look() != "!":
                raise SelectorError(f"found '{self._look()}', expected: identifier after ','")
        return requirements

    def _requirement(self) -> Requirement:
        key = self._take()
        absent = key == "!"
        if absent:
            key = self._take()
        if not self._is_word(key):
            raise SelectorError(f"found '{key}', expected: identifier")
        if absent:
            return _requirement(key, "!", ())
        if self._look() in (_END, ","):
            return _requirement(key, "exists", ())
        if problems := check_qualified_name(key):
            raise SelectorError(f"key: Invalid value: {format_value(key)}: {'; '.join(problems)}")
        operator = self._take()
        if operator not in _OPERATORS:
            raise SelectorError(f"found '{operator}', expected: {_OPERATOR_LIST}")
        if operator in ("in", "notin"):
            return _requirement(key, operator, self._values())
        value = self._exact_value()
        return _requirement(key, {"=": "in", "==": "in", "!=": "notin"}.get(operator, operator), [value])

    def _exact_value(self) -> str:
        if self._look() in (_END, ","):
            return ""
        word = self._take()
        if not self._is_word(word):
            raise SelectorError(f"found '{word}', expected: identifier")
        return word

    def _values(self) -> list[str]:
        word = self._take()
        if word != "(":
            raise SelectorError(f"found '{word}', expected: '('")
        if self._look() == ")":
            self._take()
            return []
        values: list[str] = []
        while True:  # bounded by the tokens: every round takes at least one
            values.append(self._take() if self._is_word(self._look()) else "")
            word = self._take()
            if word == ")":
                return values
            if word != ",":
                raise SelectorError(f"found '{word}', expected: ',' or ')'")


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
    def parse(cls, text: str, resource: str) -> FieldSelector:
        """From the API's text form, for a resource named as in ``v1/pods``.

        Raises `SelectorError` for a text that can't be understood and for a field that the kind doesn't offer.
        """
        requirements: list[FieldRequirement] = []
        for term in _split_unescaped(text):
            if not term:
                continue
            requirements.append(_field_requirement(text, term))
        supported = supported_fields(resource)
        for requirement in requirements:
            if requirement.field not in supported:
                raise SelectorError(_unsupported(resource, requirement.field))
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


def _unsupported(resource: str, field: str) -> str:
    """Kinds with fields of their own and kinds without word it differently."""
    if len(supported_fields(resource)) > 2:
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
