"""Which pods go first when a ReplicaSet has too many (``controller.ActivePodsWithRanks``).

A pod is deleted before another one if it, in this order,

1. has no node while the other has one
2. is Pending rather than Unknown rather than Running
3. is not ready
4. has the lower ``controller.kubernetes.io/pod-deletion-cost``
5. shares its node with more pods of the same owner
6. has been ready for less time, on a logarithmic scale; within one step of it, by uid
7. has restarted more often (regular containers first, then sidecars)
8. is younger, on the same scale; within one step, by uid

The scale makes the choice among pods of about one age arbitrary, so that not all of one zone or batch go.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Final

from actors.apimachinery.meta import annotations_of, parse_time, uid_of
from actors.apimachinery.operation import Object
from actors.apimachinery.pods import RUNNING, UNKNOWN, is_active, is_ready, node_name, phase, ready_since_s

POD_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_RANK: Final = {UNKNOWN: 1, RUNNING: 2}
_NS_PER_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class Ranked:
    """A pod with everything that is compared."""

    pod: Object
    uid: str
    first: tuple[int, int, int, int, int]
    """Points 1 to 5: the smaller goes first."""
    ready: bool
    ready_since_s: float | None
    restarts: tuple[int, int]
    created_s: float


def pods_to_delete(pods: Sequence[Object], related: Iterable[Object], count: int, now_s: float) -> list[Object]:
    """`count` of the pods, the first to go first. `related`: all pods of the same owner's ReplicaSets."""
    if count >= len(pods):
        return list(pods)
    colocated = Counter(node_name(pod) for pod in related if is_active(pod))
    ranked = [_ranked(pod, colocated[node_name(pod)]) for pod in pods]
    ranked.sort(key=cmp_to_key(lambda left, right: compare(left, right, now_s)))
    return [entry.pod for entry in ranked[:count]]


def rank(pod: Object, colocated: int = 0) -> Ranked:
    """A pod made ready for `compare`; `colocated` pods of the same owner are on its node."""
    return _ranked(pod, colocated)


def compare(left: Ranked, right: Ranked, now_s: float) -> int:
    """Negative when `left` goes first, positive when `right` does, 0 when nothing tells them apart."""
    if left.first != right.first:
        return -1 if left.first < right.first else 1
    if left.ready and right.ready and left.ready_since_s != right.ready_since_s:
        return _by_age(left, right, left.ready_since_s, right.ready_since_s, now_s)
    if left.restarts != right.restarts:
        return -1 if left.restarts > right.restarts else 1
    if left.created_s != right.created_s:
        return _by_age(left, right, left.created_s, right.created_s, now_s)
    return 0


def _ranked(pod: Object, colocated: int) -> Ranked:
    ready = is_ready(pod)
    first = (
        1 if node_name(pod) else 0,
        _PHASE_RANK.get(phase(pod), 0),
        1 if ready else 0,
        deletion_cost(pod),
        -colocated,
    )
    created = pod["metadata"].get("creationTimestamp")
    created_s = parse_time(created) if created else 0.0
    return Ranked(pod, uid_of(pod), first, ready, ready_since_s(pod), restart_counts(pod), created_s)


def _by_age(left: Ranked, right: Ranked, left_s: float | None, right_s: float | None, now_s: float) -> int:
    difference = _age_step(left_s, now_s) - _age_step(right_s, now_s)
    if difference:
        return difference
    return -1 if left.uid < right.uid else 1


def _age_step(since_s: float | None, now_s: float) -> int:
    """The age's binary logarithm as a whole number, of nanoseconds; -1 for what is yet to come."""
    age_ns = (now_s - (since_s or 0.0)) * _NS_PER_S
    return int(math.log2(age_ns)) if age_ns > 0 else -1


def deletion_cost(pod: Object) -> int:
    """The pod's ``pod-deletion-cost`` annotation; 0 when it has none or it isn't a number of 32 bits."""
    text = annotations_of(pod).get(POD_DELETION_COST, "0")
    sign = text[:1] in "+-"
    digits = text[1:] if sign else text
    if not (digits.isascii() and digits.isdigit()) or text[:1] == "+" or (len(digits) > 1 and digits[0] == "0"):
        return 0
    cost = int(text)
    return cost if -(2**31) <= cost < 2**31 else 0


def restart_counts(pod: Object) -> tuple[int, int]:
    """The most restarts of a regular container, and of a sidecar."""
    status = pod.get("status") or {}
    regular = max((found.get("restartCount", 0) for found in status.get("containerStatuses") or ()), default=0)
    restarts = {found["name"]: found.get("restartCount", 0) for found in status.get("initContainerStatuses") or ()}
    sidecars = [c["name"] for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return regular, max((restarts.get(name, 0) for name in sidecars), default=0)
