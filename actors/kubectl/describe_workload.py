"""Describing deployments, replica sets and jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.apimachinery.meta import controller_of, is_controlled_by
from actors.apimachinery.operation import Object
from actors.apimachinery.selector import LabelSelector
from actors.apimachinery.tables.definition import count_of, format_labels, format_selector, items_of, of
from actors.apimachinery.tables.duration import human_duration, seconds_of
from actors.kubectl.describe_pod import describe_template
from actors.kubectl.description import Description, full_time
from actors.kubectl.rollout_history import replica_sets_by_revision, template_without_hash
from actors.kubectl.session import Kubectl


async def describe_deployment(kubectl: Kubectl, deployment: Object) -> Description:
    """All but the events."""
    out = Description()
    metadata, spec = deployment["metadata"], deployment["spec"]
    _name_and_namespace(out, deployment)
    out.line(0, f"CreationTimestamp:\t{full_time(metadata.get('creationTimestamp'))}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))
    out.line(0, f"Selector:\t{format_selector(spec.get('selector'))}")
    counts = {
        name: count_of(deployment, "status", field)
        for name, field in (
            ("updated", "updatedReplicas"),
            ("total", "replicas"),
            ("available", "availableReplicas"),
            ("unavailable", "unavailableReplicas"),
        )
    }
    shown = " | ".join(f"{count} {name}" for name, count in counts.items())
    out.line(0, f"Replicas:\t{spec.get('replicas', 1)} desired | {shown}")
    strategy = spec.get("strategy") or {}
    out.line(0, f"StrategyType:\t{strategy.get('type', 'RollingUpdate')}")
    out.line(0, f"MinReadySeconds:\t{spec.get('minReadySeconds', 0)}")
    rolling = strategy.get("rollingUpdate")
    if rolling:
        bounds = f"{rolling.get('maxUnavailable', '25%')} max unavailable, {rolling.get('maxSurge', '25%')} max surge"
        out.line(0, f"RollingUpdateStrategy:\t{bounds}")
    describe_template(out, spec.get("template") or {})
    _conditions(out, deployment)
    await _replica_sets(kubectl, out, deployment)
    return out


def _name_and_namespace(out: Description, obj: Object) -> None:
    out.line(0, f"Name:\t{obj['metadata']['name']}")
    out.line(0, f"Namespace:\t{obj['metadata'].get('namespace', '')}")


def _conditions(out: Description, obj: Object) -> None:
    conditions = items_of(obj, "status", "conditions")
    if conditions:
        out.line(0, "Conditions:")
        out.line(1, "Type\tStatus\tReason")
        out.line(1, "----\t------\t------")
        for condition in conditions:
            out.line(1, f"{condition.get('type')} \t{condition.get('status')}\t{condition.get('reason', '')}")


async def _replica_sets(kubectl: Kubectl, out: Description, deployment: Object) -> None:
    history = await replica_sets_by_revision(kubectl, deployment)
    newest = [rs for rs in history.values() if template_without_hash(rs) == deployment["spec"]["template"]]
    new = newest[-1:]
    old = [rs for rs in history.values() if rs not in new]
    if old or new:
        out.line(0, f"OldReplicaSets:\t{_sizes(old)}")
        out.line(0, f"NewReplicaSet:\t{_sizes(new)}")


def _sizes(replica_sets: Sequence[Object]) -> str:
    shown = [
        f"{rs['metadata']['name']} ({count_of(rs, 'status', 'replicas')}/{count_of(rs, 'spec', 'replicas')} "
        "replicas created)"
        for rs in replica_sets
    ]
    return ", ".join(shown) or "<none>"


async def describe_replica_set(kubectl: Kubectl, replica_set: Object) -> Description:
    """A replica set or a replication controller, all but the events."""
    out = Description()
    metadata, spec = replica_set["metadata"], replica_set["spec"]
    _name_and_namespace(out, replica_set)
    plain = replica_set.get("kind") == "ReplicationController"
    selector = spec.get("selector")
    out.line(0, f"Selector:\t{format_labels(selector) if plain else format_selector(selector)}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))
    owner = controller_of(replica_set)
    if owner:
        out.line(0, f"Controlled By:\t{owner['kind']}/{owner['name']}")
    desired = spec.get("replicas", 1)
    out.line(0, f"Replicas:\t{count_of(replica_set, 'status', 'replicas')} current / {desired} desired")
    phases = await _pod_phases(kubectl, replica_set, {"matchLabels": selector} if plain else selector)
    out.line(
        0,
        f"Pods Status:\t{phases['Running']} Running / {phases['Pending']} Waiting / "
        f"{phases['Succeeded']} Succeeded / {phases['Failed']} Failed",
    )
    describe_template(out, spec.get("template") or {})
    _conditions(out, replica_set)
    return out


async def _pod_phases(kubectl: Kubectl, owner: Object, selector: Mapping[str, object] | None) -> dict[str, int]:
    phases = {"Running": 0, "Pending": 0, "Succeeded": 0, "Failed": 0}
    text = str(LabelSelector.from_object(selector))
    pods = await kubectl.client.list("v1/pods", owner["metadata"]["namespace"], label_selector=text)
    for pod in pods.items:
        if is_controlled_by(pod, owner) or controller_of(pod) is None:
            phase = of(pod, "status", "phase") or "Pending"
            phases[phase] = phases.get(phase, 0) + 1
    return phases


async def describe_job(_kubectl: Kubectl, job: Object) -> Description:
    """A job, all but the events."""
    out = Description()
    metadata, spec, status = job["metadata"], job["spec"], job.get("status") or {}
    _name_and_namespace(out, job)
    if spec.get("selector"):
        out.line(0, f"Selector:\t{format_selector(spec['selector'])}")
    out.labels("Labels", metadata.get("labels"))
    out.annotations(metadata.get("annotations"))
    owner = controller_of(job)
    if owner:
        out.line(0, f"Controlled By:\t{owner['kind']}/{owner['name']}")
    if spec.get("parallelism") is not None:
        out.line(0, f"Parallelism:\t{spec['parallelism']}")
    out.line(0, f"Completions:\t{spec.get('completions', '<unset>')}")
    if spec.get("completionMode"):
        out.line(0, f"Completion Mode:\t{spec['completionMode']}")
    if spec.get("suspend") is not None:
        out.line(0, f"Suspend:\t{'true' if spec['suspend'] else 'false'}")
    if spec.get("backoffLimit") is not None:
        out.line(0, f"Backoff Limit:\t{spec['backoffLimit']}")
    if spec.get("ttlSecondsAfterFinished") is not None:
        out.line(0, f"TTL Seconds After Finished:\t{spec['ttlSecondsAfterFinished']}")
    start_s, end_s = seconds_of(status.get("startTime")), seconds_of(status.get("completionTime"))
    if start_s is not None:
        out.line(0, f"Start Time:\t{full_time(status['startTime'])}")
    if end_s is not None:
        out.line(0, f"Completed At:\t{full_time(status['completionTime'])}")
    if start_s is not None and end_s is not None:
        out.line(0, f"Duration:\t{human_duration(end_s - start_s)}")
    if spec.get("activeDeadlineSeconds") is not None:
        out.line(0, f"Active Deadline Seconds:\t{spec['activeDeadlineSeconds']}s")
    ready = f" ({status['ready']} Ready)" if status.get("ready") is not None else ""
    out.line(
        0,
        f"Pods Statuses:\t{status.get('active', 0)} Active{ready} / {status.get('succeeded', 0)} Succeeded / "
        f"{status.get('failed', 0)} Failed",
    )
    describe_template(out, spec.get("template") or {})
    return out
