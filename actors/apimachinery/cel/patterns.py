"""Finding by regular expression, in linear time: RE2 itself (which the extra ``cel`` brings)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def find_all(pattern: str, text: str, limit: int = -1) -> list[str]:
    """What the pattern finds in the text, `limit` times at most unless it is negative. Raises `ValueError`."""
    try:
        compiled = _compiled(pattern)
    except Exception as error:  # re2.error, which nobody can name before re2 is imported
        raise ValueError(f"error parsing regexp: {error}") from None
    found: list[str] = []
    for match in compiled.finditer(text):
        if 0 <= limit <= len(found):
            break
        found.append(match.group())
    return found
