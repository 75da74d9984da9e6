"""Evaluates kubectl's JSONPath templates (syntax: `actors.apimachinery.jsonpath_syntax`)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from actors.apimachinery.go_json import to_json
from actors.apimachinery.jsonpath_syntax import (
    Descent,
    Field,
    Filter,
    Group,
    JSONPathError,
    Literal,
    Node,
    Path,
    Slice,
    Step,
    Text,
    Union,
    parse,
    parse_path,
)

__all__ = ["JSONPathError", "Template", "find", "parse_path", "text_of"]


class Template:
    """A template, read once and evaluated on any number of objects. Raises `JSONPathError` when it is malformed."""

    def __init__(self, template: str) -> None:
        self._nodes = parse(template)

    def render(self, value: Any) -> str:
        """The template's text for a value. What isn't there is left out. Raises `JSONPathError`."""
        return "".join(_render(self._nodes, value, value))

    def values(self, value: Any) -> list[Any]:
        """The values that the template's paths lead to, text around them left out. Raises `JSONPathError`."""
        groups = [node for node in self._nodes if isinstance(node, Group)]
        return [item for group in groups for path in group.paths for item in find(path, value, value)]


def _render(nodes: Sequence[Node], value: Any, root: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text):
            yield node.text
        elif isinstance(node, Group):
            found = [text_of(item) for path in node.paths for item in find(path, value, root)]
            yield " ".join(found)
        else:
            for item in find(node.over, value, root):
                yield from _render(node.content, item, root)


def text_of(value: Any) -> str:
    """A result as it is printed: text bare, maps and lists as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return to_json(value, indent=None)
    return str(value)


class Work:
    """How many values may be looked at yet, for paths that strangers write: a few dots can stand for millions."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, values: int) -> None:
        """Raises `JSONPathError` when it is used up."""
        self.left -= values
        if self.left < 0:
            raise JSONPathError("the path leads to too many values")


def find(path: Path, value: Any, root: Any = None, work: Work | None = None) -> list[Any]:
    """The values that a path leads to. Raises `JSONPathError` for what it can't be applied to, or has no `work` for."""
    start = root if path.from_root and root is not None else value
    found = [start]
    for step in path.steps:
        found = [item for current in found for item in _step(step, current, root, work)]
    return found


def _step(step: Step, value: Any, root: Any, work: Work | None) -> list[Any]:
    if work is not None:
        work.spend(_size(value) if isinstance(step, Descent) else 1 + _length(value) * isinstance(step, Filter))
    if isinstance(step, Field):
        return _field(step.name, value)
    if isinstance(step, Slice):
        return _slice(step, value)
    if isinstance(step, Descent):
        return list(_descend(value))
    if isinstance(step, Union):
        return [item for part in step.parts for item in _step(part, value, root, work)]
    return [item for item in _children(value) if _holds(step, item, root, work)]


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (dict, list)) else 0


def _size(value: Any) -> int:
    """How many values are in it, itself among them."""
    return 1 + sum(map(_size, _children(value)))


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, list) else []


def _field(name: str, value: Any) -> list[Any]:
    if name == "*":
        return _children(value)
    return [value[name]] if isinstance(value, dict) and name in value else []


def _slice(step: Slice, value: Any) -> list[Any]:
    if not isinstance(value, list):
        if value is None:
            return []
        raise JSONPathError(f"{text_of(value)} is not array or slice")
    if not step.single:
        return value[step.start : step.end : step.step]
    index = step.start or 0
    if -len(value) <= index < len(value):
        return [value[index]]
    raise JSONPathError(f"array index out of bounds: index {index}, length {len(value)}")


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def _holds(condition: Filter, item: Any, root: Any, work: Work | None) -> bool:
    left = _operand(condition.left, item, root, work)
    if not condition.operator or condition.right is None:
        return bool(left)
    right = _operand(condition.right, item, root, work)
    if not left or not right:
        return False
    if len(left) > 1 or len(right) > 1:
        raise JSONPathError("can only compare one element at a time")
    return _compare(condition.operator, left[0], right[0])


def _operand(operand: Path | Literal, item: Any, root: Any, work: Work | None) -> list[Any]:
    return [operand.value] if isinstance(operand, Literal) else find(operand, item, root, work)


def _compare(name: str, left: Any, right: Any) -> bool:
    if isinstance(left, str) is not isinstance(right, str):
        left, right = text_of(left), text_of(right)
    try:
        return _COMPARE[name](left, right)
    except TypeError as error:
        raise JSONPathError(f"incompatible types for comparison: {error}") from error
