"""The table of field numbers, read: what each message's fields are called and hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from actors.apimachinery.protobuf.field_numbers import FIELDS

#: Types of a single value, with what Go makes of them when nothing is said.
_ZEROS: Final[Mapping[str, Any]] = {
    "s": "",
    "i": 0,
    "b": False,
    "d": 0.0,
    "y": "",
    "L": [],
    "q": "0",
    "I": 0,
    "D": "0s",
}


@dataclass(frozen=True, slots=True)
class Field:
    """What a field's number means."""

    name: str
    type: str
    """A letter of the table, or the full name of a message; of the items, where it is a list or a map."""
    form: str = ""
    """``list``, ``map``, ``embedded`` or empty."""
    presence: str = ""
    """``!``, ``?`` or empty, as in the table."""

    @property
    def is_message(self) -> bool:
        return "." in self.type

    @property
    def zero(self) -> Any:
        """What the field holds at the least; None when it can be nothing."""
        if self.form:
            return {} if self.form == "map" else []
        return {} if self.is_message else _ZEROS.get(self.type)


@cache
def messages() -> Mapping[str, Mapping[int, Field]]:
    """Every message's fields by their numbers, by the message's full name (``io.k8s.api.core.v1.Pod``)."""
    found: dict[str, dict[int, Field]] = {}
    package = ""
    for line in FIELDS.strip().splitlines():
        if line.startswith("@"):
            package = line[1:]
            continue
        name, *words = line.split()
        found[f"{package}.{name}"] = {int(word.partition(":")[0]): _field(word, package) for word in words}
    return found


def _field(word: str, package: str) -> Field:
    _, name, *kinds = word.split(":")
    kind = kinds[0] if kinds else "s"
    presence = name[-1] if name[-1] in "!?" else ""
    form = {"[": "list", "{": "map", ">": "embedded"}.get(kind[0], "")
    bare = kind.strip(">[]{}")
    if bare not in _LETTERS and "." not in bare:
        bare = f"{package}.{bare}"
    return Field(name.rstrip("!?"), bare, form, presence)


_LETTERS: Final = frozenset("sibdyLIqtuDj")


@cache
def always_there(message: str) -> Mapping[str, Any]:
    """The fields that Go's JSON of a message has in any case, with what they hold at the least."""
    found: dict[str, Any] = {}
    for field in messages().get(message, {}).values():
        if field.form == "embedded":
            found.update(always_there(field.type))
        elif field.presence == "!" and field.zero is not None:
            found[field.name] = field.zero
    return found
