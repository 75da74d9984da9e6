"""Ages and durations as kubectl shows them (``k8s.io/apimachinery/pkg/util/duration``)."""

from __future__ import annotations

from actors.apimachinery.meta import parse_time

UNKNOWN = "<unknown>"


def human_duration(duration_s: float) -> str:
    """A duration in two units at most, the finer dropped as it grows: ``45s``, ``2m5s``, ``3h10m``, ``2d3h``, ``4y``.

    Up to a second in the future counts as now (clocks differ); further in the future is ``<invalid>``.
    """
    seconds = int(duration_s)
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 60 * 2:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return _two_units(minutes, "m", seconds % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _two_units(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _two_units(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = hours // (24 * 365)
    if hours < 24 * 365 * 8:
        return _two_units(years, "y", days % 365, "d")
    return f"{years}y"


def _two_units(whole: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{whole}{unit}{rest}{rest_unit}" if rest else f"{whole}{unit}"


def seconds_of(time: str | None) -> float | None:
    """A timestamp of an object in seconds since the epoch; None when there is none or it can't be read."""
    if not time:
        return None
    try:
        return parse_time(time)
    except ValueError:
        return None


def age(time: str | None, now_s: float) -> str:
    """How long ago a timestamp was: ``5m``; ``<unknown>`` without one."""
    at_s = seconds_of(time)
    return UNKNOWN if at_s is None else human_duration(now_s - at_s)
