"""Hostile bodies written down: JSON and YAML also of what these have not, and protobuf with some fields wrong."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from actors.apimachinery.protobuf.messages import Field, messages


class Twice:
    """Two values for one key."""

    def __init__(self, first: Any, second: Any) -> None:
        self.values = (first, second)


def as_json(value: Any) -> bytes:
    """JSON, also of what JSON has not: NaN, lone surrogates, keys that stand twice, any depth."""
    parts: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Raw):
            parts.append(item.text)
        elif isinstance(item, dict):
            pieces: list[Any] = [_Raw("{")]
            for key, inner in item.items():
                for each in inner.values if isinstance(inner, Twice) else (inner,):
                    pieces += [_Raw(("," if len(pieces) > 1 else "") + json.dumps(key) + ":"), each]
            waiting += reversed([*pieces, _Raw("}")])
        elif isinstance(item, list):
            pieces = [_Raw("[")]
            for index, inner in enumerate(item):
                pieces += [_Raw("," if index else ""), inner]
            waiting += reversed([*pieces, _Raw("]")])
        elif isinstance(item, Twice):
            waiting.append(item.values[1])
        else:
            parts.append(json.dumps(item))
    return "".join(parts).encode("utf-8", "surrogatepass")


class _Raw:
    def __init__(self, text: str) -> None:
        self.text = text


def as_yaml(value: Any, draw: random.Random) -> bytes:
    """YAML; now and then with what JSON has not: other keys than texts, binary, dates, sets."""
    try:
        text = yaml.dump(json.loads(as_json(value)), Dumper=yaml.CSafeDumper, allow_unicode=True)
    except (ValueError, RecursionError, UnicodeError):
        return as_json(value)
    if draw.random() < 0.2:
        text += draw.choice(
            (
                *(
                    "1: 2\n",
                    "true: x\n",
                    "null: x\n",
                    "? [a, b]\n: c\n",
                    "x: .nan\n",
                    "x: .inf\n",
                    "x: !!binary YQ==\n",
                ),
                *(
                    "x: 2026-01-01\n",
                    "x: !!set {a, b}\n",
                    "x: 0x1F\n",
                    "x: 1_000\n",
                    "x: 99999999999999999999999\n",
                    "---\na: b\n",
                ),
                *(
                    "x: !!timestamp 2026-01-01\n",
                    "x: !!omap [a: b]\n",
                    "x: !!pairs [a: b]\n",
                    "<<: {a: b}\n",
                    "x: 1:30\n",
                ),
            )
        )
    return text.encode("utf-8", "surrogatepass")


# Protobuf


def _varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _tagged(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def protobuf_body(draw: random.Random, message: str, name: str) -> bytes:
    """A message of a kind, with some of its fields, a few of them wrong."""
    group_version, _, kind = message.removeprefix("@").rpartition("/")
    known = messages().get(kind, {})
    raw = b"".join(
        _proto_field(draw, number, field, 0) for number, field in known.items() if number > 1 and draw.random() < 0.5
    )
    metadata = _tagged(1, name.encode())
    raw = _tagged(1, metadata + (_proto_message(draw, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", 3))) + raw
    type_meta = _tagged(1, group_version.encode()) + _tagged(2, kind.rpartition(".")[2].encode())
    return b"k8s\0" + _tagged(1, type_meta) + _tagged(2, raw)


def _proto_message(draw: random.Random, name: str, depth: int) -> bytes:
    known = messages().get(name, {})
    if depth > 6:
        return b""
    return b"".join(_proto_field(draw, number, each, depth) for number, each in known.items() if draw.random() < 0.3)


def _proto_field(draw: random.Random, number: int, field: Field, depth: int) -> bytes:
    if draw.random() < 0.004:
        return draw.choice(
            (
                _varint(number << 3) + _varint(2**64 - 1),
                _tagged(number, b"\xff\xff"),
                _varint(number << 3 | 1) + b"\0" * 8,
            )
        )
    if field.form == "map":
        return _tagged(
            number, _tagged(1, draw.choice((b"a", b"b", b""))) + _proto_field(draw, 2, _plain(field), depth + 1)
        )
    if field.is_message:
        return _tagged(number, _proto_message(draw, field.type, depth + 1))
    make: Mapping[str, Callable[[], bytes]] = {
        "i": lambda: _varint(number << 3) + _varint(draw.choice((0, 1, 2, 2**31, 2**63, -1))),
        "b": lambda: _varint(number << 3) + _varint(draw.choice((0, 1, 2))),
        "d": lambda: _varint(number << 3 | 1) + struct.pack("<d", draw.choice((0.0, 1.5, float("nan"), float("inf")))),
        "q": lambda: _tagged(number, _tagged(1, draw.choice((b"1", b"1Gi", b"x", b"", b"1e99999999999")))),
        "t": lambda: _tagged(number, b"\x08" + _varint(draw.choice((0, 1, 2**40, 2**62, -1)))),
        "u": lambda: _tagged(number, b"\x08" + _varint(draw.choice((0, 1, 2**40, 2**62, -1)))),
        "I": lambda: _tagged(number, draw.choice((b"\x08\x00\x10\x05", b"\x08\x01\x1a\x0250", b"\x08\x07"))),
        "j": lambda: _tagged(number, _tagged(1, draw.choice((b"{}", b"1", b"{", b"[" * 2000, b"NaN")))),
    }
    return make.get(
        field.type, lambda: _tagged(number, draw.choice((b"a", b"b", b"a", b"1", b"1Gi", b"", b"a" * 300, b"\x00")))
    )()


def _plain(field: Field) -> Field:
    return Field(field.name, field.type)
