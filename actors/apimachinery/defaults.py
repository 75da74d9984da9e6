"""What an object says when it doesn't say it: the defaults of every kind, and of admission.

    apply_defaults(resource, obj)      # in place; what Kubernetes' zz_generated.defaults.go does, kind by kind
    admit(resource, obj)               # in place, on create: what the default admission plugins add

`obj` must own its parts (as `actors.apimachinery.validator.decode` gives it). Both are idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.custom_resources.defaulting import apply_schema_defaults
from actors.apimachinery.defaults_pod import default_pod, default_pod_spec
from actors.apimachinery.defaults_table import TABLE
from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource

_NOT_READY: Final = "node.kubernetes.io/not-ready"
_UNREACHABLE: Final = "node.kubernetes.io/unreachable"
#: How long a pod stays on a node that went away, unless it says otherwise (plugin DefaultTolerationSeconds).
TOLERATION_S: Final = 300

_RBAC: Final = "rbac.authorization.k8s.io"
_INT32_MAX: Final = 2**31 - 1


def apply_defaults(resource: Resource, obj: Object) -> None:
    """Fill in every field of the kind that has a default and is left out."""
    if resource.custom is not None:
        apply_schema_defaults(obj, resource.custom.schema)
        return
    key = resource.key
    for path, value in _COMPILED.get(key, ()):
        _set(obj, path, value)
    special = _SPECIAL.get(key)
    if special is not None:
        special(obj)


def admit(resource: Resource, obj: Object) -> None:
    """What the admission plugins of a plain cluster add to new objects.

    Pods: the service account ``default`` (ServiceAccount, without the token volume), priority 0 (Priority) and the
    tolerations of nodes that went away (DefaultTolerationSeconds). Nothing is looked up: a named priority class is the
    API server's to resolve before (it sets ``spec.priority``).
    """
    if resource.key == "v1/pods":
        _admit_pod(obj.setdefault("spec", {}))


def _admit_pod(spec: Object) -> None:
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.get("tolerations") or []
    missing = [key for key in (_NOT_READY, _UNREACHABLE) if not _tolerates(tolerations, key)]
    if missing:
        spec["tolerations"] = tolerations + [
            {"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": TOLERATION_S}
            for key in missing
        ]


def _tolerates(tolerations: Sequence[Mapping[str, Any]], key: str) -> bool:
    return any(
        toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")
        for toleration in tolerations
    )


# --- the table -------------------------------------------------------------------------------------------------------


def _compile(path: str) -> tuple[tuple[str, str], ...]:
    """Steps of a path: name and what to do when it is missing (make, stop, or enter each item)."""
    steps = []
    for part in path.split("."):
        if part.endswith("[]"):
            steps.append((part[:-2], "each"))
        elif part.endswith("?"):
            steps.append((part[:-1], "stop"))
        else:
            steps.append((part, "make"))
    return tuple(steps)


_COMPILED: Final = {
    resource: tuple((_compile(path), value) for path, value in defaults) for resource, defaults in TABLE.items()
}


def _set(obj: Any, steps: tuple[tuple[str, str], ...], value: Any) -> None:
    for position, (name, action) in enumerate(steps[:-1]):
        if not isinstance(obj, dict):
            return
        if action == "each":
            for item in obj.get(name) or ():
                _set(item, steps[position + 1 :], value)
            return
        following = obj.get(name)
        if following is None:
            if action == "stop" or _leads_through_list(steps[position + 1 :]):
                return
            following = obj[name] = {}
        obj = following
    if isinstance(obj, dict) and obj.get(steps[-1][0]) in (None, ""):
        obj[steps[-1][0]] = value.copy() if isinstance(value, (dict, list)) else value


def _leads_through_list(steps: tuple[tuple[str, str], ...]) -> bool:
    return any(action != "make" for _, action in steps)


# --- defaults that depend on other fields ----------------------------------------------------------------------------


def _template(obj: Object) -> None:
    template = obj.get("spec", {}).get("template")
    if isinstance(template, dict):
        default_pod_spec(template.setdefault("spec", {}))


def _deployment(obj: Object) -> None:
    strategy = obj["spec"]["strategy"]
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(obj)


def _stateful_set(obj: Object) -> None:
    strategy = obj["spec"]["updateStrategy"]
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    _template(obj)


def _daemon_set(obj: Object) -> None:
    strategy = obj["spec"]["updateStrategy"]
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    _template(obj)


def _replication_controller(obj: Object) -> None:
    labels = ((obj["spec"].get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not obj["spec"].get("selector"):
            obj["spec"]["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    _template(obj)


def _job(obj: Object) -> None:
    spec = obj["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _INT32_MAX if spec.get("backoffLimitPerIndex") is not None else 6)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    _template(obj)


def _cron_job(obj: Object) -> None:
    _template(obj["spec"].get("jobTemplate") or {})


def _pod_template(obj: Object) -> None:
    template = obj.get("template")
    if isinstance(template, dict):
        default_pod_spec(template.setdefault("spec", {}))


def _service(obj: Object) -> None:
    spec = obj["spec"]
    kind = spec["type"]
    for port in spec.get("ports") or ():
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    if kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs")):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("ClusterIP", "NodePort", "LoadBalancer"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _namespace(obj: Object) -> None:
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _node(obj: Object) -> None:
    status = obj.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _binding_subjects(obj: Object) -> None:
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = _RBAC


def _network_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _autoscaler(obj: Object) -> None:
    spec = obj["spec"]
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if not behavior:
        return
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    up = behavior.setdefault("scaleUp", {})
    up.setdefault("stabilizationWindowSeconds", 0)
    up.setdefault("selectPolicy", "Max")
    up.setdefault("policies", [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent])
    down = behavior.setdefault("scaleDown", {})
    down.setdefault("selectPolicy", "Max")
    down.setdefault("policies", [dict(percent)])


def _limit_range(obj: Object) -> None:
    for item in obj.get("spec", {}).get("limits") or ():
        if item.get("type") == "Container":
            default = item.setdefault("default", {})
            default.update({k: v for k, v in (item.get("max") or {}).items() if k not in default})
            request = item.setdefault("defaultRequest", {})
            for source in (default, item.get("min") or {}):
                request.update({k: v for k, v in source.items() if k not in request})


def _custom_resource_definition(obj: Object) -> None:
    names = obj.get("spec", {}).get("names") or {}
    if kind := names.get("kind"):
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")


_SPECIAL: Final[Mapping[str, Callable[[Object], None]]] = {
    "v1/pods": default_pod,
    "v1/podtemplates": _pod_template,
    "v1/replicationcontrollers": _replication_controller,
    "v1/services": _service,
    "v1/namespaces": _namespace,
    "v1/nodes": _node,
    "v1/limitranges": _limit_range,
    "apps/v1/deployments": _deployment,
    "apps/v1/replicasets": _template,
    "apps/v1/statefulsets": _stateful_set,
    "apps/v1/daemonsets": _daemon_set,
    "batch/v1/jobs": _job,
    "batch/v1/cronjobs": _cron_job,
    "rbac.authorization.k8s.io/v1/rolebindings": _binding_subjects,
    "rbac.authorization.k8s.io/v1/clusterrolebindings": _binding_subjects,
    "networking.k8s.io/v1/networkpolicies": _network_policy,
    "autoscaling/v2/horizontalpodautoscalers": _autoscaler,
    "apiextensions.k8s.io/v1/customresourcedefinitions": _custom_resource_definition,
}
