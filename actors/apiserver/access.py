"""Who asks, and whether they may: looked at once for every operation and every watch."""

from __future__ import annotations

from actors.apimachinery.user import User
from actors.apiserver.call import Call
from actors.apiserver.identity import Identities
from broker.message import MalformedMessage, Request


class Access:
    """The API server's door."""

    def __init__(self) -> None:
        self._identities = Identities()
        self.user_of = self._identities.user_of

    def check(self, call: Call) -> None:
        """Raises `ApiError` (403) when the call's user may not do that."""

    def check_watch(self, request: Request) -> User | None:
        """For whom a watch is asked. Raises `ApiError` (400, 403)."""
        try:
            body = request.body
        except MalformedMessage:
            return None  # refused by who reads it
        return self.user_of(request.sender, body if isinstance(body, dict) else {})
