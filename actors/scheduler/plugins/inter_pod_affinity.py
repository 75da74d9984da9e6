"""InterPodAffinity: pods that want, or don't want, to be where certain other pods are.

Anti-affinity works both ways: a pod does not go where a pod already runs that wants none like it nearby. As with
topology spreading, a node's own contribution (`relations_on`) is kept apart from the sum over all nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import MAX_NODE_SCORE, Rejection
from actors.scheduler.pod_info import AffinityTerm, PodTemplate

NAME: Final = "InterPodAffinity"
_AFFINITY: Final = Rejection(NAME, ("node(s) didn't match pod affinity rules",), resolvable=False)
_ANTI_AFFINITY: Final = Rejection(NAME, ("node(s) didn't match pod anti-affinity rules",))
_EXISTING: Final = Rejection(NAME, ("node(s) didn't satisfy existing pods anti-affinity rules",))
#: What a required affinity of a pod that runs already counts for in the score of pods that it would like near.
_HARD_AFFINITY_WEIGHT: Final = 1

NamespaceLabels = Callable[[str], Mapping[str, str]]
Pair = tuple[str, str]
"""A topology key and its value: a domain."""


@dataclass(slots=True)
class Relations:
    """What the pods on one node mean to a pod that looks for a place."""

    affine: int
    """How many match all its affinity terms."""
    anti: tuple[int, ...]
    """How many match each of its anti-affinity terms."""
    existing: dict[str, int]
    """How many of their own anti-affinity terms match it, by topology key."""
    preference: dict[str, int]
    """Weights of preferred terms that match, either way, by topology key."""


def relations_on(template: PodTemplate, node: NodeInfo, namespace_labels: NamespaceLabels) -> Relations:
    """What the pods on a node mean to a pod."""
    preference: dict[str, int] = {}
    affine = 0
    anti = [0] * len(template.anti_affinity)
    if template.has_pod_affinity:
        for info in node.pods.values():
            other = info.template
            labels = namespace_labels(other.namespace)
            if template.affinity and _all_match(template.affinity, other, labels):
                affine += 1
            for i, term in enumerate(template.anti_affinity):
                anti[i] += term.matches(other.namespace, other.labels, labels)
            _prefer(preference, template.preferred_affinity, other, labels)
    own_labels = namespace_labels(template.namespace)
    existing: dict[str, int] = {}
    for info in node.pods_with_affinity.values():
        other = info.template
        for term in other.anti_affinity:
            if term.matches(template.namespace, template.labels, own_labels):
                existing[term.topology_key] = existing.get(term.topology_key, 0) + 1
        for term in other.affinity:
            if term.matches(template.namespace, template.labels, own_labels):
                key = term.topology_key
                preference[key] = preference.get(key, 0) + _HARD_AFFINITY_WEIGHT
        _prefer(preference, other.preferred_affinity, template, own_labels)
    return Relations(affine, tuple(anti), existing, preference)


def _all_match(terms: Sequence[AffinityTerm], other: PodTemplate, namespace_labels: Mapping[str, str]) -> bool:
    return all(term.matches(other.namespace, other.labels, namespace_labels) for term in terms)


def _prefer(
    preference: dict[str, int], terms: Sequence[AffinityTerm], pod: PodTemplate, labels: Mapping[str, str]
) -> None:
    for term in terms:
        if term.matches(pod.namespace, pod.labels, labels):
            preference[term.topology_key] = preference.get(term.topology_key, 0) + term.weight


@dataclass(slots=True)
class Affinities:
    """What all pods together mean to a pod, by domain."""

    template: PodTemplate
    affine: dict[Pair, int]
    anti: dict[Pair, int]
    existing: dict[str, dict[str, int]]
    """By topology key and value."""
    preference: dict[str, dict[str, int]]
    """Score by topology key and value."""
    first_of_its_kind: bool
    """No pod anywhere matches its affinity, but it would itself: then it may go first."""

    def rejects(self, node: NodeInfo) -> Rejection | None:
        """The filter."""
        labels = node.labels
        if self.template.affinity and not self._satisfied(labels):
            return _AFFINITY
        if self.anti:
            for term in self.template.anti_affinity:
                value = labels.get(term.topology_key)
                if value is not None and self.anti.get((term.topology_key, value)):
                    return _ANTI_AFFINITY
        for key, values in self.existing.items():
            if labels.get(key) in values:
                return _EXISTING
        return None

    def _satisfied(self, labels: Mapping[str, str]) -> bool:
        there = True
        for term in self.template.affinity:
            value = labels.get(term.topology_key)
            if value is None:
                return False
            if not self.affine.get((term.topology_key, value)):
                there = False
        return there or self.first_of_its_kind

    def score(self, node: NodeInfo) -> int:
        """Sum of the weights of the node's domains."""
        total = 0
        for key, values in self.preference.items():
            value = node.labels.get(key)
            if value is not None:
                total += values.get(value, 0)
        return total


def affinities(
    template: PodTemplate, rows: Sequence[tuple[NodeInfo, Relations]], own_namespace_labels: Mapping[str, str]
) -> Affinities:
    """Sum up what all nodes contribute."""
    affine: dict[Pair, int] = {}
    anti: dict[Pair, int] = {}
    existing: dict[str, dict[str, int]] = {}
    preference: dict[str, dict[str, int]] = {}
    for node, relations in rows:
        labels = node.labels
        if relations.affine:
            for term in template.affinity:
                _add(affine, term.topology_key, labels, relations.affine)
        for term, count in zip(template.anti_affinity, relations.anti, strict=True):
            if count:
                _add(anti, term.topology_key, labels, count)
        for key, count in relations.existing.items():
            _add_nested(existing, key, labels, count)
        for key, weight in relations.preference.items():
            _add_nested(preference, key, labels, weight)
    first = not affine and _all_match(template.affinity, template, own_namespace_labels)
    return Affinities(template, affine, anti, existing, preference, first)


def _add(table: dict[Pair, int], key: str, labels: Mapping[str, str], count: int) -> None:
    value = labels.get(key)
    if value is not None:
        table[key, value] = table.get((key, value), 0) + count


def _add_nested(table: dict[str, dict[str, int]], key: str, labels: Mapping[str, str], count: int) -> None:
    value = labels.get(key)
    if value is not None:
        values = table.setdefault(key, {})
        values[value] = values.get(value, 0) + count


def normalized(raw: Sequence[int]) -> list[int]:
    """Scores 0 to 100 between the lowest and the highest; zero counts as one of them."""
    low, high = min(0, *raw), max(0, *raw)
    if low == high:
        return [0] * len(raw)
    return [int(MAX_NODE_SCORE * ((score - low) / (high - low))) for score in raw]
