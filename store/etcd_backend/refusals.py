"""What an etcd's error status means: a refusal of ours, a reason to try elsewhere, or neither."""

from __future__ import annotations

from typing import Final

from store import errors
from store.errors import StoreError

UNAVAILABLE_CODES: Final = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"))
#: Texts of etcd that say that the token is missing, unknown, or from before a change of the rights.
_TOKEN_TEXTS: Final = (
    "etcdserver: invalid auth token",
    "etcdserver: user name is empty",
    "etcdserver: revision of auth store is old",
)
_BUSY_TEXTS: Final = ("etcdserver: too many requests",)


class EtcdUnreachable(Exception):
    """No member answered in time. Whether the call was carried out is not known."""


class EtcdRefused(StoreError):
    """etcd refused for a reason of its own (rights, space); nothing was changed. The text is etcd's."""

    code = "EtcdRefused"


def _by_message() -> dict[str, type[StoreError]]:
    found: dict[str, type[StoreError]] = {}
    waiting: list[type[StoreError]] = [errors.StoreError]
    while waiting:
        error = waiting.pop()
        if error.message:
            found[error.message] = error
        waiting += error.__subclasses__()
    return found


_REFUSALS: Final = _by_message()


def is_token_refused(code: str, text: str) -> bool:
    """Whether a fresh token may help."""
    return code == "UNAUTHENTICATED" or text in _TOKEN_TEXTS


def is_transient(code: str, text: str) -> bool:
    """Whether another attempt, perhaps at another member, may succeed."""
    return code in UNAVAILABLE_CODES or text in _BUSY_TEXTS


def refusal(code: str, text: str) -> StoreError:
    """The refusal that a status stands for."""
    known = _REFUSALS.get(text)
    if known is not None:
        return known()
    return EtcdRefused(text or code)
