"""etcd's hash of its key bucket: two stores with the same history up to a revision have the same, ours and etcd's too.

CRC-32C over the bucket's name and every version's name and record, but for those that compaction gives up. The standard
library has no CRC-32C: here a megabyte takes about a tenth of a second, in pieces between which others are served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from store.etcd_api.snapshot import Version, version_item
from store.key_value import SUB_REVISION_BITS

_POLYNOMIAL: Final = 0x82F63B78
#: After so many bytes others have their turn.
PIECE_BYTES: Final = 32 * 1024


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE: Final = _table()


def crc32c(data: bytes, crc: int = 0) -> int:
    """The checksum of data that follows what has the checksum `crc`."""
    table = _TABLE
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def hashed_versions(versions: Sequence[Version], compacted: int) -> Iterator[Version]:
    """The versions that count: those after the compacted revision, and what is visible of the others at the end."""
    last = {kv[0]: position for position, kv, _ in versions}
    visible = {position for position, kv, _ in versions if kv[3] and last[kv[0]] == position}
    for version in versions:
        position = version[0]
        if position >> SUB_REVISION_BITS > compacted or position in visible or not visible:
            yield version


async def hash_of_keys(versions: Sequence[Version], compacted: int, pause: Callable[[], Awaitable[None]]) -> int:
    """The hash of these versions, all up to some revision. `pause` lets others run."""
    crc = crc32c(b"key")
    piece = bytearray()
    for version in hashed_versions(versions, compacted):
        name, record = version_item(*version)
        piece += name
        piece += record
        while len(piece) >= PIECE_BYTES:
            crc = crc32c(bytes(piece[:PIECE_BYTES]), crc)
            del piece[:PIECE_BYTES]
            await pause()
    return crc32c(bytes(piece), crc)
