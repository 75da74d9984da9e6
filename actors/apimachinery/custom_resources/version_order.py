"""The order of an API's versions: newest and stablest first (``version.CompareKubeAwareVersionStrings``)."""

from __future__ import annotations

import re
from typing import Final

_VERSION: Final = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STABILITY: Final = {None: 0, "beta": 1, "alpha": 2}


def version_order(version: str) -> tuple[int, int, int, int, str]:
    """A key to sort by: ``v10``, ``v2``, ``v1``, ``v3beta1``, ``v2alpha2``, then everything else by its letters."""
    matched = _VERSION.fullmatch(version)
    if matched is None:
        return (1, 0, 0, 0, version)
    major, stability, minor = matched.groups()
    return (0, _STABILITY[stability], -int(major), -int(minor or 0), "")
