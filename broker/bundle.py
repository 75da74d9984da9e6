"""Several messages to one peer as one frame of the transport.

Under load an actor has many messages for the same peer at once: a ZeroMQ message of two to four frames for each would
cost more than all the rest of the fabric. A bundle is one frame, whatever is in it, and read by one call:

    [[header of each message], [[body, blob, ...] of each message]]

A small message on its own travels in the same form, for the same reason. Large ones don't: joining and cutting would
copy their blobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgpack

from broker.message import FRAMES_MAX, MalformedMessage, Message, Outgoing, message_of, pack, unpack

#: A larger message travels on its own, unless its frames are small (on average).
BUNDLED_BYTES_MAX: Final = 16 * 1024
BUNDLED_FRAME_BYTES_MAX: Final = 2 * 1024
#: A bundle is sent when it has so many messages or bytes, even though more may follow.
BUNDLE_MESSAGES_MAX: Final = 256
BUNDLE_BYTES_MAX: Final = 256 * 1024
_BYTES: Final = frozenset((bytes,))


class Bundle:
    """Messages that wait to be sent together."""

    __slots__ = ("_messages", "_size")

    def __init__(self) -> None:
        self._messages: list[Outgoing] = []
        self._size = 0

    def add(self, outgoing: Outgoing, size: int) -> bool:
        """Add a message of so many bytes; answers whether the bundle is full now."""
        messages = self._messages
        messages.append(outgoing)
        self._size += size
        return self._size >= BUNDLE_BYTES_MAX or len(messages) >= BUNDLE_MESSAGES_MAX

    def frame(self) -> bytes:
        """What goes on the wire."""
        # The packer that all share keeps the memory of the largest value for ever.
        encode = pack if self._size <= BUNDLE_BYTES_MAX else msgpack.packb
        frame: bytes = encode(([header for header, _ in self._messages], [contents for _, contents in self._messages]))
        return frame


def is_bundled(contents: Sequence[bytes], size: int) -> bool:
    """Whether a message of so many bytes, without its header, is put into bundles."""
    return size <= BUNDLED_BYTES_MAX or size <= BUNDLED_FRAME_BYTES_MAX * len(contents)


def messages_in(frame: bytes, received_s: float) -> list[Message]:
    """The messages of a bundle. Raises `MalformedMessage`."""
    try:
        headers, contents = unpack(frame)
        if not _BYTES.issuperset(map(type, chain.from_iterable(contents))):
            raise MalformedMessage("what a bundle's messages contain is not bytes")
        if max(map(len, contents)) >= FRAMES_MAX:
            raise MalformedMessage("a message has too many frames")
        return [
            message_of(header, body, blobs, received_s)
            for header, (body, *blobs) in zip(headers, contents, strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise MalformedMessage(f"not a bundle: {error}") from error
