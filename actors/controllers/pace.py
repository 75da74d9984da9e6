"""How often a large ReplicaSet or Job is looked at.

A look costs time in proportion to its pods, and pods of a thousand report by the hundred each second. So one
whose manifest hasn't changed is looked at again only after a while that grows with the number of its pods: changes in
between are seen together, and reported in one status. Small ones are not held up at all.
"""

from __future__ import annotations

from typing import Final

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Object

#: This many pods are looked at at once, whenever something happens.
UNPACED_PODS: Final = 50
#: Each further pod adds this to the time between looks.
PAUSE_PER_POD_S: Final = 0.0001
PAUSE_MAX_S: Final = 0.5
#: Less than this isn't worth waiting for, and could be less than the wall clock can tell.
WAIT_MIN_S: Final = 0.001


class Pace:
    """When each object was looked at last, and for how long that will do."""

    def __init__(self) -> None:
        self._looks: dict[Key, tuple[int, float, float]] = {}
        """Key to generation, time of the look, and pause after it (seconds)."""

    def wait_s(self, key: Key, replicaset: Object, now_s: float) -> float:
        """How long to wait before the next look; 0 when it is time, or when the manifest has changed."""
        look = self._looks.get(key)
        if look is None:
            return 0.0
        generation, looked_s, pause_s = look
        elapsed_s = now_s - looked_s
        if elapsed_s < 0 or generation != replicaset["metadata"].get("generation", 0):
            return 0.0  # the clock was set back, or there is something new to do
        wait_s = pause_s - elapsed_s
        return wait_s if wait_s >= WAIT_MIN_S else 0.0

    def looked(self, key: Key, replicaset: Object, pods: int, now_s: float) -> None:
        """That many pods were looked at."""
        if pods <= UNPACED_PODS:
            self._looks.pop(key, None)
            return
        pause_s = min(PAUSE_MAX_S, (pods - UNPACED_PODS) * PAUSE_PER_POD_S)
        self._looks[key] = (replicaset["metadata"].get("generation", 0), now_s, pause_s)

    def forget(self, key: Key) -> None:
        """The ReplicaSet is gone."""
        self._looks.pop(key, None)
