"""Reads the file format of bbolt, the database inside etcd: the counterpart of `store.etcd_api.bolt_file`.

The file is not trusted: every page is looked at before it is followed, and `BoltDamaged` says what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from store.etcd_api.bolt_file import (
    BRANCH,
    BRANCH_ELEMENT,
    BUCKET,
    IS_BUCKET,
    LEAF,
    LEAF_ELEMENT,
    MAGIC,
    META,
    META_FIELDS,
    PAGE,
    VERSION,
    Item,
    fnv1a,
)

#: A tree of this many levels has more pages than any disk.
LEVELS_MAX: Final = 64
#: Page sizes that bbolt may use: those of operating systems.
PAGE_SIZES: Final = tuple(2**power for power in range(9, 17))


class BoltDamaged(Exception):
    """The file is not a whole database of bbolt."""


class _Meta(NamedTuple):
    page_bytes: int
    root: int
    end: int
    transaction: int


class BoltReader:
    """A database file's content. Raises `BoltDamaged`, at the beginning or on the way."""

    def __init__(self, content: bytes | memoryview) -> None:
        self._content = memoryview(content)
        self._meta = self._newest_meta()
        if self._meta.end * self._meta.page_bytes > len(content):
            raise BoltDamaged(
                f"the file should have {self._meta.end * self._meta.page_bytes} bytes, it has {len(content)}"
            )
        self._buckets: dict[bytes, tuple[int, bytes]] = {}
        for flags, name, value in self._walk(self._meta.root, 0, set()):
            if flags & IS_BUCKET:
                if len(value) < BUCKET.size:
                    raise BoltDamaged(f"the bucket {name!r} has no root")
                self._buckets[name] = (BUCKET.unpack_from(value)[0], value[BUCKET.size :])

    def items(self, bucket: bytes) -> Iterator[Item]:
        """The keys and values of a bucket, sorted by key; none when there is no such bucket."""
        if bucket not in self:
            return
        root, inline = self._buckets[bucket]
        last: bytes | None = None
        for _, key, value in self._walk(root, 0, set()) if root else self._page_items(memoryview(inline), "inline"):
            if last is not None and key <= last:
                raise BoltDamaged(f"the keys of the bucket {bucket!r} are out of order")
            last = key
            yield key, value

    def __contains__(self, bucket: bytes) -> bool:
        return bucket in self._buckets

    def _newest_meta(self) -> _Meta:
        found = []
        for page_bytes in PAGE_SIZES:
            for number in (0, 1):
                meta = self._meta_at(number * page_bytes)
                if meta is not None and meta.page_bytes == page_bytes:
                    found.append(meta)
        if not found:
            raise BoltDamaged("neither of the first two pages says where the data is: this is no database of etcd's")
        return max(found, key=lambda meta: meta.transaction)

    def _meta_at(self, offset: int) -> _Meta | None:
        start = offset + PAGE.size
        fields = bytes(self._content[start : start + META_FIELDS.size])
        checksum = bytes(self._content[start + META_FIELDS.size : start + META_FIELDS.size + 8])
        if len(checksum) < 8 or struct.unpack("<Q", checksum)[0] != fnv1a(fields):
            return None
        magic, version, page_bytes, _, root, _, _, end, transaction = META_FIELDS.unpack(fields)
        if magic != MAGIC or version != VERSION or not PAGE.unpack_from(self._content, offset)[1] & META:
            return None
        return _Meta(page_bytes, root, end, transaction)

    def _walk(self, number: int, level: int, seen: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
        """Flags, key and value of everything in a tree. A page that was seen in it before would have no end."""
        page = self._page(number)
        if number in seen:
            raise BoltDamaged(f"page {number} is in a tree twice")
        seen.add(number)
        _, kind, count, _ = PAGE.unpack_from(page)
        if not kind & BRANCH:
            yield from self._page_items(page, str(number))
            return
        if level >= LEVELS_MAX or PAGE.size + count * BRANCH_ELEMENT.size > len(page):
            raise BoltDamaged(f"page {number} is no branch of a tree")
        for index in range(count):
            _, _, child = BRANCH_ELEMENT.unpack_from(page, PAGE.size + index * BRANCH_ELEMENT.size)
            yield from self._walk(child, level + 1, seen)

    def _page(self, number: int) -> memoryview:
        page_bytes = self._meta.page_bytes
        if not 2 <= number < self._meta.end:
            raise BoltDamaged(f"there is no page {number}")
        start = number * page_bytes
        found, kind, _, further = PAGE.unpack_from(self._content, start)
        if found != number or not kind & (BRANCH | LEAF) or number + further >= self._meta.end:
            raise BoltDamaged(f"page {number} is damaged")
        return self._content[start : start + (further + 1) * page_bytes]

    def _page_items(self, page: memoryview, name: str) -> Iterator[tuple[int, bytes, bytes]]:
        if len(page) < PAGE.size:
            raise BoltDamaged(f"page {name} is damaged")
        _, kind, count, _ = PAGE.unpack_from(page)
        if not kind & LEAF or PAGE.size + count * LEAF_ELEMENT.size > len(page):
            raise BoltDamaged(f"page {name} is no leaf of a tree")
        for index in range(count):
            element = PAGE.size + index * LEAF_ELEMENT.size
            flags, position, key_bytes, value_bytes = LEAF_ELEMENT.unpack_from(page, element)
            start = element + position
            if start + key_bytes + value_bytes > len(page):
                raise BoltDamaged(f"page {name} is damaged: an item is larger than the page")
            yield (
                flags,
                bytes(page[start : start + key_bytes]),
                bytes(page[start + key_bytes : start + key_bytes + value_bytes]),
            )
