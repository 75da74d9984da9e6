"""PodTopologySpread: pods of a kind spread over zones, nodes, or whatever domains a label of the nodes defines.

What a single node contributes (`counts_on`) is kept apart from what follows from all nodes together (`HardSpread`,
`SoftSpread`), so that the first can be remembered for as long as the node does not change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins import node_affinity, taint_toleration
from actors.scheduler.plugins.status import MAX_NODE_SCORE, Rejection
from actors.scheduler.pod_info import HOSTNAME, ZONE, PodTemplate, SpreadConstraint
from actors.scheduler.selectors import LabelSelector

NAME: Final = "PodTopologySpread"
_MISMATCH: Final = Rejection(NAME, ("node(s) didn't match pod topology spread constraints",))
_NO_LABEL: Final = Rejection(
    NAME, ("node(s) didn't match pod topology spread constraints (missing required label)",), resolvable=False
)
#: The least count of a constraint for which no node counts: it never rejects.
_NO_DOMAIN: Final = 2**31 - 1

Counts = tuple[int | None, ...]
"""Matching pods on a node, for each constraint; None where the node does not count for it."""


def hard_constraints(template: PodTemplate) -> tuple[SpreadConstraint, ...]:
    """The constraints that have to be met."""
    return tuple(c for c in template.spread if c.hard)


def soft_constraints(template: PodTemplate, selector: LabelSelector | None) -> tuple[SpreadConstraint, ...]:
    """The constraints to meet as well as possible: the pod's own, or the default ones of its controller or service.

    `selector` is what the pod's services select, if there are any.
    """
    if template.has_spread_constraints:
        return tuple(c for c in template.spread if not c.hard)
    if not template.owner_uid and selector is None:
        return ()
    chosen = selector or LabelSelector()
    return (SpreadConstraint(HOSTNAME, chosen, 3, hard=False), SpreadConstraint(ZONE, chosen, 5, hard=False))


def counts_on(
    template: PodTemplate, constraints: Sequence[SpreadConstraint], node: NodeInfo, *, all_labels: bool = True
) -> Counts:
    """The pods on a node that each constraint counts.

    With `all_labels`, a node that lacks the label of any constraint counts for none.
    """
    if all_labels and not all(c.topology_key in node.labels for c in constraints):
        return (None,) * len(constraints)
    return tuple(_count(template, c, node) if _includes(template, c, node) else None for c in constraints)


def _includes(template: PodTemplate, constraint: SpreadConstraint, node: NodeInfo) -> bool:
    if constraint.honor_affinity and not node_affinity.matches(template, node):
        return False
    return not constraint.honor_taints or taint_toleration.rejects(template, node) is None


def _count(template: PodTemplate, constraint: SpreadConstraint, node: NodeInfo) -> int:
    if template.owner_uid and not template.has_spread_constraints:
        return node.owners.get(template.owner_uid, 0)
    matches, namespace = constraint.selector.matches, template.namespace
    found = 0
    for info in node.pods.values():
        other = info.template
        if other.namespace == namespace and not info.terminating and matches(other.labels):
            found += 1
    return found


@dataclass(slots=True)
class HardSpread:
    """How the pods are spread over each constraint's domains."""

    constraints: tuple[SpreadConstraint, ...]
    domains: list[dict[str, int]]
    """Matching pods by value of the topology key, for each constraint."""
    least: list[int]
    own: list[int]
    """1 where the pod itself counts."""

    def rejects(self, node: NodeInfo) -> Rejection | None:
        """The filter."""
        for constraint, domains, least, own in zip(self.constraints, self.domains, self.least, self.own, strict=True):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return _NO_LABEL
            if domains.get(value, 0) + own - least > constraint.max_skew:
                return _MISMATCH
        return None


def hard_spread(
    template: PodTemplate, constraints: tuple[SpreadConstraint, ...], rows: Sequence[tuple[NodeInfo, Counts]]
) -> HardSpread:
    """Sum up what all nodes contribute."""
    domains: list[dict[str, int]] = [{} for _ in constraints]
    for node, counts in rows:
        for i, count in enumerate(counts):
            if count is not None:
                value = node.labels[constraints[i].topology_key]
                domains[i][value] = domains[i].get(value, 0) + count
    least = [
        0 if len(found) < c.min_domains else min(found.values(), default=_NO_DOMAIN)
        for c, found in zip(constraints, domains, strict=True)
    ]
    return HardSpread(constraints, domains, least, [int(c.selector.matches(template.labels)) for c in constraints])


def soft_scores(
    constraints: tuple[SpreadConstraint, ...],
    feasible: Sequence[tuple[NodeInfo, Counts]],
    rows: Sequence[tuple[NodeInfo, Counts]],
    *,
    all_labels: bool,
) -> list[int]:
    """Scores of the feasible nodes, 0 to 100: the fewer matching pods in a node's domains, the higher.

    `rows` are all nodes; they matter only to constraints on more than the single node.
    """
    ignored = [all_labels and not all(c.topology_key in node.labels for c in constraints) for node, _ in feasible]
    raw = [0.0] * len(feasible)
    for i, constraint in enumerate(constraints):
        key = constraint.topology_key
        if key == HOSTNAME:
            weight = math.log(len(feasible) - sum(ignored) + 2)
            domains: dict[str, int] = {}
        else:
            domains = {
                node.labels.get(key, ""): 0 for (node, _), skip in zip(feasible, ignored, strict=True) if not skip
            }
            weight = math.log(len(domains) + 2)
            if domains.keys() != {""}:
                _fill(domains, i, key, rows)
        for j, (node, counts) in enumerate(feasible):
            value = node.labels.get(key)
            if value is None or ignored[j]:
                continue
            count = (counts[i] or 0) if key == HOSTNAME else domains[value]
            raw[j] += count * weight + (constraint.max_skew - 1)
    return _normalized([_round(score) for score in raw], ignored)


def _fill(domains: dict[str, int], i: int, key: str, rows: Sequence[tuple[NodeInfo, Counts]]) -> None:
    for node, counts in rows:
        count = counts[i]
        value = node.labels.get(key, "")
        if count is not None and value in domains:
            domains[value] += count


def _round(score: float) -> int:
    """To the nearest whole number, halves away from zero, as Go rounds."""
    return math.floor(score + 0.5)


def _normalized(raw: list[int], ignored: list[bool]) -> list[int]:
    counted = [score for score, skip in zip(raw, ignored, strict=True) if not skip]
    low, high = min(counted, default=0), max(counted, default=0)
    return [
        0 if skip else MAX_NODE_SCORE if high == 0 else MAX_NODE_SCORE * (high + low - score) // high
        for score, skip in zip(raw, ignored, strict=True)
    ]
