"""TaintToleration: pods go only where they tolerate the taints, and rather where they tolerate the soft ones."""

from __future__ import annotations

from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import Rejection
from actors.scheduler.pod_info import PodTemplate

NAME: Final = "TaintToleration"
_REJECTION: Final = Rejection(NAME, ("node(s) had untolerated taint(s)",), resolvable=False)


def rejects(template: PodTemplate, node: NodeInfo) -> Rejection | None:
    """The filter: NoSchedule and NoExecute taints have to be tolerated."""
    for taint in node.taints:
        if taint[2] in ("NoSchedule", "NoExecute") and not template.tolerations.tolerate(taint):
            return _REJECTION
    return None


def score(template: PodTemplate, node: NodeInfo) -> int:
    """How many PreferNoSchedule taints are not tolerated; the fewer the better."""
    return sum(taint[2] == "PreferNoSchedule" and not template.tolerations.tolerate(taint) for taint in node.taints)
