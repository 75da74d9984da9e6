"""The words of an expression: names, numbers, texts and signs."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>0x[0-9a-fA-F]+u?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?[uU]?|\.\d+)
    |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<sign>&&|\|\||[=!<>]=|\.\?|\[\?|.)""",
    re.VERBOSE | re.DOTALL,
)
_RAW_TEXT: Final = re.compile(r"""[bB]?[rR][bB]?(\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')""", re.DOTALL)


class Token(NamedTuple):
    """A word and what it is: ``text``, ``number``, ``name`` or ``sign``."""

    kind: str
    text: str


def tokens_of(expression: str) -> list[Token]:
    """The words, without blanks and comments. Never fails: what makes no sense is for the parser to refuse."""
    found: list[Token] = []
    position = 0
    while position < len(expression):
        raw = _RAW_TEXT.match(expression, position)
        if raw is not None:
            found.append(Token("text", raw.group()))
            position = raw.end()
            continue
        matched = _TOKEN.match(expression, position)
        if matched is None:
            break
        kind = matched.lastgroup or "sign"
        if kind != "space":
            found.append(Token(kind, matched.group()))
        position = matched.end()
    return found
