"""Protobuf's wire format: the numbered values of a message."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10


class MalformedProtobuf(ValueError):
    """The bytes are not a message."""


def read_varint(content: bytes, at: int) -> tuple[int, int]:
    """A variable-length number and where it ends."""
    value = 0
    for index in range(_VARINT_BYTES_MAX):
        if at + index >= len(content):
            raise MalformedProtobuf("it ends inside a number")
        byte = content[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + index + 1
    raise MalformedProtobuf("a number is too long")


def signed(value: int) -> int:
    """A 64-bit number as two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value: a number, or the bytes of a string, a message or a packed list."""
    at = 0
    while at < len(content):
        tag, at = read_varint(content, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise MalformedProtobuf("a field has the number 0")
        if kind == VARINT:
            value, at = read_varint(content, at)
            yield number, value
            continue
        if kind == BYTES:
            length, at = read_varint(content, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise MalformedProtobuf(f"field {number} has the unknown type {kind}")
        if at + length > len(content):
            raise MalformedProtobuf(f"it ends inside field {number}")
        yield number, content[at : at + length]
        at += length
