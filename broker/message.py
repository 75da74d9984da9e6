"""What travels between actors, and why it was sent.

A message has a small MessagePack header, a MessagePack body, and then blobs, which are opaque values (a Pod as its
writer encoded it) that nobody on the way looks into. A large message travels as a list of frames, one for each of
these; small ones travel together in one frame (`broker.bundle`).

    header  [version, kind, id, method or topic, sender, cause]
    body    any MessagePack value
    blobs   bytes, passed on untouched

A message also carries its *cause*: the id of the message (or of the operation inside a message) that made its
sender act, the store revision that was acted on, and when it reached the sender. Chains of causes are what makes
``trace`` exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgpack

VERSION: Final = 1
KIND_REQUEST: Final = 0
KIND_REPLY: Final = 1
KIND_FAILURE: Final = 2
KIND_PUBLICATION: Final = 3

#: Nothing larger is accepted from the wire (bytes a frame, and frames a message).
FRAME_BYTES_MAX: Final = 256 * 1024 * 1024
FRAMES_MAX: Final = 200_000
#: Characters of an id, a method or topic, and a sender's name.
NAME_CHARS_MAX: Final = 512

Body = Any
Blobs = Sequence[bytes]
#: Makes a named tuple at half the price of calling its class.
_tuple: Final = tuple.__new__


class MalformedMessage(Exception):
    """The frames are not a message of this fabric; they are dropped."""


class Cause(NamedTuple):
    """Why a message was sent: what made its sender act."""

    id: str
    """Id of the message or operation acted on; empty when an actor acts of its own accord."""
    revision: int = 0
    """Store revision that was acted on; 0 when none was."""
    at_s: float = 0.0
    """When it reached the actor, in wall-clock seconds."""

    def wire(self) -> list[Any]:
        """The form it has inside a header or an operation."""
        return list(self)

    @staticmethod
    def from_wire(value: Sequence[Any] | None) -> Cause:
        """The reverse of `wire`; nothing reads as `NO_CAUSE`. Raises `MalformedMessage`."""
        if not value or value == _NO_CAUSE_WIRE:
            return NO_CAUSE
        if type(value) is list and len(value) == 3:
            cause_id, revision, at_s = value
            # A float that is whole may come as an integer.
            if type(cause_id) is str and type(revision) is int and type(at_s) in (float, int):
                return _tuple(Cause, value)
        raise MalformedMessage("a cause is an id, a revision and a time")


NO_CAUSE: Final = Cause("")
_NO_CAUSE_WIRE: Final = NO_CAUSE.wire()


#: A message's header, before it is encoded: version, kind, id, method or topic, sender, cause.
Header = tuple[int, int, str, str, str, Cause]
#: A message that is to be sent: its header, and what follows it. Encoded by the transport, which may have several.
Outgoing = tuple[Header, list[bytes]]


class Message(NamedTuple):
    """One message, decoded as far as its header."""

    kind: int
    id: str
    subject: str
    """The method of a request or reply, the topic of a publication."""
    sender: str
    cause: Cause
    raw_body: bytes
    blobs: list[bytes]
    received_s: float = 0.0

    @property
    def body(self) -> Body:
        """The body, decoded anew at each call: take it once."""
        return unpack(self.raw_body)

    def frames(self) -> list[bytes]:
        """The frames of the message when it travels on its own."""
        return frames_of((VERSION, self.kind, self.id, self.subject, self.sender, self.cause), self.contents())

    def contents(self) -> list[bytes]:
        """What follows the header: body and blobs."""
        return [self.raw_body, *self.blobs]


@dataclass(slots=True)
class Publication:
    """A message somebody published, as a subscriber's handler sees it."""

    message: Message

    @property
    def topic(self) -> str:
        return self.message.subject

    @property
    def body(self) -> Body:
        return self.message.body

    @property
    def blobs(self) -> list[bytes]:
        return self.message.blobs

    @property
    def received_s(self) -> float:
        return self.message.received_s


@dataclass(slots=True)
class Reply:
    """What a request was answered with."""

    body: Body
    blobs: list[bytes]
    id: str
    received_s: float


class Request(ABC):
    """A request, as a serving actor's handler sees it. Answer it once: now, or at any later time."""

    __slots__ = ("answered", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.answered = False

    @abstractmethod
    def _answer(self, kind: int, raw_body: bytes, blobs: Blobs) -> None:
        """Send the one answer. Raises `RuntimeError` when there was one."""

    @property
    def id(self) -> str:
        return self.message.id

    @property
    def method(self) -> str:
        return self.message.subject

    @property
    def sender(self) -> str:
        return self.message.sender

    @property
    def cause(self) -> Cause:
        return self.message.cause

    @property
    def body(self) -> Body:
        return self.message.body

    @property
    def blobs(self) -> list[bytes]:
        return self.message.blobs

    @property
    def received_s(self) -> float:
        return self.message.received_s

    def reply(self, body: Body = None, blobs: Blobs = ()) -> None:
        """Answer with a body and blobs."""
        self._answer(KIND_REPLY, pack(body), blobs)

    def reply_encoded(self, raw_body: bytes, blobs: Blobs = ()) -> None:
        """Answer with a body that is packed already."""
        self._answer(KIND_REPLY, raw_body, blobs)

    def fail(self, code: str, message: str) -> None:
        """Answer with an error: the requester's `request` raises `RequestFailed(code, message)`."""
        self._answer(KIND_FAILURE, pack([code, message]), ())


#: Encodes a body or a value. One for all: a packer of its own for each value would cost more than the packing.
pack: Final[Callable[[Body], bytes]] = msgpack.Packer(use_bin_type=True).pack


def unpack(raw: bytes) -> Body:
    """Decode a body or a value. Raises `MalformedMessage` for bytes that are not MessagePack."""
    try:
        return msgpack.unpackb(raw, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise MalformedMessage(str(error)) from error


def frames_of(header: Header, contents: Sequence[bytes]) -> list[bytes]:
    """The frames of a message that travels on its own."""
    return [pack(header), *contents]


def parse(frames: Sequence[bytes], received_s: float) -> Message:
    """Read a message from its frames. Raises `MalformedMessage`."""
    if not 2 <= len(frames) <= FRAMES_MAX:
        raise MalformedMessage(f"{len(frames)} frames")
    return message_of(unpack(frames[0]), frames[1], list(frames[2:]), received_s)


def message_of(header: Any, raw_body: bytes, blobs: list[bytes], received_s: float) -> Message:
    """A message with its header decoded already. Raises `MalformedMessage`."""
    if type(header) is not list or len(header) != 6 or header[0] != VERSION:
        raise MalformedMessage("not a header of this version")
    _, kind, message_id, subject, sender, cause = header
    if not (type(message_id) is type(subject) is type(sender) is str and type(cause) is list):
        raise MalformedMessage("header fields have the wrong types")
    if len(message_id) > NAME_CHARS_MAX or len(subject) > NAME_CHARS_MAX or len(sender) > NAME_CHARS_MAX:
        raise MalformedMessage(f"a name in a header has more than {NAME_CHARS_MAX} characters")
    return _tuple(Message, (kind, message_id, subject, sender, Cause.from_wire(cause), raw_body, blobs, received_s))
