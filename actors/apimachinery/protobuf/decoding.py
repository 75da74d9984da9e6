"""Messages into objects, by the table of field numbers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

from actors.apimachinery.meta import format_micro_time, format_time
from actors.apimachinery.protobuf.field_numbers import FIELDS, KINDS
from actors.apimachinery.protobuf.wire import MalformedProtobuf, fields, signed

MAGIC: Final = b"k8s\0"
DEPTH_MAX: Final = 50

Object = dict[str, Any]


class UnknownMessage(ValueError):
    """A kind or a field that the table does not have."""


@dataclass(frozen=True, slots=True)
class Field:
    """What a field's number means."""

    name: str
    type: str


@cache
def messages() -> Mapping[str, Mapping[int, Field]]:
    """The table, read."""
    found: dict[str, dict[int, Field]] = {}
    for line in FIELDS.strip().splitlines():
        name, *words = line.split()
        found[name] = {}
        for word in words:
            number, field_name, *kind = word.split(":")
            found[name][int(number)] = Field(field_name, kind[0] if kind else "s")
    return found


@cache
def kinds() -> frozenset[tuple[str, str]]:
    """The (apiVersion, kind) that can be read."""
    return frozenset((line.split()[0], kind) for line in KINDS.strip().splitlines() for kind in line.split()[1:])


def decode(content: bytes) -> Object:
    """The object in a body. Raises `MalformedProtobuf` and `UnknownMessage`."""
    if not content.startswith(MAGIC):
        raise MalformedProtobuf("it does not begin with Kubernetes' mark")
    api_version = kind = raw = encoding = b""
    for number, value in fields(content[len(MAGIC) :]):
        if not isinstance(value, bytes):
            raise MalformedProtobuf("its envelope is not one of Kubernetes")
        if number == 1:
            for type_number, text in fields(value):
                if type_number == 1 and isinstance(text, bytes):
                    api_version = text
                elif type_number == 2 and isinstance(text, bytes):
                    kind = text
        elif number == 2:
            raw = value
        elif number == 3:
            encoding = value
    version_text, kind_text = _text(api_version), _text(kind)
    if encoding:
        raise UnknownMessage(f"protobuf bodies with content encoding {_text(encoding)} are not accepted")
    # Options of deletes come under the group of what is deleted.
    known = kind_text == "DeleteOptions" or (version_text, kind_text) in kinds()
    if not known:
        raise UnknownMessage(f"protobuf bodies of kind {kind_text} in {version_text} are not accepted: send JSON")
    obj = _message(kind_text, raw, 0)
    if "metadata" in field_names(kind_text):
        obj.setdefault("metadata", {})
    return {"apiVersion": version_text, "kind": kind_text, **obj}


def field_names(name: str) -> frozenset[str]:
    """The fields of a message."""
    return frozenset(field.name for field in messages()[name].values())


def _message(name: str, content: bytes, depth: int) -> Object:
    if depth > DEPTH_MAX:
        raise MalformedProtobuf("it is nested too deep")
    known = messages()[name]
    result: Object = {}
    for number, value in fields(content):
        field = known.get(number)
        if field is None:
            if name.endswith("Status") or value == b"":
                continue  # an empty message says nothing; a status isn't the client's to write
            raise UnknownMessage(f"field {number} of protobuf message {name} is not accepted: send JSON")
        kind = field.type
        if kind[0] == ">":
            result.update(_message(kind[1:], _bytes(value), depth + 1))
        elif kind[0] == "[":
            _append(result.setdefault(field.name, []), kind[1:-1], value, depth)
        elif kind[0] == "{":
            key, item = _map_entry(kind[1:-1], _bytes(value), depth)
            result.setdefault(field.name, {})[key] = item
        else:
            read = _value(kind, value, depth)
            if not _says_nothing(kind, field.name, read):
                result[field.name] = read
    return result


def _says_nothing(kind: str, name: str, value: Any) -> bool:
    """Go writes empty strings of fields that aren't optional: they mean the field is not set."""
    return value is None or (kind == "s" and value == "" and name not in ("value", "apiGroup"))


def _append(items: list[Any], kind: str, value: int | bytes, depth: int) -> None:
    items.append(_value(kind, value, depth))


def _map_entry(kind: str, content: bytes, depth: int) -> tuple[str, Any]:
    key, item = "", _value(kind, b"", depth)
    for number, value in fields(content):
        if number == 1:
            key = _text(_bytes(value))
        elif number == 2:
            item = _value(kind, value, depth)
    return key, item


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise MalformedProtobuf("a number stands where something else belongs")
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalformedProtobuf("a text is not UTF-8") from None


def _value(kind: str, value: int | bytes, depth: int) -> Any:
    if kind in ("i", "b"):
        if isinstance(value, bytes):
            raise MalformedProtobuf("something else stands where a number belongs")
        return bool(value) if kind == "b" else signed(value)
    content = _bytes(value)
    reader = _SCALARS.get(kind)
    if reader is not None:
        return reader(content)
    return _message(kind, content, depth + 1)


def _int_or_string(content: bytes) -> int | str:
    found = dict(fields(content))
    if found.get(1):
        return _text(_bytes(found.get(3, b"")))
    number = found.get(2, 0)
    return signed(number) if isinstance(number, int) else 0


def _quantity(content: bytes) -> str:
    return _text(_bytes(dict(fields(content)).get(1, b""))) or "0"


def _seconds(content: bytes) -> tuple[int, int] | None:
    found = dict(fields(content))
    seconds, nanos = found.get(1, 0), found.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        raise MalformedProtobuf("a time is not made of numbers")
    # Go's zero time, and a message without anything in it, are no time.
    return None if not found or signed(seconds) < -62_000_000_000 else (signed(seconds), signed(nanos))


def _time(content: bytes, written: Callable[[float], str]) -> str | None:
    found = _seconds(content)
    if found is None:
        return None
    try:
        return written(found[0] + found[1] / 1e9)
    except (ValueError, OverflowError, OSError):
        raise MalformedProtobuf("a time is out of range") from None


def _fields_v1(content: bytes) -> Any:
    try:
        return orjson.loads(_bytes(dict(fields(content)).get(1, b"{}")))
    except orjson.JSONDecodeError:
        raise MalformedProtobuf("managed fields are not JSON") from None


_SCALARS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "s": _text,
    "y": lambda content: base64.b64encode(content).decode(),
    "I": _int_or_string,
    "q": _quantity,
    "t": lambda content: _time(content, format_time),
    "u": lambda content: _time(content, format_micro_time),
    "FieldsV1": _fields_v1,
}
