"""Resource versions as clients write them: the store's revisions, in decimal digits."""

from __future__ import annotations

from typing import Final

from actors.apimachinery.status import bad_request

#: The store counts in 64 bits, with a sign.
REVISION_MAX: Final = 2**63 - 1
_DIGITS_MAX: Final = len(str(REVISION_MAX))


def parse_resource_version(text: str) -> int | None:
    """The revision; None when none is stated. Raises `ApiError` (400)."""
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX and int(text) <= REVISION_MAX:
        return int(text)
    shown = text if len(text) <= 2 * _DIGITS_MAX else f"{text[: 2 * _DIGITS_MAX]}..."
    raise bad_request(f'invalid resource version "{shown}"')
