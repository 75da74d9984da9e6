"""NodeUnschedulable: cordoned nodes take no pods, except those that tolerate it."""

from __future__ import annotations

from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import Rejection
from actors.scheduler.pod_info import PodTemplate

NAME: Final = "NodeUnschedulable"
_TAINT: Final = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
_REJECTION: Final = Rejection(NAME, ("node(s) were unschedulable",), resolvable=False)


def rejects(template: PodTemplate, node: NodeInfo) -> Rejection | None:
    """The filter."""
    if node.unschedulable and not template.tolerations.tolerate(_TAINT):
        return _REJECTION
    return None
