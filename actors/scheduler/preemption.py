"""DefaultPreemption: which pods have to go so that a more important one fits.

On each node whose rejection could be resolved, all pods of lower priority are thought away. If the pod fits then, they
are given back one by one, the most important first and those that a disruption budget protects before the others; those
that can't be given back are the victims. Of all nodes the one is chosen that does the least harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.scheduler.fit_error import NO_VICTIMS
from actors.scheduler.node_info import NodeInfo
from actors.scheduler.plugins.status import Rejection
from actors.scheduler.pod_info import PodInfo
from actors.scheduler.selectors import LabelSelector, label_selector

#: At least so many candidate nodes are tried, and this share of those that may help.
CANDIDATES_MIN: Final = 100
CANDIDATES_PERCENT: Final = 10
POLICY_NEVER: Final = "not eligible due to preemptionPolicy=Never."
VICTIMS_LEAVING: Final = "not eligible due to a terminating pod on the nominated node."
_PRIORITY_OFFSET: Final = 2**31

Check = Callable[[NodeInfo], Rejection | None]
"""Whether the pod could run on a node if it were like that."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node, and what it would cost to make room there."""

    node_name: str
    victims: tuple[PodInfo, ...]
    """The most important first."""
    violations: int
    """How many of them a disruption budget protects."""


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """What a PodDisruptionBudget allows at the moment."""

    namespace: str
    selector: LabelSelector
    allowed: int
    disrupted: frozenset[str]
    """Names of pods whose eviction it has counted already."""


def disruption_budget(budget: Object) -> DisruptionBudget:
    """Compile a PodDisruptionBudget. An empty selector protects nothing here, as in kube-scheduler."""
    status: Mapping[str, Any] = budget.get("status") or {}
    selector = (budget.get("spec") or {}).get("selector") or None
    return DisruptionBudget(
        budget["metadata"].get("namespace", ""),
        label_selector(selector),
        status.get("disruptionsAllowed") or 0,
        frozenset(status.get("disruptedPods") or ()),
    )


def ineligible(info: PodInfo, nominated: NodeInfo | None) -> str:
    """Why the pod may not preempt others; empty when it may. `nominated` is the node it has made room on before."""
    if not info.template.may_preempt:
        return POLICY_NEVER
    if nominated is not None and any(p.terminating and p.priority < info.priority for p in nominated.pods.values()):
        return VICTIMS_LEAVING
    return ""


def candidates_wanted(node_count: int) -> int:
    """How many candidates are enough to choose from."""
    return min(node_count, max(CANDIDATES_MIN, node_count * CANDIDATES_PERCENT // 100))


def select_victims(
    info: PodInfo, node: NodeInfo, rejects: Check, budgets: Sequence[DisruptionBudget]
) -> Candidate | tuple[str, ...]:
    """The pods to take off a node, or the reasons why that would not help."""
    if min(node.priorities, default=info.priority) >= info.priority:
        return (NO_VICTIMS,)
    potential = [p for p in node.pods.values() if p.priority < info.priority]
    trial = node.copy()
    for victim in potential:
        trial.remove_pod(victim.uid)
    rejection = rejects(trial)
    if rejection is not None:
        return rejection.reasons
    potential.sort(key=_importance)
    protected = _protected(potential, budgets)
    victims: list[PodInfo] = []
    violations = 0
    for victim in sorted(potential, key=lambda p: p.uid not in protected):
        trial.add_pod(victim)
        if rejects(trial) is not None:
            trial.remove_pod(victim.uid)
            victims.append(victim)
            violations += victim.uid in protected
    return Candidate(node.name, tuple(sorted(victims, key=_importance)), violations)


def _importance(info: PodInfo) -> tuple[float, float, str]:
    """Sorts the most important first: higher priority, then the one that has run longer."""
    return (-info.priority, info.start_s, info.uid)


def _protected(potential: Sequence[PodInfo], budgets: Sequence[DisruptionBudget]) -> set[str]:
    """Uids of the pods whose loss a budget would not allow, if they were lost in this order."""
    left = [budget.allowed for budget in budgets]
    found: set[str] = set()
    for info in potential:
        template = info.template
        for i, budget in enumerate(budgets):
            if (
                template.labels
                and budget.namespace == template.namespace
                and info.key.name not in budget.disrupted
                and budget.selector.matches(template.labels)
            ):
                left[i] -= 1
                if left[i] < 0:
                    found.add(info.uid)
    return found


def best_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """The one that does the least harm; the first of them when several do."""
    return min(candidates, key=_harm)


def _harm(candidate: Candidate) -> tuple[float, ...]:
    """Violated budgets; the most important victim; all victims' importance; their number; how long they have run."""
    victims = candidate.victims
    if not victims:
        return (candidate.violations, float("-inf"), 0, 0, 0)
    highest = victims[0].priority
    started_s = min(victim.start_s for victim in victims if victim.priority == highest)
    return (
        candidate.violations,
        highest,
        sum(victim.priority + _PRIORITY_OFFSET for victim in victims),
        len(victims),
        -started_s,
    )
