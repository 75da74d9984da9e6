"""NodeAffinity: node selector, required and preferred node affinity."""

from __future__ import annotations

from typing import Final

from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import Rejection
from actors.scheduler.pod_info import PodTemplate

NAME: Final = "NodeAffinity"
CONFLICT: Final = "pod affinity terms conflict"
_REJECTION: Final = Rejection(NAME, ("node(s) didn't match Pod's node affinity/selector",), resolvable=False)


def matches(template: PodTemplate, node: NodeInfo) -> bool:
    """Whether the node satisfies the node selector and the required node affinity."""
    labels = node.labels
    for key, value in template.node_selector:
        if labels.get(key) != value:
            return False
    if template.required_terms is None:
        return True
    return any(term.matches(labels, node.name) for term in template.required_terms)


def rejects(template: PodTemplate, node: NodeInfo) -> Rejection | None:
    """The filter."""
    return None if matches(template, node) else _REJECTION


def named_nodes(template: PodTemplate) -> frozenset[str] | None:
    """The only nodes the required affinity allows by name, or None when some term names none.

    An empty set means that the terms contradict themselves.
    """
    if not template.required_terms:
        return None
    found: frozenset[str] = frozenset()
    for term in template.required_terms:
        names = term.names()
        if names is None:
            return None
        found |= names
    return found


def score(template: PodTemplate, node: NodeInfo) -> int:
    """Sum of the weights of the preferred terms that match."""
    return sum(weight for weight, term in template.preferred_terms if term.matches(node.labels, node.name))
