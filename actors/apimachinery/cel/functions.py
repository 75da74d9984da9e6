"""The functions that Kubernetes adds to CEL (``k8s.io/apiserver/pkg/cel/library``), texts, lists and patterns.

A function is given its receiver first. What fails raises `ValueError`; the expression's result is then an error, unless
``||`` or ``&&`` decides without it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

from actors.apimachinery.cel.formatting import format_text
from actors.apimachinery.cel.named_formats import NAMED_FORMATS, validate_format
from actors.apimachinery.cel.network import NETWORK_FUNCTIONS
from actors.apimachinery.cel.optional_syntax import OPTIONAL_FUNCTIONS
from actors.apimachinery.cel.patterns import find_all
from actors.apimachinery.cel.quantities import QUANTITY_FUNCTIONS
from actors.apimachinery.cel.urls import URL_FUNCTIONS
from actors.apimachinery.custom_resources.pattern import matches

Function = Callable[..., Any]


def _size(value: Any) -> int:
    if isinstance(value, (str, list, dict, bytes, tuple)):
        return len(value)
    raise ValueError("no such overload: size")


def _is_sorted(values: list[Any]) -> bool:
    return all(not one > other for one, other in pairwise(values))


def _sum(values: list[Any]) -> Any:
    if values and isinstance(values[0], timedelta):
        return sum(values, timedelta())
    return sum(values)


def _extreme(choose: Callable[[list[Any]], Any], name: str) -> Function:
    def function(values: list[Any]) -> Any:
        if not values:
            raise ValueError(f"{name} called on empty list")
        return choose(values)

    return function


def _index_of(value: Any, wanted: Any, start: int = 0) -> int:
    if isinstance(value, str):
        return value.find(wanted, start)
    return next((index for index, item in enumerate(value) if item == wanted), -1)


def _last_index_of(value: Any, wanted: Any, end: int | None = None) -> int:
    if isinstance(value, str):
        return value.rfind(wanted, 0, None if end is None else end + len(wanted))
    return next((index for index in range(len(value) - 1, -1, -1) if value[index] == wanted), -1)


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise ValueError(f"index out of range: {index}")
    return text[index : index + 1]


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"index out of range: {start}, {end}")
    return text[start:end]


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        characters = list(text)
        return characters if limit < 0 or limit >= len(characters) else [*characters[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    if len(text) * max(len(new), 1) > _TEXT_MAX:
        raise ValueError("the result is too long")
    return text.replace(old, new, limit)


#: Characters that a text may have which a function makes.
_TEXT_MAX: Final = 1_000_000


def _ascii(change: Callable[[str], str]) -> Function:
    return lambda text: "".join(change(character) if character.isascii() else character for character in text)


def _find(text: str, pattern: str) -> str:
    return next(iter(find_all(pattern, text, 1)), "")


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    return find_all(pattern, text, limit)


def _contains_all(whole: list[Any], part: list[Any]) -> bool:
    return all(item in whole for item in part)


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _least(*values: Any) -> Any:
    return min(values[0] if len(values) == 1 and isinstance(values[0], list) else values)


def _greatest(*values: Any) -> Any:
    return max(values[0] if len(values) == 1 and isinstance(values[0], list) else values)


FUNCTIONS: Final[Mapping[str, Function]] = {
    "k8sSize": _size,
    "k8sMatches": lambda text, pattern: matches(pattern, text),
    "isSorted": _is_sorted,
    "sum": _sum,
    "min": _extreme(min, "min"),
    "max": _extreme(max, "max"),
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "charAt": _char_at,
    "substring": _substring,
    "split": _split,
    "join": lambda values, separator="": separator.join(values),
    "replace": _replace,
    "trim": lambda text: text.strip(),
    "lowerAscii": _ascii(str.lower),
    "upperAscii": _ascii(str.upper),
    "format": format_text,
    "find": _find,
    "findAll": _find_all,
    "sets.contains": _contains_all,
    "sets.equivalent": lambda one, other: _contains_all(one, other) and _contains_all(other, one),
    "sets.intersects": lambda one, other: any(item in other for item in one),
    "math.least": _least,
    "math.greatest": _greatest,
    "base64.encode": lambda value: base64.b64encode(value).decode(),
    "base64.decode": _decode,
    **{f"format.{name}": (lambda name=name: {"k8sFormat": name}) for name in NAMED_FORMATS},
    "format.named": lambda name: {"k8sFormat": name},
    "validate": validate_format,
    **OPTIONAL_FUNCTIONS,
    **NETWORK_FUNCTIONS,
    **QUANTITY_FUNCTIONS,
    **URL_FUNCTIONS,
}
"""By name; a function of a namespace has the namespace in its name."""
