"""SPDY/3.1 frames, as far as ``kubectl port-forward`` speaks them through a WebSocket. Pure: bytes in, frames out.

The protocol is published as draft-mbelshe-httpbis-spdy-00 with the changes of 3.1. Flow control is left out, as in the
library that Kubernetes uses (moby/spdystream): the WebSocket's connection below has its own.

    control frame   1, version (15 bits), type (16), flags (8), length (24), content
    data frame      0, stream id (31),               flags (8), length (24), content
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

VERSION: Final = 3
SYN_STREAM: Final = 1
SYN_REPLY: Final = 2
RST_STREAM: Final = 3
PING: Final = 6
GOAWAY: Final = 7
DATA: Final = 0
"""Not a type on the wire: data frames have none."""
FLAG_FIN: Final = 1
#: No frame may be longer than 16 MiB by its length field; nobody sends as much.
FRAME_BYTES_MAX: Final = 1024 * 1024
#: Unpacked headers of one frame.
HEADER_BYTES_MAX: Final = 64 * 1024

_NAMES: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status|200 OK|version|HTTP/1.1|url|public|set-cookie|"
    "keep-alive|origin"
)
_REST: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    """What both ends have their header compression begin with (section 2.6.10.1 of the draft)."""
    first, *others = _NAMES.split("|")
    words = [word.encode() for word in (*first.split(" "), *others)]
    return b"".join(struct.pack(">I", len(word)) + word for word in words) + _REST.encode()


HEADER_DICTIONARY: Final = _dictionary()


class SpdyError(ValueError):
    """The peer sent what isn't SPDY/3.1, or more than is allowed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that came in."""

    kind: int
    stream: int = 0
    data: bytes = b""
    """Of a data frame, or a ping's id as it came."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of `SYN_STREAM`; names in lower case."""
    fin: bool = False
    """The peer sends no more on the stream."""


class FrameReader:
    """Frames from bytes that come in pieces of any size. Headers are unpacked by one state over the connection."""

    def __init__(self) -> None:
        self._waiting = b""
        self._unpack = zlib.decompressobj(zdict=HEADER_DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes; kinds that need no answer are left out. Raises `SpdyError`."""
        self._waiting += data
        frames: list[Frame] = []
        while len(self._waiting) >= 8:
            first, second = struct.unpack_from(">II", self._waiting)
            length = second & 0xFFFFFF
            if length > FRAME_BYTES_MAX:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._waiting) < 8 + length:
                break
            content, self._waiting = self._waiting[8 : 8 + length], self._waiting[8 + length :]
            frame = self._frame(first, second >> 24, content)
            if frame is not None:
                frames.append(frame)
        return frames

    def _frame(self, first: int, flags: int, content: bytes) -> Frame | None:
        fin = bool(flags & FLAG_FIN)
        if not first >> 31:
            return Frame(DATA, first, content, fin=fin)
        if first >> 16 & 0x7FFF != VERSION:
            raise SpdyError("not version 3 of SPDY")
        kind = first & 0xFFFF
        try:
            if kind == SYN_STREAM:
                (stream,) = struct.unpack_from(">I", content)
                return Frame(kind, stream & 0x7FFFFFFF, headers=self._headers(content[10:]), fin=fin)
            if kind == RST_STREAM:
                (stream,) = struct.unpack_from(">I", content)
                return Frame(kind, stream & 0x7FFFFFFF)
        except struct.error as error:
            raise SpdyError("a frame is too short") from error
        return Frame(kind, data=content) if kind in (PING, GOAWAY) else None

    def _headers(self, packed: bytes) -> dict[str, str]:
        try:
            plain = self._unpack.decompress(packed, HEADER_BYTES_MAX)
        except zlib.error as error:
            raise SpdyError(f"headers can't be unpacked: {error}") from error
        if self._unpack.unconsumed_tail:
            raise SpdyError("headers are too large")
        (count,) = struct.unpack_from(">I", plain)
        headers: dict[str, str] = {}
        position = 4
        for _ in range(min(count, HEADER_BYTES_MAX)):
            words: list[str] = []
            for _ in range(2):
                (length,) = struct.unpack_from(">I", plain, position)
                words.append(plain[position + 4 : position + 4 + length].decode("latin-1"))
                position += 4 + length
            headers[words[0].lower()] = words[1]
        return headers


class FrameWriter:
    """Frames as bytes. Headers are packed by one state over the connection, so frames go out in the order made."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(zdict=HEADER_DICTIONARY)

    def syn_stream(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """Open a stream (a client's part)."""
        return _control(SYN_STREAM, 0, struct.pack(">IIH", stream, 0, 0) + self._headers(headers))

    def syn_reply(self, stream: int) -> bytes:
        """Accept a stream."""
        return _control(SYN_REPLY, 0, struct.pack(">I", stream) + self._headers({}))

    def _headers(self, headers: Mapping[str, str]) -> bytes:
        plain = struct.pack(">I", len(headers))
        for pair in headers.items():
            for word in pair:
                plain += struct.pack(">I", len(word)) + word.encode("latin-1")
        return self._pack.compress(plain) + self._pack.flush(zlib.Z_SYNC_FLUSH)


def data_frame(stream: int, data: bytes, *, fin: bool = False) -> bytes:
    """Data of a stream."""
    return struct.pack(">II", stream, (FLAG_FIN if fin else 0) << 24 | len(data)) + data


def reset_frame(stream: int, status: int) -> bytes:
    """Refuse or break off a stream."""
    return _control(RST_STREAM, 0, struct.pack(">II", stream, status))


def ping_frame(content: bytes) -> bytes:
    """The answer to a ping: the same."""
    return _control(PING, 0, content)


def _control(kind: int, flags: int, content: bytes) -> bytes:
    return struct.pack(">II", 1 << 31 | VERSION << 16 | kind, flags << 24 | len(content)) + content
