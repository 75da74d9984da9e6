"""Several messages to one peer as one message of the transport.

Under load an actor has many messages for the same peer at once: a ZeroMQ message of two to four frames for each would
cost more than all the rest of the fabric. A bundle has four frames, whatever is in it:

    mark        says that this is a bundle, not a message
    headers     [header of each message]
    index       [further frames in each message], [bytes in each of these frames]
    payload     all these frames, one after the other

One message of many frames travels in the same form. Messages with large frames don't: joining and cutting would copy
their blobs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from broker.message import MalformedMessage, Message, message_of, pack, unpack

#: No message begins with this: a header is a MessagePack array.
MARK: Final = b"bundle"
#: A larger message travels on its own, unless its frames are small (on average).
BUNDLED_BYTES_MAX: Final = 16 * 1024
BUNDLED_FRAME_BYTES_MAX: Final = 2 * 1024
#: A message with more frames is joined even when it is alone.
PLAIN_FRAMES_MAX: Final = 8
#: A bundle is sent when it has so many messages or bytes, even though more may follow.
BUNDLE_MESSAGES_MAX: Final = 256
BUNDLE_BYTES_MAX: Final = 256 * 1024
#: The head of a MessagePack array of up to 65,535 values.
_ARRAY_HEAD: Final = struct.Struct(">BH")
_ARRAY_16: Final = 0xDC


class Bundle:
    """Messages that wait to be sent together."""

    __slots__ = ("_messages", "_size")

    def __init__(self) -> None:
        self._messages: list[Sequence[bytes]] = []
        self._size = 0

    def add(self, frames: Sequence[bytes], size: int) -> bool:
        """Add a message of so many bytes; answers whether the bundle is full now."""
        messages = self._messages
        messages.append(frames)
        self._size += size
        return self._size >= BUNDLE_BYTES_MAX or len(messages) >= BUNDLE_MESSAGES_MAX

    def frames(self) -> list[bytes]:
        """What goes on the wire: the bundle, or just the message if there is only one, of few frames."""
        messages = self._messages
        if len(messages) == 1 and len(messages[0]) <= PLAIN_FRAMES_MAX:
            return list(messages[0])
        headers = [frames[0] for frames in messages]
        further = [frame for frames in messages for frame in frames[1:]]
        index = pack(([len(frames) - 1 for frames in messages], list(map(len, further))))
        # A header is one MessagePack value, so headers in a row after an array's head are an array of headers.
        return [MARK, _ARRAY_HEAD.pack(_ARRAY_16, len(headers)) + b"".join(headers), index, b"".join(further)]


def is_bundled(frames: Sequence[bytes], size: int) -> bool:
    """Whether a message of so many bytes is put into bundles."""
    return size <= BUNDLED_BYTES_MAX or size <= BUNDLED_FRAME_BYTES_MAX * len(frames)


def messages_in(frames: Sequence[bytes], received_s: float) -> list[Message]:
    """The messages of a bundle. Raises `MalformedMessage`."""
    if len(frames) != 4:
        raise MalformedMessage(f"a bundle of {len(frames)} frames")
    _, packed_headers, index, payload = frames
    messages = []
    place = at = 0
    try:
        headers = unpack(packed_headers)
        counts, sizes = unpack(index)
        if sum(counts) != len(sizes) or sum(sizes) != len(payload) or min(sizes) < 0 or min(counts) < 1:
            raise MalformedMessage("a bundle's index does not fit its payload")
        cut = []
        for size in sizes:
            cut.append(payload[at : at + size])
            at += size
        for header, count in zip(headers, counts, strict=True):
            end = place + count
            messages.append(message_of(header, cut[place], cut[place + 1 : end], received_s))
            place = end
    except (TypeError, ValueError) as error:
        raise MalformedMessage(f"not a bundle's index: {error}") from error
    return messages
