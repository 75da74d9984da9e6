"""Regular expressions of schemas and rules: in time linear in the text, as RE2's, so that none can hang the server.

They are run by the Rust engine that pydantic's core carries; its syntax is RE2's in all that schemas use (no
look-around, no back-references).
"""

from __future__ import annotations

import re
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator
from pydantic_core import core_schema as cs


class PatternError(ValueError):
    """The pattern is not one; the message says why."""


def pattern_cost(pattern: str) -> int:
    """About how large it becomes, in characters to be told apart one after the other; it is compiled in that time.

    Counted repetitions multiply: ``(a{100}){100}`` is ten thousand. Classes of Unicode have hundreds of ranges.
    """
    total, factor, position = 0, 1, 0
    opened: list[int] = []
    while position < len(pattern):
        found = _PIECE.match(pattern, position)
        assert found is not None
        position = found.end()
        text = found[0]
        if text == "(":
            opened.append(total)
            total, factor = 0, 1
        elif text == ")" and opened:
            factor, total = total, opened.pop() + total
        elif found["most"] is not None or found["least"] is not None:
            times = min(int((found["most"] or found["least"])[:9]), COST_MAX)
            total += factor * (max(times, 1) - 1)
            factor *= max(times, 1)
        else:
            factor = len(text) * _CLASS_COST if _CLASS.search(text) else len(text)
            total += factor
        total, factor = min(total, COST_MAX), min(factor, COST_MAX)
    return min(total + sum(opened), COST_MAX)


#: The patterns of one definition may cost so much together: a second or so.
COST_MAX = 500_000
_CLASS_COST = 100
_CLASS = re.compile(r"\\[wWdDsSpPbB]")
_PIECE = re.compile(
    r"\{(?P<least>\d+)(?:,(?P<most>\d*))?\}|[()]|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]"
    r"|\\[pP](?:\{[^}]*\}|.)|\\.|.",
    re.DOTALL,
)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> SchemaValidator:
    try:
        return SchemaValidator(cs.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))
    except SchemaError as error:
        raise PatternError(str(error).splitlines()[-1].strip()) from None


def check_pattern(pattern: str) -> None:
    """Raises `PatternError` unless it is a pattern."""
    _compiled(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text. Raises `PatternError`."""
    return _compiled(pattern).isinstance_python(text)
