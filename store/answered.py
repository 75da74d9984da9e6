"""Replies that were given lately, so that a repeated request gets the same one and isn't carried out twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

#: Bounds of what is remembered. A requester repeats itself for seconds, not for this long.
REPLIES_MAX: Final = 10_000
BYTES_MAX: Final = 32 * 1024 * 1024


class AnsweredRequests:
    """The latest replies by request id, the oldest forgotten first."""

    def __init__(self, replies_max: int = REPLIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._replies_max = replies_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._replies: OrderedDict[str, tuple[bytes, list[bytes]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, request_id: str) -> tuple[bytes, list[bytes]] | None:
        """The reply's encoded body and its blobs, if it is remembered."""
        return self._replies.get(request_id)

    def add(self, request_id: str, encoded_body: bytes, blobs: list[bytes]) -> None:
        """Remember a reply."""
        replies = self._replies
        replies[request_id] = (encoded_body, blobs)
        self._bytes += _size(encoded_body, blobs)
        while len(replies) > self._replies_max or self._bytes > self._bytes_max:
            _, forgotten = replies.popitem(last=False)
            self._bytes -= _size(*forgotten)


def _size(encoded_body: bytes, blobs: list[bytes]) -> int:
    return len(encoded_body) + sum(map(len, blobs)) if blobs else len(encoded_body)
