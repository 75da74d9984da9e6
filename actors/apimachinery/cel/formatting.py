"""``"%s is %d".format([name, count])`` (the string extension of CEL)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

_CLAUSE: Final = re.compile(r"%(?:%|(?:\.(\d{1,3}))?([a-zA-Z]))")


def _plain(value: Any) -> str:
    """A value as ``%s`` shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_plain(key)}: {_plain(value[key])}" for key in sorted(value, key=str)) + "}"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("decimal clause can only be used on integers")  # noqa: TRY004 - an error of the expression
    return value


def _hex(value: Any) -> str:
    if isinstance(value, str):
        return value.encode().hex()
    return value.hex() if isinstance(value, bytes) else f"{_integer(value):x}"


_CLAUSES: Final[Mapping[str, Callable[[Any, int], str]]] = {
    "s": lambda value, _: _plain(value),
    "d": lambda value, _: str(_integer(value)),
    "f": lambda value, digits: f"{float(value):.{digits}f}",
    "e": lambda value, digits: f"{float(value):.{digits}e}",
    "b": lambda value, _: f"{int(value):b}",
    "o": lambda value, _: f"{_integer(value):o}",
    "x": lambda value, _: _hex(value),
    "X": lambda value, _: _hex(value).upper(),
}


def format_text(template: str, values: list[Any]) -> str:
    """The template with its clauses filled in. Raises `ValueError`."""
    left = iter(values)

    def clause(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%"
        make = _CLAUSES.get(found.group(2))
        if make is None:
            raise ValueError(f"unrecognized formatting clause: {found.group(2)}")
        try:
            value = next(left)
        except StopIteration:
            raise ValueError("index out of range: too few arguments") from None
        return make(value, int(found.group(1) or 6))

    return _CLAUSE.sub(clause, template)
