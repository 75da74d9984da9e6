"""The sorted set of keys, for ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Final

#: A chunk that grows to twice this is cut in half: inserting moves a few kilobytes, however many keys there are.
CHUNK_KEYS: Final = 1000


class KeyIndex:
    """Keys in order, kept in sorted chunks.

    A plain sorted list would move half of all pointers at each insert (0.4 MB with 100k keys); here an insert finds
    its chunk by the chunks' last keys and moves at most one chunk.
    """

    __slots__ = ("_chunks", "_last", "_size")

    def __init__(self) -> None:
        self._chunks: list[list[bytes]] = []
        self._last: list[bytes] = []
        """The last key of each chunk."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, key: bytes) -> None:
        """Add a key that is not in the set."""
        self._size += 1
        last = self._last
        if not last:
            self._chunks.append([key])
            last.append(key)
            return
        at = bisect_left(last, key)
        if at == len(last):
            at -= 1
            chunk = self._chunks[at]
            chunk.append(key)
            last[at] = key
        else:
            chunk = self._chunks[at]
            insort(chunk, key)
        if len(chunk) >= 2 * CHUNK_KEYS:
            self._chunks[at : at + 1] = [chunk[:CHUNK_KEYS], chunk[CHUNK_KEYS:]]
            last[at : at + 1] = [chunk[CHUNK_KEYS - 1], chunk[-1]]

    def remove(self, key: bytes) -> None:
        """Remove a key. Raises `KeyError` when it is not in the set."""
        at = bisect_left(self._last, key)
        if at == len(self._last):
            raise KeyError(key)
        chunk = self._chunks[at]
        place = bisect_left(chunk, key)
        if chunk[place] != key:
            raise KeyError(key)
        del chunk[place]
        self._size -= 1
        if not chunk:
            del self._chunks[at], self._last[at]
        elif place == len(chunk):
            self._last[at] = chunk[-1]

    def between(self, start: bytes, end: bytes | None) -> list[bytes]:
        """Keys from `start` up to but without `end` (None: to the last), in order."""
        chunks = self._chunks
        first = bisect_left(self._last, start)
        if first == len(chunks):
            return []
        head = chunks[first]
        from_place = bisect_left(head, start)
        if end is None:
            stop = len(chunks)
        else:
            if end <= start:
                return []
            stop = bisect_left(self._last, end)
            if stop == first:
                return head[from_place : bisect_left(head, end, from_place)]
        keys = head[from_place:]
        for chunk in chunks[first + 1 : stop]:
            keys += chunk
        if end is not None and stop < len(chunks):
            tail = chunks[stop]
            keys += tail[: bisect_left(tail, end)]
        return keys

    def __contains__(self, key: bytes) -> bool:
        at = bisect_left(self._last, key)
        if at == len(self._last):
            return False
        chunk = self._chunks[at]
        place = bisect_right(chunk, key)
        return place > 0 and chunk[place - 1] == key
