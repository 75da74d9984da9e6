"""Tables of the kinds that run pods, and of what scales and protects them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.apimachinery.meta import controller_of
from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import (
    Cell,
    age_of,
    containers_of,
    count_of,
    format_labels,
    format_selector,
    items_of,
    name_of,
    of,
    or_none,
    table,
)
from actors.apimachinery.tables.duration import age, human_duration, seconds_of


def desired_replicas(obj: Object) -> int:
    """spec.replicas, 1 when unset."""
    replicas = of(obj, "spec", "replicas")
    return 1 if replicas is None else int(replicas)


def _wide(obj: Object) -> tuple[str, str]:
    return containers_of(of(obj, "spec", "template"))


def _deployment(obj: Object, now_s: float) -> Sequence[Cell]:
    return (
        name_of(obj),
        f"{count_of(obj, 'status', 'readyReplicas')}/{desired_replicas(obj)}",
        count_of(obj, "status", "updatedReplicas"),
        count_of(obj, "status", "availableReplicas"),
        age_of(obj, now_s),
        *_wide(obj),
        format_selector(of(obj, "spec", "selector")),
    )


def _replica_set(obj: Object, now_s: float) -> Sequence[Cell]:
    selector = of(obj, "spec", "selector")
    plain = obj.get("kind") == "ReplicationController"
    return (
        name_of(obj),
        desired_replicas(obj),
        count_of(obj, "status", "replicas"),
        count_of(obj, "status", "readyReplicas"),
        age_of(obj, now_s),
        *_wide(obj),
        format_labels(selector) if plain else format_selector(selector),
    )


def _stateful_set(obj: Object, now_s: float) -> Sequence[Cell]:
    ready = f"{count_of(obj, 'status', 'readyReplicas')}/{desired_replicas(obj)}"
    return (name_of(obj), ready, age_of(obj, now_s), *_wide(obj))


def _daemon_set(obj: Object, now_s: float) -> Sequence[Cell]:
    return (
        name_of(obj),
        count_of(obj, "status", "desiredNumberScheduled"),
        count_of(obj, "status", "currentNumberScheduled"),
        count_of(obj, "status", "numberReady"),
        count_of(obj, "status", "updatedNumberScheduled"),
        count_of(obj, "status", "numberAvailable"),
        format_labels(of(obj, "spec", "template", "spec", "nodeSelector")),
        age_of(obj, now_s),
        *_wide(obj),
        format_selector(of(obj, "spec", "selector")),
    )


def _job_status(job: Object) -> str:
    true = {c.get("type") for c in items_of(job, "status", "conditions") if c.get("status") == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for condition_type in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if condition_type in true:
            return condition_type
    return "Running"


def _job_completions(job: Object) -> str:
    succeeded = count_of(job, "status", "succeeded")
    completions = of(job, "spec", "completions")
    if completions is not None:
        return f"{succeeded}/{completions}"
    parallelism = count_of(job, "spec", "parallelism")
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(job: Object, now_s: float) -> str:
    start_s = seconds_of(of(job, "status", "startTime"))
    if start_s is None:
        return ""
    end_s = seconds_of(of(job, "status", "completionTime"))
    return human_duration((now_s if end_s is None else end_s) - start_s)


def _job(obj: Object, now_s: float) -> Sequence[Cell]:
    return (
        name_of(obj),
        _job_status(obj),
        _job_completions(obj),
        _job_duration(obj, now_s),
        age_of(obj, now_s),
        *_wide(obj),
        format_selector(of(obj, "spec", "selector")),
    )


def _cron_job(obj: Object, now_s: float) -> Sequence[Cell]:
    last = of(obj, "status", "lastScheduleTime")
    suspend = of(obj, "spec", "suspend")
    template = of(obj, "spec", "jobTemplate", "spec", "template")
    return (
        name_of(obj),
        of(obj, "spec", "schedule") or "",
        or_none(of(obj, "spec", "timeZone")),
        "<unset>" if suspend is None else ("True" if suspend else "False"),
        len(items_of(obj, "status", "active")),
        age(last, now_s) if last else "<none>",
        age_of(obj, now_s),
        *containers_of(template),
        format_selector(of(obj, "spec", "jobTemplate", "spec", "selector")),
    )


def _controller_revision(obj: Object, now_s: float) -> Sequence[Cell]:
    owner = controller_of(obj)
    shown = "<none>"
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = owner["kind"].lower()
        shown = f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"
    return (name_of(obj), shown, int(obj.get("revision") or 0), age_of(obj, now_s))


def _metric_name(source: Any) -> str:
    name = source.get("name") or of(source, "metric", "name") or ""
    return str(name)


def _metric_target(metric: Any, current: Any) -> str:
    """One target of an autoscaler: ``cpu: 20%/50%``, ``<unknown>/100m``."""
    kind = metric.get("type", "")
    field = {
        "ContainerResource": "containerResource",
        "External": "external",
        "Object": "object",
        "Pods": "pods",
        "Resource": "resource",
    }.get(kind, "")
    source, now = metric.get(field) or {}, (current or {}).get(field) or {}
    target, value = source.get("target") or {}, now.get("current") or {}
    shown = value.get("averageValue") or value.get("value") or "<unknown>"
    wanted = target.get("averageValue") or target.get("value") or "<auto>"
    if target.get("averageUtilization") is not None and not target.get("averageValue"):
        utilization = value.get("averageUtilization")
        shown = "<unknown>" if utilization is None else f"{utilization}%"
        wanted = f"{target['averageUtilization']}%"
    suffix = " (avg)" if kind in ("External", "Object") and target.get("averageValue") else ""
    prefix = f"{_metric_name(source)}: " if kind in ("Resource", "ContainerResource") else ""
    return f"{prefix}{shown}/{wanted}{suffix}"


def _hpa_targets(obj: Object) -> str:
    metrics = items_of(obj, "spec", "metrics")
    if not metrics:
        percentage = of(obj, "spec", "targetCPUUtilizationPercentage")  # autoscaling/v1
        if percentage is None:
            return "<none>"
        current = of(obj, "status", "currentCPUUtilizationPercentage")
        return f"cpu: {'<unknown>' if current is None else f'{current}%'}/{percentage}%"
    currents = items_of(obj, "status", "currentMetrics")
    shown = [_metric_target(m, currents[i] if i < len(currents) else None) for i, m in enumerate(metrics[:2])]
    more = f" + {len(metrics) - 2} more..." if len(metrics) > 2 else ""
    return ", ".join(shown) + more


def _hpa(obj: Object, now_s: float) -> Sequence[Cell]:
    reference = of(obj, "spec", "scaleTargetRef") or {}
    minimum = of(obj, "spec", "minReplicas")
    return (
        name_of(obj),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        _hpa_targets(obj),
        "<unset>" if minimum is None else str(minimum),
        count_of(obj, "spec", "maxReplicas"),
        count_of(obj, "status", "currentReplicas"),
        age_of(obj, now_s),
    )


def _pdb(obj: Object, now_s: float) -> Sequence[Cell]:
    def shown(field: str) -> str:
        value = of(obj, "spec", field)
        return "N/A" if value is None else str(value)

    allowed = count_of(obj, "status", "disruptionsAllowed")
    return (name_of(obj), shown("minAvailable"), shown("maxUnavailable"), allowed, age_of(obj, now_s))


def _pod_template(obj: Object, _now_s: float) -> Sequence[Cell]:
    template = obj.get("template") or {}
    return (name_of(obj), *containers_of(template), format_labels(of(template, "metadata", "labels")))


_REPLICAS = "Name|Desired|Current|Ready|Age|Containers*|Images*|Selector*"
_HPA = table("Name|Reference|Targets|MinPods|MaxPods|Replicas|Age", _hpa)

TABLES = {
    "apps/v1/deployments": table("Name|Ready|Up-to-date|Available|Age|Containers*|Images*|Selector*", _deployment),
    "apps/v1/replicasets": table(_REPLICAS, _replica_set),
    "v1/replicationcontrollers": table(_REPLICAS, _replica_set),
    "apps/v1/statefulsets": table("Name|Ready|Age|Containers*|Images*", _stateful_set),
    "apps/v1/daemonsets": table(
        "Name|Desired|Current|Ready|Up-to-date|Available|Node Selector|Age|Containers*|Images*|Selector*", _daemon_set
    ),
    "apps/v1/controllerrevisions": table("Name|Controller|Revision|Age", _controller_revision),
    "batch/v1/jobs": table("Name|Status|Completions|Duration|Age|Containers*|Images*|Selector*", _job),
    "batch/v1/cronjobs": table(
        "Name|Schedule|Timezone|Suspend|Active|Last Schedule|Age|Containers*|Images*|Selector*", _cron_job
    ),
    "autoscaling/v2/horizontalpodautoscalers": _HPA,
    "autoscaling/v1/horizontalpodautoscalers": _HPA,
    "policy/v1/poddisruptionbudgets": table("Name|Min Available|Max Unavailable|Allowed Disruptions|Age", _pdb),
    "v1/podtemplates": table("Name|Containers|Images|Pod Labels", _pod_template),
}
