"""JSON as Go's encoder writes it."""

from __future__ import annotations

import json
from typing import Any, Final

#: Go's JSON encoder writes these so that JSON can stand inside HTML.
_ESCAPES: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def to_json(value: Any, *, indent: int | None = 4, sort_keys: bool = True) -> str:
    """JSON with kubectl's indentation and Go's escapes; on one line, without blanks, when `indent` is None."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False, separators=separators)
    for character, escape in _ESCAPES.items():
        if character in text:
            text = text.replace(character, escape)
    return text
