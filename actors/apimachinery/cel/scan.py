"""What an expression refers to, and how its loops nest: found from its words and the schema, without evaluating it.

Kubernetes checks a rule's types against the schema; here the fields it names are checked, which is what goes wrong in
practice. What can't be followed (the result of a call) is left to the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from actors.apimachinery.cel.optional_syntax import without_optional_syntax
from actors.apimachinery.cel.tokens import Token, tokens_of
from actors.apimachinery.cel.values import escaped, is_open

Schema = Mapping[str, Any]

LOOPS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter"})
#: A collection whose schema sets no limit is taken to have so many items: what fits into a request, roughly.
UNBOUNDED: Final = 100_000
NESTING_MAX: Final = 50

_OPEN: Final = {"(": ")", "[": "]", "[?": "]", "{": "}"}
#: Functions of the library that differ from Kubernetes' are called by these names instead.
REPLACED: Final = {"size": "k8sSize", "matches": "k8sMatches"}


@dataclass(slots=True)
class Scan:
    """What was found."""

    names: set[str] = field(default_factory=set)
    """The variables it reads."""
    calls: set[str] = field(default_factory=set)
    undefined: list[str] = field(default_factory=list)
    """Fields it names that the schema doesn't have."""
    depth: int = 0
    """How deep its loops nest."""
    cost: int = 0
    """Steps it takes at most, by the limits in the schema."""


class TooNested(ValueError):
    """Brackets nest deeper than `NESTING_MAX`."""


def prepared(expression: str) -> str:
    """The expression as the library is given it: without syntax it doesn't know, and some calls renamed."""
    words = tokens_of(expression)
    renamed = [
        Token(word.kind, REPLACED[word.text])
        if word.kind == "name" and word.text in REPLACED and _is_call(words, index)
        else word
        for index, word in enumerate(words)
    ]
    return " ".join(without_optional_syntax(renamed))


def _is_call(words: Sequence[Token], index: int) -> bool:
    return index + 1 < len(words) and words[index + 1].text == "("


def scan(expression: str, variables: Mapping[str, Schema | None]) -> Scan:
    """Look into an expression whose variables have these schemas (None: anything). Raises `TooNested`."""
    scanner = _Scanner(tokens_of(expression))
    scanner.expression(dict(variables), len(scanner.words), 1, 0, 0)
    return scanner.found


def size_of(schema: Schema | None) -> int:
    """How many items a collection has at most."""
    if schema is None:
        return UNBOUNDED
    limit = schema.get("maxItems") if schema.get("type") == "array" else schema.get("maxProperties")
    return min(int(limit), UNBOUNDED) if limit is not None else UNBOUNDED


class _Scanner:
    def __init__(self, words: list[Token]) -> None:
        self.words = words
        self.position = 0
        self.found = Scan()

    def expression(self, scope: dict[str, Schema | None], end: int, times: int, depth: int, nesting: int) -> None:
        """Read up to a position; every word of it happens so many times."""
        if nesting > NESTING_MAX:
            raise TooNested(f"brackets nest deeper than {NESTING_MAX} levels")
        while self.position < end:
            word = self.words[self.position]
            self.found.cost = min(self.found.cost + times, 10**18)
            if word.kind == "name" and not _is_call(self.words, self.position) and not self._is_key():
                self._chain(scope, end, times, depth, nesting)
            elif word.text in _OPEN:
                self._bracket(scope, times, depth, nesting)
            else:
                if word.kind == "name":
                    self.found.calls.add(word.text)
                self.position += 1

    def _is_key(self) -> bool:
        """A name after a dot, whose beginning wasn't a name: the result of a call or a literal."""
        return self.position > 0 and self.words[self.position - 1].text in (".", ".?")

    def _bracket(self, scope: dict[str, Schema | None], times: int, depth: int, nesting: int) -> None:
        close = self._closing(self.position)
        self.position += 1
        self.expression(scope, close, times, depth, nesting + 1)
        self.position = close + 1

    def _closing(self, position: int) -> int:
        waiting = 0
        for index in range(position, len(self.words)):
            text = self.words[index].text
            if self.words[index].kind == "sign" and text in _OPEN:
                waiting += 1
            elif self.words[index].kind == "sign" and text in (")", "]", "}"):
                waiting -= 1
                if not waiting:
                    return index
        return len(self.words)

    def _chain(self, scope: dict[str, Schema | None], end: int, times: int, depth: int, nesting: int) -> None:
        """A variable and what follows it: ``.field``, ``[index]``, ``.all(x, ...)``."""
        name = self.words[self.position].text
        self.position += 1
        if name not in scope:
            if name not in ("true", "false", "null", "in"):
                self.found.names.add(name)
        else:
            self.found.names.add(name)
        schema, path = scope.get(name), name
        while self.position < end:
            text = self.words[self.position].text
            if text in ("[", "[?"):
                self._bracket(scope, times, depth, nesting)
                schema, path = _item(schema), path + "[]"
            elif text in (".", ".?") and self.position + 1 < end and self.words[self.position + 1].kind == "name":
                self.position += 1
                field_name = self.words[self.position].text
                if _is_call(self.words, self.position):
                    schema = self._call(field_name, schema, scope, times, depth, nesting)
                else:
                    schema = self._field(schema, path, field_name)
                    path = f"{path}.{field_name}"
                    self.position += 1
            else:
                return

    def _field(self, schema: Schema | None, path: str, name: str) -> Schema | None:
        if schema is None or is_open(schema):
            return None
        if isinstance(schema.get("additionalProperties"), dict):
            found: Schema = schema["additionalProperties"]
            return found
        if schema.get("type") not in ("object", None) and not schema.get("x-kubernetes-int-or-string"):
            self.found.undefined.append(f"type '{schema['type']}' does not support field selection")
            return None
        for known, inner in (schema.get("properties") or {}).items():
            if escaped(known) == name:
                field_schema: Schema = inner
                return field_schema
        self.found.undefined.append(f"undefined field '{name}'")
        return None

    def _call(
        self, name: str, schema: Schema | None, scope: dict[str, Schema | None], times: int, depth: int, nesting: int
    ) -> Schema | None:
        """A call on the chain's value. The schema of its result, where that is known."""
        self.found.calls.add(name)
        self.position += 1
        after = self.position + 1
        is_loop = name in LOOPS and after + 1 < len(self.words) and self.words[after + 1].text == ","
        if not is_loop or self.words[after].kind != "name":
            self._bracket(scope, times, depth, nesting)
            return None
        close = self._closing(self.position)
        variable = self.words[after].text
        inner = {**scope, variable: _item(schema) if schema is None or schema.get("type") == "array" else None}
        self.position = after + 2
        self.found.depth = max(self.found.depth, depth + 1)
        self.expression(inner, close, min(times * size_of(schema), 10**18), depth + 1, nesting + 1)
        self.found.names.discard(variable) if variable not in scope else None
        self.position = close + 1
        return schema if name == "filter" else None


def _item(schema: Schema | None) -> Schema | None:
    """The schema of what is in a list or a map."""
    if schema is None or is_open(schema):
        return None
    found = schema.get("items") if schema.get("type") == "array" else schema.get("additionalProperties")
    return found if isinstance(found, dict) else None
