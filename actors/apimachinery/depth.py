"""How deep an object may nest: deeper ones would cost every reader after this one dear."""

from __future__ import annotations

from typing import Any, Final

import orjson

from actors.apimachinery.status import bad_request

DEPTH_MAX: Final = 100


def check_depth(body: Any) -> None:
    """Raises `ApiError` (400) for a body that nests too deep."""
    if _brackets(body) <= DEPTH_MAX:  # it can't be deeper than that
        return
    level = [body]
    for _ in range(DEPTH_MAX):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise bad_request(f"the body is nested deeper than {DEPTH_MAX} levels")


def _brackets(body: Any) -> int:
    """How many objects and arrays it has at most; more than any limit when that can't be told fast."""
    try:
        text = orjson.dumps(body)
    except TypeError:  # nested deeper than the encoder goes, or not JSON
        return DEPTH_MAX + 1
    return text.count(b"{") + text.count(b"[")
