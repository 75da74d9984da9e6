"""Optional selection, ``self.?name.orValue("x")`` and ``list[?0]``, which the library doesn't parse.

It is rewritten to calls: ``k8sField(self, "name").orValue("x")``. What follows in the same chain is optional, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.cel.tokens import Token

_CLOSING: Final = {"(": ")", "[": "]", "{": "}", "[?": "]"}


def without_optional_syntax(words: Sequence[Token]) -> list[str]:
    """The words of an expression, with optional selection as calls."""
    if not any(word.kind == "sign" and word.text in (".?", "[?") for word in words):
        return [word.text for word in words]
    return _Rewriting(words).group("")[0]


class _Rewriting:
    def __init__(self, words: Sequence[Token]) -> None:
        self._words = words
        self._position = 0

    def _text(self, ahead: int = 0) -> str:
        index = self._position + ahead
        return self._words[index].text if index < len(self._words) else ""

    def group(self, close: str) -> tuple[list[str], bool]:
        """Everything up to a closing bracket, which is left there."""
        out: list[str] = []
        chain: list[str] = []
        optional = False
        while self._position < len(self._words):
            text, kind = self._text(), self._words[self._position].kind
            if kind == "sign" and close and text == close:
                break
            if kind == "sign" and text in (".", ".?") and chain:
                optional = self._select(chain, optional or text == ".?")
            elif kind == "sign" and text in _CLOSING:
                optional = self._bracket(chain, text, optional)
            elif kind in ("name", "text", "number") and not (text == "in" and kind == "name"):
                if chain:  # two values side by side: the parser will say what it thinks of that
                    out += chain
                chain, optional = [text], False
                self._position += 1
            else:
                out += [*chain, text]
                chain, optional = [], False
                self._position += 1
        return out + chain, optional

    def _select(self, chain: list[str], optional: bool) -> bool:
        """``.name`` or ``.?name`` after a chain; a method's call ends what is optional."""
        name = self._text(1)
        self._position += 2
        if self._text() == "(" or not optional:
            chain += [".", name]
            return False
        chain[:] = ["k8sField", "(", *chain, ",", f'"{name}"', ")"]
        return True

    def _bracket(self, chain: list[str], text: str, optional: bool) -> bool:
        self._position += 1
        inner, _ = self.group(_CLOSING[text])
        close = self._text()
        self._position += 1
        if text == "[?" or (text == "[" and optional):
            chain[:] = ["k8sIndex", "(", *chain, ",", *inner, ")"]
            return True
        chain += [text, *inner, close]
        return False


def _present(value: Any) -> tuple[bool, Any]:
    """Whether there is a value, and which."""
    from cel import OptionalValue

    if isinstance(value, OptionalValue):
        return (True, value.value()) if value.has_value() else (False, None)
    return True, value


def _field(value: Any, name: str) -> Any:
    from cel import OptionalValue

    there, inner = _present(value)
    if there and isinstance(inner, dict) and name in inner:
        return OptionalValue.of(inner[name])
    return OptionalValue.none()


def _index(value: Any, at: Any) -> Any:
    from cel import OptionalValue

    there, inner = _present(value)
    if there and isinstance(inner, list) and isinstance(at, int) and 0 <= at < len(inner):
        return OptionalValue.of(inner[at])
    if there and isinstance(inner, dict) and at in inner:
        return OptionalValue.of(inner[at])
    return OptionalValue.none()


OPTIONAL_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {"k8sField": _field, "k8sIndex": _index}
