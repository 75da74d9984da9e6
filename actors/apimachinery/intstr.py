"""Amounts that are a number or a percentage (``IntOrString``): maxSurge, maxUnavailable."""

from __future__ import annotations

import re
from typing import Any, Final

_PERCENT: Final = re.compile(r"([+-]?\d+)%")


def scaled_value(value: Any, total: int, *, round_up: bool) -> int:
    """The number, or the percentage of `total` as a whole number (``GetScaledValueFromIntOrPercent``).

    Raises `ValueError` for a text that is not a percentage.
    """
    if isinstance(value, int):
        return int(value)
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"invalid value for IntOrString: invalid type: {value!r} is neither int nor percentage")
    hundredths = int(match.group(1)) * total
    return -(-hundredths // 100) if round_up else hundredths // 100


def fenceposts(max_surge: Any, max_unavailable: Any, desired: int) -> tuple[int, int]:
    """How many pods may be above and below `desired` (``ResolveFenceposts``).

    Surge is rounded up and unavailability down; when that leaves no room at all, one may be unavailable, since a
    rollout could not move otherwise.
    """
    surge = scaled_value(0 if max_surge is None else max_surge, desired, round_up=True)
    unavailable = scaled_value(0 if max_unavailable is None else max_unavailable, desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable
