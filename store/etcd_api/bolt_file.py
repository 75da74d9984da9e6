"""Writes the file format of bbolt, the database inside etcd: buckets of sorted keys, as B+ trees of pages.

page            header (id, kind, number of elements, further pages it spans), elements, then their bytes
pages 0 and 1   meta: where the root bucket, the list of free pages and the end of the file are, with a checksum
page 2          the list of free pages, empty here
then            the trees of the buckets, each after its children; last the root bucket: names and roots of the others
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

PAGE_BYTES: Final = 4096
BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
IS_BUCKET: Final = 0x01
MAGIC: Final = 0xED0CDAED
VERSION: Final = 2
PAGE: Final = struct.Struct("<QHHI")
META_FIELDS: Final = struct.Struct("<IIIIQQQQQ")
LEAF_ELEMENT: Final = struct.Struct("<IIII")
BRANCH_ELEMENT: Final = struct.Struct("<IIQ")
BUCKET: Final = struct.Struct("<QQ")
_FREELIST_PAGE: Final = 2

Item = tuple[bytes, bytes]


def bolt_file(buckets: Mapping[bytes, Sequence[Item]]) -> bytearray:
    """The content of a database file with these buckets; the items of each are sorted by key."""
    writer = _Writer()
    root_items = [(name, BUCKET.pack(writer.tree(buckets[name]), 0)) for name in sorted(buckets)]
    root = writer.tree(root_items, IS_BUCKET)
    return writer.finish(root)


class _Writer:
    def __init__(self) -> None:
        self._content = bytearray(3 * PAGE_BYTES)

    def tree(self, items: Sequence[Item], flags: int = 0) -> int:
        """Write a tree; answers its root page."""
        level = self._leaves(items, flags)
        while len(level) > 1:
            level = self._branches(level)
        return level[0][1]

    def finish(self, root: int) -> bytearray:
        """The whole file."""
        end = len(self._content) // PAGE_BYTES
        self._put(_FREELIST_PAGE * PAGE_BYTES, PAGE.pack(_FREELIST_PAGE, FREELIST, 0, 0))
        for number in (0, 1):
            fields = META_FIELDS.pack(MAGIC, VERSION, PAGE_BYTES, 0, root, 0, _FREELIST_PAGE, end, number)
            page = PAGE.pack(number, META, 0, 0) + fields + struct.pack("<Q", fnv1a(fields))
            self._put(number * PAGE_BYTES, page)
        return self._content

    def _put(self, offset: int, data: bytes) -> None:
        self._content[offset : offset + len(data)] = data

    def _leaves(self, items: Sequence[Item], flags: int) -> list[tuple[bytes, int]]:
        pages: list[tuple[bytes, int]] = []
        held: list[Item] = []
        size = PAGE.size
        for item in items:
            item_size = LEAF_ELEMENT.size + len(item[0]) + len(item[1])
            if held and size + item_size > PAGE_BYTES:
                pages.append((held[0][0], self._leaf(held, flags)))
                held, size = [], PAGE.size
            held.append(item)
            size += item_size
        if held or not pages:
            pages.append((held[0][0] if held else b"", self._leaf(held, flags)))
        return pages

    def _leaf(self, items: Sequence[Item], flags: int) -> int:
        elements = bytearray()
        data = bytearray()
        for index, (key, value) in enumerate(items):
            position = (len(items) - index) * LEAF_ELEMENT.size + len(data)
            elements += LEAF_ELEMENT.pack(flags, position, len(key), len(value))
            data += key
            data += value
        return self._page(LEAF, len(items), elements + data)

    def _branches(self, children: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        pages: list[tuple[bytes, int]] = []
        start = 0
        while start < len(children):
            size, end = PAGE.size, start
            while end < len(children):
                size += BRANCH_ELEMENT.size + len(children[end][0])
                # A page has two at least, or the tree would never come to an end.
                if size > PAGE_BYTES and end >= start + 2:
                    break
                end += 1
            pages.append((children[start][0], self._branch(children[start:end])))
            start = end
        return pages

    def _branch(self, children: Sequence[tuple[bytes, int]]) -> int:
        elements = bytearray()
        data = bytearray()
        for index, (key, page) in enumerate(children):
            position = (len(children) - index) * BRANCH_ELEMENT.size + len(data)
            elements += BRANCH_ELEMENT.pack(position, len(key), page)
            data += key
        return self._page(BRANCH, len(children), elements + data)

    def _page(self, kind: int, count: int, body: bytes | bytearray) -> int:
        number = len(self._content) // PAGE_BYTES
        pages = -(-(PAGE.size + len(body)) // PAGE_BYTES)
        self._content += PAGE.pack(number, kind, count, pages - 1)
        self._content += body
        self._content += bytes((number + pages) * PAGE_BYTES - len(self._content))
        return number


def fnv1a(data: bytes) -> int:
    """FNV-1a in 64 bits."""
    found = 0xCBF29CE484222325
    for byte in data:
        found = (found ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return found
