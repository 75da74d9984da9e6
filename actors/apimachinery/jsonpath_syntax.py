"""The syntax of kubectl's JSONPath templates: text around ``{...}`` blocks, with paths, quotes, ranges and filters.

{range .items[*]}{.metadata.name}{"\\t"}{.status.podIP}{"\\n"}{end}
{.items[?(@.metadata.name=="web")].spec.containers[-1:].image}
{.metadata.annotations.kubernetes\\.io/change-cause}   {['a','b']}   {..image}
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

_NAME_ENDS: Final = " \t\r\n.[]{}()|,=!<>'\"+"
_OPERATORS: Final = ("==", "!=", "<=", ">=", "<", ">")


class JSONPathError(Exception):
    """The template is not one; the message says where."""


@dataclass(frozen=True, slots=True)
class Text:
    """Written as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """``.name``; of everything when the name is ``*``."""

    name: str


@dataclass(frozen=True, slots=True)
class Descent:
    """``..``: the values and all that is within them."""


@dataclass(frozen=True, slots=True)
class Slice:
    """``[start:end:step]``; a single index is a slice with `single`."""

    start: int | None = None
    end: int | None = None
    step: int = 1
    single: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """``[0,2]`` or ``['a','b']``: what each part gives, in order."""

    parts: tuple[Field | Slice, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a boolean or quoted text in a filter."""

    value: object


@dataclass(frozen=True, slots=True)
class Filter:
    """``[?(left operator right)]``; only `left` when it asks whether something is there."""

    left: Path | Literal
    operator: str = ""
    right: Path | Literal | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from the current value, or from the root (``$``)."""

    steps: tuple[Step, ...]
    from_root: bool = False


Step = Field | Descent | Slice | Union | Filter


@dataclass(frozen=True, slots=True)
class Range:
    """``{range PATH}...{end}``: its content, once for each value."""

    over: Path
    content: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Paths of one block, their results joined by blanks."""

    paths: tuple[Path, ...]


Node = Text | Group | Range


def parse(template: str) -> tuple[Node, ...]:
    """Read a template. Raises `JSONPathError`."""
    return _Parser(template).template()


def parse_path(expression: str) -> Path:
    """Read one path, as ``--sort-by`` and custom columns have it: ``.metadata.name``, with or without ``{}``, ``.``."""
    text = expression.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    if not text:
        raise JSONPathError(f"unexpected path string, expected a 'name1.name2' or '.name1.name2': {expression}")
    if text[0] not in ".[$@":
        text = "." + text
    parser = _Parser(text)
    path = parser.path()
    if parser.position != len(text):
        raise JSONPathError(f"unexpected path string, expected a 'name1.name2' or '.name1.name2': {expression}")
    return path


@dataclass(slots=True)
class _Parser:
    text: str
    position: int = 0
    open_ranges: list[tuple[Path, list[Node]]] = field(default_factory=list)

    def template(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        current = nodes
        while self.position < len(self.text):
            brace = self.text.find("{", self.position)
            literal = self.text[self.position : len(self.text) if brace < 0 else brace]
            if literal:
                current.append(Text(literal))
            if brace < 0:
                break
            self.position = brace + 1
            current = self._block(nodes, current)
        if self.open_ranges:
            raise JSONPathError("unexpected end of template: {range} without {end}")
        return tuple(nodes)

    def _block(self, nodes: list[Node], current: list[Node]) -> list[Node]:
        paths: list[Path] = []
        while True:
            self._skip_blanks()
            character = self._peek()
            if character == "":
                raise JSONPathError("unclosed action")
            if character == "}":
                self.position += 1
                break
            if character in "'\"":
                self._flush(paths, current)
                current.append(Text(self._quoted()))
            elif self._take_word("range"):
                self._skip_blanks()
                self.open_ranges.append((self.path(), current))
                current = []
            elif self._take_word("end"):
                self._flush(paths, current)
                current = self._close_range(current)
            else:
                paths.append(self.path())
        self._flush(paths, current)
        return current

    def _close_range(self, content: list[Node]) -> list[Node]:
        if not self.open_ranges:
            raise JSONPathError("not in range, nothing to end")
        over, outer = self.open_ranges.pop()
        outer.append(Range(over, tuple(content)))
        return outer

    @staticmethod
    def _flush(paths: list[Path], current: list[Node]) -> None:
        if paths:
            current.append(Group(tuple(paths)))
            paths.clear()

    def path(self) -> Path:
        """Steps until something that is none."""
        start = self.position
        from_root = False
        if self._peek() in ("$", "@") and self._peek():
            from_root = self._peek() == "$"
            self.position += 1
        steps: list[Step] = []
        while True:
            character = self._peek()
            if self.text.startswith("..", self.position):
                self.position += 2
                steps.append(Descent())
                if self._peek() not in ("[", "", "}", " "):
                    steps.append(self._name())
            elif character == ".":
                self.position += 1
                if self._peek() not in ("", "}", "[", " ", ")"):
                    steps.append(self._name())
            elif character == "[":
                steps.append(self._subscript())
            elif self.position == start and character and character not in _NAME_ENDS:
                steps.append(self._name())
            else:
                break
        if self.position == start:
            raise JSONPathError(f"unrecognized character in action: {character!r}")
        return Path(tuple(steps), from_root)

    def _name(self) -> Field:
        letters: list[str] = []
        while (character := self._peek()) and character not in _NAME_ENDS:
            if character == "\\" and self.position + 1 < len(self.text):
                self.position += 1
                character = self._peek()
            letters.append(character)
            self.position += 1
        if not letters:
            raise JSONPathError(f"unrecognized character in action: {self._peek()!r}")
        return Field("".join(letters))

    def _subscript(self) -> Step:
        self.position += 1
        self._skip_blanks()
        if self._peek() == "?":
            return self._filter()
        parts: list[Field | Slice] = []
        while True:
            self._skip_blanks()
            parts.append(Field(self._quoted()) if self._peek() in ("'", '"') and self._peek() else self._index())
            self._skip_blanks()
            if self._peek() == ",":
                self.position += 1
                continue
            self._expect("]", "unterminated array")
            return parts[0] if len(parts) == 1 else Union(tuple(parts))

    def _index(self) -> Field | Slice:
        end = self.position
        while end < len(self.text) and self.text[end] not in ",]":
            end += 1
        text = self.text[self.position : end].strip()
        self.position = end
        if text == "*":
            return Field("*")
        try:
            numbers = [int(part) if part.strip() else None for part in text.split(":")]
        except ValueError:
            raise JSONPathError(f"invalid array index {text}") from None
        if not text or len(numbers) > 3:
            raise JSONPathError(f"invalid array index {text}")
        if len(numbers) == 1:
            return Slice(start=numbers[0], single=True)
        step = numbers[2] if len(numbers) == 3 and numbers[2] is not None else 1
        if step <= 0:
            raise JSONPathError("step must be > 0")
        return Slice(numbers[0], numbers[1], step)

    def _filter(self) -> Filter:
        self.position += 1
        self._expect("(", "invalid filter: expected (")
        self._skip_blanks()
        left = self._operand()
        self._skip_blanks()
        operator = next((o for o in _OPERATORS if self.text.startswith(o, self.position)), "")
        right: Path | Literal | None = None
        if operator:
            self.position += len(operator)
            self._skip_blanks()
            right = self._operand()
            self._skip_blanks()
        self._expect(")", "unterminated filter")
        self._expect("]", "unterminated filter")
        return Filter(left, operator, right)

    def _operand(self) -> Path | Literal:
        character = self._peek()
        if character in ("'", '"') and character:
            return Literal(self._quoted())
        if character in ("@", "$", ".") and character:
            return self.path()
        end = self.position
        while end < len(self.text) and self.text[end] not in " )=!<>":
            end += 1
        word = self.text[self.position : end]
        self.position = end
        try:
            return Literal(json.loads(word))
        except json.JSONDecodeError:
            raise JSONPathError(f"unrecognized identifier {word}") from None

    def _quoted(self) -> str:
        quote = self._peek()
        letters: list[str] = []
        self.position += 1
        while (character := self._peek()) != quote:
            if character == "":
                raise JSONPathError("unterminated quoted string")
            if character == "\\" and self.position + 1 < len(self.text):
                self.position += 1
                escape = self._peek()
                character = {"n": "\n", "t": "\t", "r": "\r"}.get(escape, escape)
            letters.append(character)
            self.position += 1
        self.position += 1
        return "".join(letters)

    def _peek(self) -> str:
        return self.text[self.position] if self.position < len(self.text) else ""

    def _skip_blanks(self) -> None:
        while self._peek().isspace():
            self.position += 1

    def _expect(self, character: str, complaint: str) -> None:
        if self._peek() != character:
            raise JSONPathError(complaint)
        self.position += 1

    def _take_word(self, word: str) -> bool:
        end = self.position + len(word)
        if self.text.startswith(word, self.position) and (end >= len(self.text) or self.text[end] in " }\t\n.[$@"):
            self.position = end
            return True
        return False
