"""Why a pod fits nowhere, in the words of kube-scheduler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from actors.scheduler.diagnosis import Diagnosis

NO_NODES: Final = "no nodes available to schedule pods"
NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
NO_VICTIMS: Final = "No preemption victims found for incoming pod"
#: What the plugin for dynamic resources puts before the message of preemption, for pods without claims.
CLAIMS_MESSAGE: Final = "no new claims to deallocate"
#: Notes of events are no longer than this.
NOTE_LENGTH_MAX: Final = 1024


def message(diagnosis: Diagnosis, post_filter: str) -> str:
    """The whole message; `post_filter` is what became of preemption."""
    if diagnosis.node_count == 0:
        return NO_NODES
    if diagnosis.pre_filter_message:
        text = f"0/{diagnosis.node_count} nodes are available: {diagnosis.pre_filter_message}."
    else:
        text = _summary(diagnosis.node_count, _reasons(diagnosis))
    return f"{text} {post_filter}" if post_filter else text


def found_placement(node_name: str, victim_count: int) -> str:
    """What is said when preemption has found a node."""
    return f"preemption: found a potential placement for pod on node {node_name}, preempting {victim_count} victims."


def no_placement(why: str) -> str:
    """What is said when it has not."""
    return f"{CLAIMS_MESSAGE}, preemption: {why}"


def preemption_failed(diagnosis: Diagnosis, tried: Mapping[str, tuple[str, ...]]) -> str:
    """Why preemption found no place: reasons of the nodes where it was tried, by node; elsewhere it can't help."""
    counts: dict[str, int] = {}
    for reasons in tried.values():
        _count(counts, reasons)
    if len(tried) < diagnosis.node_count:
        counts[NOT_HELPFUL] = counts.get(NOT_HELPFUL, 0) + diagnosis.node_count - len(tried)
    return _summary(diagnosis.node_count, counts)


def truncated(text: str) -> str:
    """The message as an event can carry it."""
    ending = " ..."
    return text if len(text) <= NOTE_LENGTH_MAX else text[: NOTE_LENGTH_MAX - len(ending)] + ending


def _reasons(diagnosis: Diagnosis) -> dict[str, int]:
    counts: dict[str, int] = {}
    for rejection in diagnosis.rejections.values():
        _count(counts, rejection.reasons)
    missing = diagnosis.node_count - len(diagnosis.rejections)
    if missing and diagnosis.absent is not None:
        _count(counts, diagnosis.absent.reasons, missing)
    return counts


def _count(counts: dict[str, int], reasons: Iterable[str], times: int = 1) -> None:
    for reason in reasons:
        counts[reason] = counts.get(reason, 0) + times


def _summary(node_count: int, counts: Mapping[str, int]) -> str:
    """Reasons with their counts, ordered as text, which is how Kubernetes orders them."""
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{node_count} nodes are available: {reasons}." if reasons else f"0/{node_count} nodes are available:"
