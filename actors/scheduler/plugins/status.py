"""What a filter says of a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_NODE_SCORE: Final = 100


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a pod can't run on a node."""

    plugin: str
    reasons: tuple[str, ...]
    resolvable: bool = True
    """Whether taking pods off the node could help (Unschedulable), or not (UnschedulableAndUnresolvable)."""
