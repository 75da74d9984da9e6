"""Small answers, kept for a while for requests that come again."""

from __future__ import annotations

from typing import Final

from broker.message import Outgoing

#: Of the latest answers so many are kept for certain, or as many as have so many bytes; twice as many at the most.
ANSWERS_KEPT: Final = 5000
ANSWERS_KEPT_BYTES: Final = 4 * 1024 * 1024
#: A larger answer is not kept.
ANSWER_KEPT_BYTES_MAX: Final = 4096


class KeptAnswers:
    """The latest answers by request id.

    They are forgotten by the thousands, when a new generation begins: dropping the oldest at each new one would cost as
    much as keeping it.
    """

    __slots__ = ("_bytes", "_older", "_younger")

    def __init__(self) -> None:
        self._younger: dict[str, Outgoing] = {}
        self._older: dict[str, Outgoing] = {}
        self._bytes = 0

    def get(self, request_id: str) -> Outgoing | None:
        """What answered a request, if it is kept."""
        return self._younger.get(request_id) or self._older.get(request_id)

    def keep(self, request_id: str, answer: Outgoing, size: int) -> None:
        """Keep an answer of so many bytes, unless it is large."""
        if size > ANSWER_KEPT_BYTES_MAX:
            return
        self._younger[request_id] = answer
        self._bytes += size
        if self._bytes >= ANSWERS_KEPT_BYTES or len(self._younger) >= ANSWERS_KEPT:
            self._older, self._younger, self._bytes = self._younger, {}, 0
