"""Runs the plugins: which nodes can take a pod, and which of them is best.

Filters run in Kubernetes' order and stop at the first that rejects a node; scores are normalised and weighted as in its
default profile. What concerns one node and one pod template alone is remembered as a `NodeView` for as long as the node
stays as it is, so that of a thousand pods of one Deployment all but the first look at the changed nodes only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from actors.scheduler.diagnosis import Diagnosis
from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins import (
    image_locality,
    inter_pod_affinity,
    node_affinity,
    node_ports,
    node_resources,
    node_unschedulable,
    pod_topology_spread,
    taint_toleration,
)
from actors.scheduler.plugins.inter_pod_affinity import Affinities, Relations
from actors.scheduler.plugins.pod_topology_spread import Counts, HardSpread
from actors.scheduler.plugins.status import MAX_NODE_SCORE, Rejection
from actors.scheduler.pod_info import PodInfo, PodTemplate, SpreadConstraint
from actors.scheduler.preemption import (
    Candidate,
    DisruptionBudget,
    best_candidate,
    candidates_wanted,
    select_victims,
)
from actors.scheduler.snapshot import Snapshot

#: Weights of the default profile.
TAINT_TOLERATION_WEIGHT: Final = 3
NODE_AFFINITY_WEIGHT: Final = 2
POD_TOPOLOGY_SPREAD_WEIGHT: Final = 2
INTER_POD_AFFINITY_WEIGHT: Final = 2

#: At least so many feasible nodes are scored, and at least this share of all.
FEASIBLE_NODES_MIN: Final = 100
FEASIBLE_PERCENT_MIN: Final = 5
#: Views are remembered for so many templates.
TEMPLATES_REMEMBERED: Final = 64

_LOCAL_FILTERS: Final = (
    node_unschedulable.rejects,
    taint_toleration.rejects,
    node_affinity.rejects,
    node_ports.rejects,
    node_resources.rejects,
)


@dataclass(slots=True)
class NodeView:
    """What is known of a node for a pod template."""

    generation: int
    rejection: Rejection | None
    fixed: int = 0
    """The scores that need no normalising, weighted and summed."""
    taints: int = 0
    affinity: int = 0
    hard: Counts = ()
    soft: Counts = ()
    relations: Relations | None = None


@dataclass(slots=True)
class TemplateViews:
    """The views of all nodes for a pod template, valid at one generation of what nodes share."""

    shared_generation: int
    hard: tuple[SpreadConstraint, ...]
    soft: tuple[SpreadConstraint, ...]
    named_nodes: frozenset[str] | None
    by_node: dict[str, NodeView] = field(default_factory=dict)


@dataclass(slots=True)
class Placement:
    """The answer for a pod: a node, or a diagnosis."""

    node_name: str = ""
    diagnosis: Diagnosis | None = None


def feasible_nodes_wanted(node_count: int) -> int:
    """How many feasible nodes are enough to choose from."""
    if node_count < FEASIBLE_NODES_MIN:
        return node_count
    percent = max(FEASIBLE_PERCENT_MIN, 50 - node_count // 125)
    return max(FEASIBLE_NODES_MIN, node_count * percent // 100)


class Framework:
    """The default profile, over a snapshot."""

    def __init__(self, snapshot: Snapshot, random: Random) -> None:
        self._snapshot = snapshot
        self._random = random
        self._views: OrderedDict[PodTemplate, TemplateViews] = OrderedDict()
        self._next_start = 0

    def schedule(self, info: PodInfo) -> Placement:
        """Find a node for the pod. The snapshot is not changed."""
        nodes = self._snapshot.listed()
        diagnosis = Diagnosis(len(nodes))
        if not nodes:
            return Placement(diagnosis=diagnosis)
        template = info.template
        if (nominated := self._snapshot.nominated_node(info.uid)) is not None and self.rejects(info, nominated) is None:
            return Placement(nominated.name)
        views = self._views_of(template)
        candidates = nodes
        if views.named_nodes is not None:
            if not views.named_nodes:
                diagnosis.pre_filter_message = node_affinity.CONFLICT
                diagnosis.absent = Rejection(node_affinity.NAME, (node_affinity.CONFLICT,), resolvable=False)
                return Placement(diagnosis=diagnosis)
            candidates = [node for node in nodes if node.name in views.named_nodes]
            reason = f"node(s) didn't satisfy plugin(s) [{node_affinity.NAME}]"
            diagnosis.absent = Rejection(node_affinity.NAME, (reason,), resolvable=False)
        relations = self._affinities(template, views, nodes)
        feasible = self._filter(info, views, candidates, relations, diagnosis)
        self._next_start = (self._next_start + len(feasible) + len(diagnosis.rejections)) % len(nodes)
        if not feasible:
            return Placement(diagnosis=diagnosis)
        if len(feasible) == 1:
            return Placement(feasible[0][0].name)
        return Placement(self._best(self._scores(template, views, feasible, nodes, relations), feasible))

    # Filtering

    def _filter(
        self,
        info: PodInfo,
        views: TemplateViews,
        candidates: list[NodeInfo],
        relations: Affinities | None,
        diagnosis: Diagnosis,
    ) -> list[tuple[NodeInfo, NodeView]]:
        """The feasible nodes, as many as are wanted; the others' reasons go to the diagnosis."""
        template = info.template
        hard = self._hard_spread(template, views)
        reserved = self._snapshot.nominated
        wanted = feasible_nodes_wanted(len(candidates))
        start = self._next_start % len(candidates) if candidates else 0
        feasible: list[tuple[NodeInfo, NodeView]] = []
        by_node = views.by_node
        for node in candidates[start:] + candidates[:start]:
            view = by_node.get(node.name)
            if view is None or view.generation != node.generation:
                view = self._view(template, views, node)
            rejection = view.rejection
            if rejection is None and hard is not None:
                rejection = hard.rejects(node)
            if rejection is None and relations is not None:
                rejection = relations.rejects(node)
            if rejection is None and node.name in reserved:
                rejection = self.rejects(info, node)
            if rejection is not None:
                diagnosis.rejections[node.name] = rejection
                continue
            feasible.append((node, view))
            if len(feasible) == wanted:
                break
        return feasible

    def _hard_spread(self, template: PodTemplate, views: TemplateViews) -> HardSpread | None:
        if not views.hard:
            return None
        rows = [(node, self._fresh(template, views, node).hard) for node in self._snapshot.listed()]
        return pod_topology_spread.hard_spread(template, views.hard, rows)

    def _affinities(self, template: PodTemplate, views: TemplateViews, nodes: list[NodeInfo]) -> Affinities | None:
        if not template.has_pod_affinity and not self._snapshot.pods_with_affinity:
            return None
        rows: list[tuple[NodeInfo, Relations]] = []
        for node in nodes:
            if template.has_pod_affinity or node.pods_with_affinity:
                view = self._fresh(template, views, node)
                if view.relations is None:
                    labels = self._snapshot.namespace_labels
                    view.relations = inter_pod_affinity.relations_on(template, node, labels)
                rows.append((node, view.relations))
        own = self._snapshot.namespace_labels(template.namespace)
        return inter_pod_affinity.affinities(template, rows, own)

    # What if

    def rejects(self, info: PodInfo, node: NodeInfo) -> Rejection | None:
        """Why the pod could not run on a node if it were like this, which may differ from how it is.

        Pods that room was made for on the node, and that are as important at least, count as if they were there; and
        the pod has to fit without them too, as they may yet go elsewhere.
        """
        rejection = self._rejects_as_is(info, node)
        others = self._snapshot.reserving(node.name, info)
        if rejection is not None or not others:
            return rejection
        trial = node.copy()
        for other in others:
            trial.add_pod(other)
        return self._rejects_as_is(info, trial)

    def _rejects_as_is(self, info: PodInfo, node: NodeInfo) -> Rejection | None:
        template = info.template
        rejection = local_rejection(template, node)
        if rejection is not None:
            return rejection
        views = self._views_of(template)
        if views.hard:
            counts = pod_topology_spread.counts_on(template, views.hard, node)
            rows = [
                (node, counts) if other.name == node.name else (other, self._fresh(template, views, other).hard)
                for other in self._snapshot.listed()
            ]
            rejection = pod_topology_spread.hard_spread(template, views.hard, rows).rejects(node)
        if rejection is None and (template.has_pod_affinity or self._snapshot.pods_with_affinity):
            nodes = [node if other.name == node.name else other for other in self._snapshot.listed()]
            labels = self._snapshot.namespace_labels
            relations = [(n, inter_pod_affinity.relations_on(template, n, labels)) for n in nodes]
            own = labels(template.namespace)
            rejection = inter_pod_affinity.affinities(template, relations, own).rejects(node)
        return rejection

    def preempt(
        self, info: PodInfo, diagnosis: Diagnosis, budgets: Sequence[DisruptionBudget]
    ) -> Candidate | dict[str, tuple[str, ...]]:
        """The node where making room does the least harm; or why it helps on none, by node."""
        nodes = [
            node
            for node in self._snapshot.listed()
            if (rejection := diagnosis.rejections.get(node.name)) is not None and rejection.resolvable
        ]
        tried: dict[str, tuple[str, ...]] = {}
        candidates: list[Candidate] = []
        start = self._random.randrange(len(nodes)) if nodes else 0
        for node in nodes[start:] + nodes[:start]:
            found = select_victims(info, node, lambda trial: self.rejects(info, trial), budgets)
            if isinstance(found, Candidate):
                candidates.append(found)
                if len(candidates) == candidates_wanted(len(nodes)):
                    break
            else:
                tried[node.name] = found
        return best_candidate(candidates) if candidates else tried

    # Views

    def _views_of(self, template: PodTemplate) -> TemplateViews:
        views = self._views.get(template)
        shared = self._snapshot.shared_generation
        if views is None or views.shared_generation != shared:
            services = None
            if not template.has_spread_constraints and not template.owner_uid:
                services = self._snapshot.service_selector(template)
            views = self._views[template] = TemplateViews(
                shared,
                pod_topology_spread.hard_constraints(template),
                pod_topology_spread.soft_constraints(template, services),
                node_affinity.named_nodes(template),
            )
            if len(self._views) > TEMPLATES_REMEMBERED:
                self._views.popitem(last=False)
        self._views.move_to_end(template)
        return views

    def _fresh(self, template: PodTemplate, views: TemplateViews, node: NodeInfo) -> NodeView:
        view = views.by_node.get(node.name)
        if view is None or view.generation != node.generation:
            return self._view(template, views, node)
        return view

    def _view(self, template: PodTemplate, views: TemplateViews, node: NodeInfo) -> NodeView:
        """Look at a node anew."""
        rejection = local_rejection(template, node)
        view = views.by_node[node.name] = NodeView(node.generation, rejection)
        if views.hard:
            view.hard = pod_topology_spread.counts_on(template, views.hard, node)
        if views.soft:
            view.soft = pod_topology_spread.counts_on(
                template, views.soft, node, all_labels=template.has_spread_constraints
            )
        if rejection is None:
            view.fixed = (
                node_resources.least_allocated(template, node)
                + node_resources.balanced_allocation(template, node)
                + image_locality.score(template, node, self._snapshot.image_nodes, len(self._snapshot.listed()))
            )
            if node.taints:
                view.taints = taint_toleration.score(template, node)
            if template.preferred_terms:
                view.affinity = node_affinity.score(template, node)
        return view

    # Scoring

    def _scores(
        self,
        template: PodTemplate,
        views: TemplateViews,
        feasible: Sequence[tuple[NodeInfo, NodeView]],
        nodes: list[NodeInfo],
        relations: Affinities | None,
    ) -> list[int]:
        """The total score of each feasible node."""
        scores = [view.fixed for _, view in feasible]
        taints = _normalized([view.taints for _, view in feasible], reverse=True)
        _add_weighted(scores, taints, TAINT_TOLERATION_WEIGHT)
        if template.preferred_terms:
            wanted = _normalized([view.affinity for _, view in feasible])
            _add_weighted(scores, wanted, NODE_AFFINITY_WEIGHT)
        if views.soft:
            _add_weighted(scores, self._spread(template, views, feasible, nodes), POD_TOPOLOGY_SPREAD_WEIGHT)
        if relations is not None and relations.preference:
            near = inter_pod_affinity.normalized([relations.score(node) for node, _ in feasible])
            _add_weighted(scores, near, INTER_POD_AFFINITY_WEIGHT)
        return scores

    def _spread(
        self,
        template: PodTemplate,
        views: TemplateViews,
        feasible: Sequence[tuple[NodeInfo, NodeView]],
        nodes: list[NodeInfo],
    ) -> list[int]:
        rows: list[tuple[NodeInfo, Counts]] = []
        if template.has_spread_constraints or self._snapshot.zone_labels:
            rows = [(node, self._fresh(template, views, node).soft) for node in nodes]
        return pod_topology_spread.soft_scores(
            views.soft,
            [(node, view.soft) for node, view in feasible],
            rows,
            all_labels=template.has_spread_constraints,
        )

    def _best(self, scores: list[int], feasible: Sequence[tuple[NodeInfo, NodeView]]) -> str:
        """The node with the highest score; one of them by chance when there are several."""
        highest = max(scores)
        best = [i for i, score in enumerate(scores) if score == highest]
        chosen = best[0] if len(best) == 1 else best[self._random.randrange(len(best))]
        return feasible[chosen][0].name


def local_rejection(template: PodTemplate, node: NodeInfo) -> Rejection | None:
    """What the filters say that look at the node alone."""
    for rejects in _LOCAL_FILTERS:
        rejection = rejects(template, node)
        if rejection is not None:
            return rejection
    return None


def _normalized(raw: list[int], *, reverse: bool = False) -> list[int]:
    """Scores as a share of the highest, 0 to 100; reversed, the highest gets 0."""
    highest = max(raw)
    if highest == 0:
        return [MAX_NODE_SCORE if reverse else 0] * len(raw)
    shares = [MAX_NODE_SCORE * score // highest for score in raw]
    return [MAX_NODE_SCORE - share for share in shares] if reverse else shares


def _add_weighted(scores: list[int], more: list[int], weight: int) -> None:
    for i, score in enumerate(more):
        scores[i] += weight * score
