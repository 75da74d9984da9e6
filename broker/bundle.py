"""Several messages to one peer as one message of the transport.

Under load an actor has many messages for the same peer at once: a ZeroMQ message of two to four frames for each would
cost more than all the rest of the fabric. A bundle has three frames, whatever is in it:

    mark        says that this is a bundle, not a message
    index       [frames in each message], [bytes in each frame]: MessagePack
    payload     all frames of all messages, one after the other

Large messages are not put into bundles: joining and cutting would copy their blobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from broker.message import MalformedMessage, pack, unpack

#: No message begins with this: a header is a MessagePack array.
MARK: Final = b"bundle"
#: A larger message travels on its own.
BUNDLED_BYTES_MAX: Final = 16 * 1024
#: A bundle is sent when it has so many messages or bytes, even though more may follow.
BUNDLE_MESSAGES_MAX: Final = 256
BUNDLE_BYTES_MAX: Final = 256 * 1024


class Bundle:
    """Messages that wait to be sent together."""

    __slots__ = ("_counts", "_frames", "_size")

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._frames: list[bytes] = []
        self._size = 0

    def add(self, frames: Sequence[bytes], size: int) -> bool:
        """Add a message of so many bytes; answers whether the bundle is full now."""
        self._counts.append(len(frames))
        self._frames += frames
        self._size += size
        return self._size >= BUNDLE_BYTES_MAX or len(self._counts) >= BUNDLE_MESSAGES_MAX

    def frames(self) -> list[bytes]:
        """What goes on the wire: the bundle, or just the message if there is only one."""
        if len(self._counts) == 1:
            return self._frames
        index = pack((self._counts, [len(frame) for frame in self._frames]))
        return [MARK, index, b"".join(self._frames)]


def messages_in(frames: Sequence[bytes]) -> list[list[bytes]]:
    """The messages of a bundle, each as its frames. Raises `MalformedMessage`."""
    if len(frames) != 3:
        raise MalformedMessage(f"a bundle of {len(frames)} frames")
    _, index, payload = frames
    try:
        counts, sizes = unpack(index)
        if sum(counts) != len(sizes) or sum(sizes) != len(payload) or min(*counts, *sizes, 0) < 0:
            raise MalformedMessage("a bundle's index does not fit its payload")
        messages = []
        place = at = 0
        for count in counts:
            message = []
            for size in sizes[place : place + count]:
                message.append(payload[at : at + size])
                at += size
            messages.append(message)
            place += count
    except (TypeError, ValueError) as error:
        raise MalformedMessage(f"not a bundle's index: {error}") from error
    return messages
