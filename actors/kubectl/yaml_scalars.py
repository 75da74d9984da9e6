"""What a plain YAML scalar means to Kubernetes.

kubectl reads YAML with Go's parser, which differs from PyYAML's: ``22:22`` is text and not a number to the base of
sixty, ``1e3`` is a number, ``2020-01-01`` stays text (there are no dates in JSON), ``y`` and ``n`` are booleans.
"""

from __future__ import annotations

import re
from typing import Final

TRUE: Final = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
FALSE: Final = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_INTEGER: Final = re.compile(r"[-+]?(?:0x[0-9a-fA-F]+|0b[01]+|0o?[0-7]+|0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}.*)?")
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")

Scalar = str | int | float | bool | None


def meaning_of(plain: str) -> Scalar:
    """The JSON value of a plain scalar."""
    if plain in NULL:
        return None
    if plain in TRUE:
        return True
    if plain in FALSE:
        return False
    if not (plain[0].isdigit() or plain[0] in "+-."):
        return plain
    digits = plain.replace("_", "")
    if _INTEGER.fullmatch(digits):
        return _integer(digits)
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return plain


def _integer(text: str) -> int:
    sign = -1 if text[0] == "-" else 1
    digits = text.lstrip("+-").lower()
    if digits.startswith("0") and digits[1:].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def needs_quotes(text: str) -> bool:
    """Whether text, written plain, would be read as something other than text."""
    if not text or text in NULL or text in TRUE or text in FALSE:
        return True
    return bool(
        not isinstance(meaning_of(text), str)
        or _DATE.fullmatch(text)
        or _BASE_60.fullmatch(text)
        or _SPECIAL_FLOAT.fullmatch(text)
    )
