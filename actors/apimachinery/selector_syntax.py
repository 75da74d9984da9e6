"""The text form of label selectors: its requirements and its grammar (``labels.Parse`` and ``NewRequirement``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from actors.apimachinery.label_syntax import check_label_value, check_qualified_name
from actors.apimachinery.status import format_value

_SYMBOLS: Final = frozenset("=!(),><")
_SPACES: Final = frozenset(" \t\r\n")
_OPERATORS: Final = frozenset({"=", "==", "!=", ">", "<", "in", "notin"})
_OPERATOR_LIST: Final = "in, notin, =, ==, !=, gt, lt"
_END: Final = ""


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


def new_requirement(key: str, operator: str, values: Sequence[str]) -> Requirement:
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
            return new_requirement(key, "!", ())
        if self._look() in (_END, ","):
            return new_requirement(key, "exists", ())
        if problems := check_qualified_name(key):
            raise SelectorError(f"key: Invalid value: {format_value(key)}: {'; '.join(problems)}")
        operator = self._take()
        if operator not in _OPERATORS:
            raise SelectorError(f"found '{operator}', expected: {_OPERATOR_LIST}")
        if operator in ("in", "notin"):
            return new_requirement(key, operator, self._values())
        value = self._exact_value()
        return new_requirement(key, {"=": "in", "==": "in", "!=": "notin"}.get(operator, operator), [value])

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


def parse_requirements(text: str) -> list[Requirement]:
    """The requirements of a selector's text. Raises `SelectorError`."""
    return _Parser(text).parse()
