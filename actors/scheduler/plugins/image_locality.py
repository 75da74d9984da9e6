"""ImageLocality: rather where the images are already, the more so the larger they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import MAX_NODE_SCORE
from actors.scheduler.pod_info import PodTemplate

NAME: Final = "ImageLocality"
_MIB: Final = 1024 * 1024
_LEAST_BYTES: Final = 23 * _MIB
_MOST_BYTES_PER_CONTAINER: Final = 1000 * _MIB


def score(template: PodTemplate, node: NodeInfo, image_nodes: Mapping[str, int], node_count: int) -> int:
    """0 to 100, by the bytes that need no fetching.

    Each image's size is scaled by the share of nodes that have it, so that the first node to fetch an image does not
    attract all pods that use it.
    """
    if not node.images:
        return 0
    there = 0
    for image in template.images:
        size = node.images.get(image)
        if size:
            there += int(size * (image_nodes.get(image, 0) / node_count))
    most = _MOST_BYTES_PER_CONTAINER * len(template.images)
    there = min(max(there, _LEAST_BYTES), most)
    return MAX_NODE_SCORE * (there - _LEAST_BYTES) // (most - _LEAST_BYTES)
