"""Messages into objects, by the table of field numbers: what Go's JSON of the same object would say."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from actors.apimachinery.meta import format_micro_time, format_time
from actors.apimachinery.protobuf.messages import Field, messages
from actors.apimachinery.protobuf.wire import MalformedProtobuf, fields, read_varint, signed
from actors.apimachinery.schema import definition_name

MAGIC: Final = b"k8s\0"
DEPTH_MAX: Final = 100

Object = dict[str, Any]

_SCHEMA_OR: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOr"


class UnknownMessage(ValueError):
    """A kind or a field that the table does not have."""


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
    name = definition_name(version_text, kind_text)
    if name is None or name not in messages():
        raise UnknownMessage(f"protobuf bodies of kind {kind_text} in {version_text} are not accepted: send JSON")
    return {"apiVersion": version_text, "kind": kind_text, **_message(name, raw, 0)}


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
        if field.form == "embedded":
            result.update(_message(field.type, _bytes(value), depth + 1))
        elif field.form == "list":
            result.setdefault(field.name, []).extend(_items(field.type, value, depth))
        elif field.form == "map":
            key, item = _map_entry(field.type, _bytes(value), depth)
            result.setdefault(field.name, {})[key] = item
        else:
            _put(result, field, _value(field.type, value, depth))
    return result


def _put(result: Object, field: Field, value: Any) -> None:
    """Set a field, unless Go's JSON would leave it out."""
    if value is None:
        return
    if field.presence or value not in ("", 0, {}, []):
        result[field.name] = value
    else:
        result.pop(field.name, None)


def _items(kind: str, value: int | bytes, depth: int) -> list[Any]:
    """The items that one occurrence of a list's field stands for: one, or a packed row of numbers."""
    if kind in ("i", "b") and isinstance(value, bytes):
        found, at = [], 0
        while at < len(value):
            number, at = read_varint(value, at)
            found.append(_value(kind, number, depth))
        return found
    return [_value(kind, value, depth)]


def _map_entry(kind: str, content: bytes, depth: int) -> tuple[str, Any]:
    key, item = "", None
    for number, value in fields(content):
        if number == 1:
            key = _text(_bytes(value))
        elif number == 2:
            item = _value(kind, value, depth)
    return key, _value(kind, 0 if kind in ("i", "b") else b"", depth) if item is None else item


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
    reader = _VALUES.get(kind)
    if reader is not None:
        return reader(content)
    found = _message(kind, content, depth + 1)
    return _either(kind, found) if kind.startswith(_SCHEMA_OR) else found


def _either(kind: str, found: Object) -> Any:
    """A value that is a schema or something else: JSON has no field for which of them."""
    if kind.endswith("OrArray") and found.get("jSONSchemas"):
        return found["jSONSchemas"]
    if kind.endswith("OrStringArray") and found.get("property"):
        return found["property"]
    if kind.endswith("OrBool") and "schema" not in found:
        return found.get("allows", False)
    return found.get("schema", {})


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


def _duration(content: bytes) -> str:
    nanos = dict(fields(content)).get(1, 0)
    if not isinstance(nanos, int):
        raise MalformedProtobuf("a duration is not a number")
    return f"{signed(nanos) / 1e9:.9f}".rstrip("0").rstrip(".") + "s"


def _json(content: bytes) -> Any:
    raw = _bytes(dict(fields(content)).get(1, b""))
    if not raw:
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise MalformedProtobuf("what should be JSON is not") from None


def _strings(content: bytes) -> list[str]:
    return [_text(_bytes(value)) for number, value in fields(content) if number == 1]


def _double(content: bytes) -> float:
    if len(content) not in (4, 8):
        raise MalformedProtobuf("a number with a fraction has four or eight bytes")
    return float(struct.unpack("<d" if len(content) == 8 else "<f", content)[0])


_VALUES: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "s": _text,
    "y": lambda content: base64.b64encode(content).decode(),
    "I": _int_or_string,
    "q": _quantity,
    "t": lambda content: _time(content, format_time),
    "u": lambda content: _time(content, format_micro_time),
    "D": _duration,
    "j": _json,
    "L": _strings,
    "d": _double,
}
