"""The struct types in a Go program (64-bit, little-endian ELF), as its runtime's reflection finds them.

The linker lists the program's types in the section ``.typelink``: offsets from the beginning of ``.rodata``. A type's
layout is that of ``internal/abi`` in Go 1.22 and later.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_POINTER, _SLICE, _MAP, _STRUCT = 22, 23, 21, 25
_KIND_MASK: Final = 31
_HAS_UNCOMMON, _HAS_EXTRA_STAR, _IS_NAMED = 1, 2, 4
_HEADER_BYTES: Final = 48
_STRUCT_BYTES: Final = 80
#: Kinds of `reflect.Kind` that stand for themselves.
BASIC: Final = {
    1: "bool",
    2: "int",
    3: "int8",
    4: "int16",
    5: "int32",
    6: "int64",
    7: "uint",
    8: "uint8",
    9: "uint16",
    10: "uint32",
    11: "uint64",
    13: "float32",
    14: "float64",
    24: "string",
}


class NotGo(ValueError):
    """The file is no Go program that can be read."""


@dataclass(eq=False)
class GoType:
    """A type: its kind, what it is made of, and for structs its name, package and fields."""

    kind: str
    """A basic kind, or ``pointer``, ``slice``, ``map``, ``struct``, ``other``."""
    name: str = ""
    package: str = ""
    element: GoType | None = None
    fields: list[GoField] = field(default_factory=list)


@dataclass
class GoField:
    """A field of a struct."""

    name: str
    tag: str
    type: GoType

    def tag_value(self, key: str) -> str:
        """What the tag says under a key; empty when nothing."""
        _, found, rest = self.tag.partition(f'{key}:"')
        return rest.partition('"')[0] if found else ""


class GoBinary:
    """A program's types."""

    def __init__(self, content: bytes) -> None:
        if content[:6] != b"\x7fELF\x02\x01":
            raise NotGo("not a 64-bit little-endian ELF file")
        self._content = content
        self._sections = dict(self._read_sections())
        if ".typelink" not in self._sections or ".rodata" not in self._sections:
            raise NotGo("no list of types")
        self._types: dict[int, GoType] = {}

    def _read_sections(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        (table,) = struct.unpack_from("<Q", self._content, 0x28)
        size, count, names = struct.unpack_from("<HHH", self._content, 0x3A)
        rows = [struct.unpack_from("<IIQQQQ", self._content, table + index * size) for index in range(count)]
        for row in rows:
            start = rows[names][4] + row[0]
            name = self._content[start : self._content.index(b"\0", start)].decode()
            yield name, (row[3], row[4], row[5])

    def _at(self, address: int) -> int:
        """Where in the file an address is."""
        for start, offset, size in self._sections.values():
            if start and start <= address < start + size:
                return offset + address - start
        raise NotGo(f"nothing at address {address:#x}")

    def structs(self) -> list[GoType]:
        """Every struct that the listed types lead to, and that has a name."""
        _, offset, size = self._sections[".typelink"]
        base = self._sections[".rodata"][0]
        for (distance,) in struct.iter_unpack("<i", self._content[offset : offset + size]):
            self._type(base + distance)
        return [found for found in self._types.values() if found.kind == "struct" and found.name]

    def _type(self, address: int) -> GoType:
        found = self._types.get(address)
        if found is not None:
            return found
        at = self._at(address)
        flags, kind = self._content[at + 20], self._content[at + 23] & _KIND_MASK
        made = self._types[address] = GoType(BASIC.get(kind, "other"))
        if flags & _IS_NAMED:
            name, _ = self._name(self._offset_name(at + 40))
            made.name = name[1:] if flags & _HAS_EXTRA_STAR else name
            made.name = made.name.rpartition(".")[2]
        if kind in (_POINTER, _SLICE):
            made.kind = "pointer" if kind == _POINTER else "slice"
            made.element = self._type(self._word(at + _HEADER_BYTES))
        elif kind == _MAP:
            made.kind = "map"
            made.element = self._type(self._word(at + _HEADER_BYTES + 8))
        elif kind == _STRUCT:
            made.kind = "struct"
            if flags & _HAS_UNCOMMON:
                made.package, _ = self._name(self._offset_name(at + _STRUCT_BYTES))
            self._read_fields(made, at)
        return made

    def _read_fields(self, made: GoType, at: int) -> None:
        first, count = self._word(at + _HEADER_BYTES + 8), self._word(at + _HEADER_BYTES + 16)
        for index in range(count):
            row = self._at(first) + 24 * index
            name, tag = self._name(self._word(row))
            made.fields.append(GoField(name, tag, self._type(self._word(row + 8))))

    def _word(self, at: int) -> int:
        return int(struct.unpack_from("<Q", self._content, at)[0])

    def _offset_name(self, at: int) -> int:
        """The address of a name that is given as an offset."""
        return int(self._sections[".rodata"][0] + struct.unpack_from("<i", self._content, at)[0])

    def _name(self, address: int) -> tuple[str, str]:
        """A name and its tag."""
        at = self._at(address)
        has_tag = self._content[at] & 2
        name, at = self._text(at + 1)
        return name, self._text(at)[0] if has_tag else ""

    def _text(self, at: int) -> tuple[str, int]:
        length = shift = 0
        while True:
            byte = self._content[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return self._content[at : at + length].decode(), at + length
