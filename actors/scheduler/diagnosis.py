"""What was found out about a pod that fits nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.scheduler.plugins.status import Rejection


@dataclass(slots=True)
class Diagnosis:
    """Why a pod fits nowhere."""

    node_count: int
    rejections: dict[str, Rejection] = field(default_factory=dict)
    """By node; nodes that were not looked at are missing."""
    absent: Rejection | None = None
    """Why the others were not looked at."""
    pre_filter_message: str = ""

    @property
    def plugins(self) -> list[str]:
        """The plugins that rejected it, in a fixed order."""
        found = {rejection.plugin for rejection in self.rejections.values()}
        if self.absent is not None:
            found.add(self.absent.plugin)
        return sorted(found)
