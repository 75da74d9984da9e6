"""Tables of nodes, namespaces, events and what the cluster itself is made of."""

from __future__ import annotations

from collections.abc import Sequence

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import (
    Cell,
    age_of,
    items_of,
    name_of,
    of,
    or_none,
    table,
    truth,
)
from actors.apimachinery.tables.duration import UNKNOWN, age, human_duration

_ROLE_PREFIX = "node-role.kubernetes.io/"


def node_roles(node: Object) -> list[str]:
    """The roles that a node's labels give it, sorted."""
    labels = node["metadata"].get("labels") or {}
    roles = {label[len(_ROLE_PREFIX) :] for label in labels if label.startswith(_ROLE_PREFIX)}
    if labels.get("kubernetes.io/role"):
        roles.add(labels["kubernetes.io/role"])
    return sorted(role for role in roles if role)


def node_status(node: Object) -> str:
    """``Ready``, ``NotReady`` or ``Unknown``, and whether pods may be placed there."""
    shown = ["Unknown"]
    for condition in items_of(node, "status", "conditions"):
        if condition.get("type") == "Ready":
            shown = ["Ready" if condition.get("status") == "True" else "NotReady"]
    if of(node, "spec", "unschedulable"):
        shown.append("SchedulingDisabled")
    return ",".join(shown)


def _node_address(node: Object, kind: str) -> str:
    for address in items_of(node, "status", "addresses"):
        if address.get("type") == kind:
            return str(address.get("address"))
    return "<none>"


def _node(obj: Object, now_s: float) -> Sequence[Cell]:
    info = of(obj, "status", "nodeInfo") or {}
    return (
        name_of(obj),
        node_status(obj),
        or_none(",".join(node_roles(obj))),
        age_of(obj, now_s),
        info.get("kubeletVersion", ""),
        _node_address(obj, "InternalIP"),
        _node_address(obj, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    )


def _namespace(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), of(obj, "status", "phase") or "", age_of(obj, now_s))


def event_last_seen(event: Object, now_s: float) -> str:
    """How long ago an event happened last."""
    series = event.get("series")
    if series and series.get("lastObservedTime"):
        return age(series["lastObservedTime"], now_s)
    if event.get("lastTimestamp"):
        return age(event["lastTimestamp"], now_s)
    return event_first_seen(event, now_s)


def event_first_seen(event: Object, now_s: float) -> str:
    """How long ago an event happened first."""
    return age(event.get("firstTimestamp") or event.get("eventTime"), now_s)


def event_source(event: Object) -> str:
    """Who reported an event: ``kubelet, node-1``."""
    component = of(event, "source", "component") or event.get("reportingComponent") or ""
    host = of(event, "source", "host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


def _event(obj: Object, now_s: float) -> Sequence[Cell]:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    kind, name = about.get("kind", "").lower(), about.get("name", "")
    series = obj.get("series") or {}
    return (
        event_last_seen(obj, now_s),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{name}" if name else kind,
        about.get("fieldPath", ""),
        event_source(obj),
        str(obj.get("message") or obj.get("note") or "").strip(),
        event_first_seen(obj, now_s),
        int(series.get("count") or obj.get("count") or 1),
        name_of(obj),
    )


def _lease(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), of(obj, "spec", "holderIdentity") or "", age_of(obj, now_s))


def _priority_class(obj: Object, now_s: float) -> Sequence[Cell]:
    return (
        name_of(obj),
        int(obj.get("value") or 0),
        truth(obj.get("globalDefault")),
        age_of(obj, now_s),
        obj.get("preemptionPolicy") or "PreemptLowerPriority",
    )


def _runtime_class(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), obj.get("handler", ""), age_of(obj, now_s))


def _component_status(obj: Object, _now_s: float) -> Sequence[Cell]:
    status, message, error = "Unknown", "", ""
    for condition in items_of(obj, "conditions"):
        if condition.get("type") == "Healthy":
            status = "Healthy" if condition.get("status") == "True" else "Unhealthy"
            message, error = condition.get("message", ""), condition.get("error", "")
    return (name_of(obj), status, message, error)


def _api_service(obj: Object, now_s: float) -> Sequence[Cell]:
    service = of(obj, "spec", "service")
    shown = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    available = "Unknown"
    for condition in items_of(obj, "status", "conditions"):
        if condition.get("type") == "Available":
            available = condition.get("status", "")
            if available != "True":
                available = f"{available} ({condition.get('reason', '')})"
    return (name_of(obj), shown, available, age_of(obj, now_s))


def _signing_request(obj: Object, now_s: float) -> Sequence[Cell]:
    conditions = [condition.get("type", "") for condition in items_of(obj, "status", "conditions")]
    shown = "Pending"
    if "Denied" in conditions:
        shown = "Denied"
    elif "Approved" in conditions:
        shown = "Approved"
    if "Failed" in conditions:
        shown += ",Failed"
    if of(obj, "status", "certificate"):
        shown += ",Issued"
    seconds = of(obj, "spec", "expirationSeconds")
    return (
        name_of(obj),
        age_of(obj, now_s),
        or_none(of(obj, "spec", "signerName")),
        of(obj, "spec", "username") or "",
        "<none>" if seconds is None else human_duration(seconds),
        shown,
    )


def _flow_schema(obj: Object, now_s: float) -> Sequence[Cell]:
    dangling = "?"
    for condition in items_of(obj, "status", "conditions"):
        if condition.get("type") == "Dangling":
            dangling = condition.get("status", "")
    return (
        name_of(obj),
        of(obj, "spec", "priorityLevelConfiguration", "name") or "",
        int(of(obj, "spec", "matchingPrecedence") or 0),
        or_none(of(obj, "spec", "distinguisherMethod", "type")),
        age_of(obj, now_s),
        dangling,
    )


def _priority_level(obj: Object, now_s: float) -> Sequence[Cell]:
    limited = of(obj, "spec", "limited") or {}
    queuing = of(limited, "limitResponse", "queuing") or {}

    def shown(value: object) -> str:
        return "<none>" if value is None else str(value)

    return (
        name_of(obj),
        of(obj, "spec", "type") or "",
        shown(limited.get("nominalConcurrencyShares")),
        shown(queuing.get("queues")),
        shown(queuing.get("handSize")),
        shown(queuing.get("queueLengthLimit")),
        age_of(obj, now_s),
    )


_FLOW = "flowcontrol.apiserver.k8s.io/v1"
_EVENT = table("Last Seen|Type|Reason|Object|Subobject*|Source*|Message|First Seen*|Count*|Name*", _event)

TABLES = {
    "v1/nodes": table(
        "Name|Status|Roles|Age|Version|Internal-IP*|External-IP*|OS-Image*|Kernel-Version*|Container-Runtime*", _node
    ),
    "v1/namespaces": table("Name|Status|Age", _namespace),
    "v1/events": _EVENT,
    "events.k8s.io/v1/events": _EVENT,
    "coordination.k8s.io/v1/leases": table("Name|Holder|Age", _lease),
    "scheduling.k8s.io/v1/priorityclasses": table("Name|Value|Global-Default|Age|PreemptionPolicy", _priority_class),
    "node.k8s.io/v1/runtimeclasses": table("Name|Handler|Age", _runtime_class),
    "v1/componentstatuses": table("Name|Status|Message|Error", _component_status),
    "apiregistration.k8s.io/v1/apiservices": table("Name|Service|Available|Age", _api_service),
    "certificates.k8s.io/v1/certificatesigningrequests": table(
        "Name|Age|SignerName|Requestor|RequestedDuration|Condition", _signing_request
    ),
    f"{_FLOW}/flowschemas": table(
        "Name|PriorityLevel|MatchingPrecedence|DistinguisherMethod|Age|MissingPL", _flow_schema
    ),
    f"{_FLOW}/prioritylevelconfigurations": table(
        "Name|Type|NominalConcurrencyShares|Queues|HandSize|QueueLengthLimit|Age", _priority_level
    ),
}
