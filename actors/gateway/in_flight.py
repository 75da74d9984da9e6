"""How many requests of one client are carried out at once; one more is refused with 429 (``max-requests-inflight``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from actors.apimachinery.status import ApiError, status_failure

#: Kubernetes' own defaults, which it has for all clients together.
READING_MAX: Final = 400
MUTATING_MAX: Final = 200
#: Watches, followed logs, streams into pods: each holds a connection, and costs little while nothing happens.
LONG_RUNNING_MAX: Final = 2_000
RETRY_AFTER_S: Final = 1

READING: Final = "readOnly"
MUTATING: Final = "mutating"
LONG_RUNNING: Final = "longRunning"
_LIMITS: Final = {READING: READING_MAX, MUTATING: MUTATING_MAX, LONG_RUNNING: LONG_RUNNING_MAX}


class InFlight:
    """Counts requests by client and kind."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    @contextmanager
    def admitted(self, client: str, kind: str) -> Iterator[None]:
        """While inside, the request counts. Raises `ApiError` (429) when the client has too many."""
        key = (client, kind)
        count = self._counts.get(key, 0)
        if count >= _LIMITS[kind]:
            status = status_failure(429, "TooManyRequests", "Too many requests, please try again later.")
            status["details"] = {"retryAfterSeconds": RETRY_AFTER_S}
            raise ApiError(status)
        self._counts[key] = count + 1
        try:
            yield
        finally:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def total(self, kind: str) -> int:
        """Requests of a kind that are being carried out."""
        return sum(count for (_, each), count in self._counts.items() if each == kind)
