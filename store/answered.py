"""Replies that were given lately, so that a repeated request gets the same one and isn't carried out twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

#: Bounds of what is remembered. A requester repeats itself for seconds, not for this long.
REPLIES_MAX: Final = 10_000
BYTES_MAX: Final = 32 * 1024 * 1024


class AnsweredRequests:
    """The latest replies by request id, the oldest forgotten first."""

    def __init__(self, replies_max: int = REPLIES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._replies_max = replies_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._replies: OrderedDict[str, tuple[Any, list[bytes], int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, request_id: str) -> tuple[Any, list[bytes]] | None:
        """Body and blobs of the reply, if it is remembered."""
        found = self._replies.get(request_id)
        return None if found is None else found[:2]

    def add(self, request_id: str, body: Any, blobs: list[bytes]) -> None:
        """Remember a reply."""
        size = sum(map(len, blobs))
        self._replies[request_id] = (body, blobs, size)
        self._bytes += size
        while len(self._replies) > self._replies_max or self._bytes > self._bytes_max:
            _, (_, _, freed) = self._replies.popitem(last=False)
            self._bytes -= freed
