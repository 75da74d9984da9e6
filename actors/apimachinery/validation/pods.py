"""Rules of pods and of pod specs in templates."""

from __future__ import annotations

from typing import Any, Final

from actors.apimachinery.label_syntax import check_dns_label, check_dns_subdomain
from actors.apimachinery.operation import Object
from actors.apimachinery.validation.containers import check_containers
from actors.apimachinery.validation.field import (
    NOT_NEGATIVE,
    Errors,
    check_enum,
    forbidden,
    invalid,
    required,
)
from actors.apimachinery.validation.placement import check_placement
from actors.apimachinery.validation.volumes import check_volumes

RESTART_POLICIES: Final = ("Always", "OnFailure", "Never")
DNS_POLICIES: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_INT32_MAX: Final = 2**31 - 1

_MUTABLE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
#: Fields of a pod's spec that an update may change, each under rules of its own.
_CHANGEABLE: Final = (
    "containers",
    "initContainers",
    "ephemeralContainers",
    "activeDeadlineSeconds",
    "tolerations",
    "terminationGracePeriodSeconds",
    "schedulingGates",
)


def validate_pod(pod: Object) -> Errors:
    """A pod, after defaults."""
    errors: Errors = []
    check_pod_spec(errors, "spec", pod.get("spec") or {})
    return errors


def validate_pod_create(pod: Object) -> Errors:
    """What only an existing pod may have."""
    if (pod.get("spec") or {}).get("ephemeralContainers"):
        return [forbidden("spec.ephemeralContainers", "cannot be set on create")]
    return []


def check_pod_spec(errors: Errors, path: str, spec: Object) -> None:
    """A pod's spec at `path`, in a pod or in a template."""
    volumes: dict[str, Any] = {}
    if listed := spec.get("volumes"):
        volumes = check_volumes(errors, f"{path}.volumes", listed)
    check_containers(errors, path, spec, volumes)
    check_enum(errors, f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    policy = spec.get("dnsPolicy")
    check_enum(errors, f"{path}.dnsPolicy", policy, DNS_POLICIES)
    if policy == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        errors.append(required(f"{path}.dnsConfig", detail))
    check_placement(errors, path, spec)
    _check_names(errors, path, spec)
    _check_times(errors, path, spec)
    if spec.get("hostNetwork"):
        _check_host_network(errors, path, spec)


def _check_names(errors: Errors, path: str, spec: Object) -> None:
    for field in ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"):
        if value := spec.get(field):
            for fault in check_dns_subdomain(value):
                errors.append(invalid(f"{path}.{field}", value, fault))
    for field in ("hostname", "subdomain"):
        if value := spec.get(field):
            for fault in check_dns_label(value):
                errors.append(invalid(f"{path}.{field}", value, fault))
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if not reference.get("name"):
            errors.append(required(f"{path}.imagePullSecrets[{index}].name"))


def _check_times(errors: Errors, path: str, spec: Object) -> None:
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        errors.append(required(f"{path}.terminationGracePeriodSeconds"))
    elif grace < 0:
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, NOT_NEGATIVE))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _INT32_MAX:
        detail = f"must be between 1 and {_INT32_MAX}, inclusive"
        errors.append(invalid(f"{path}.activeDeadlineSeconds", deadline, detail))


def _check_host_network(errors: Errors, path: str, spec: Object) -> None:
    """On the node's own network a container's port is the node's port."""
    for index, container in enumerate(spec.get("containers") or ()):
        for position, port in enumerate(container.get("ports") or ()):
            host_port = port.get("hostPort")
            if host_port and host_port != port.get("containerPort"):
                here = f"{path}.containers[{index}].ports[{position}].containerPort"
                detail = "must match `hostPort` when `hostNetwork` is true"
                errors.append(invalid(here, port.get("containerPort"), detail))


def validate_pod_update(new: Object, old: Object) -> Errors:
    """A change of a pod's spec by a plain update: images, deadline, more tolerations, fewer scheduling gates."""
    errors: Errors = []
    after, before = new.get("spec") or {}, old.get("spec") or {}
    if after == before:
        return errors
    for kind in ("containers", "initContainers"):
        if len(after.get(kind) or ()) != len(before.get(kind) or ()):
            errors.append(forbidden(f"spec.{kind}", "pod updates may not add or remove containers"))
            return errors
    _check_deadline_change(errors, after, before)
    _check_gates_change(errors, after, before)
    _check_tolerations_change(errors, after, before)
    gated = bool(before.get("schedulingGates"))
    if not errors and _fixed_part(after, gated=gated) != _fixed_part(before, gated=gated):
        errors.append(forbidden("spec", _MUTABLE))
    return errors


def _fixed_part(spec: Object, *, gated: bool) -> Object:
    """What of a spec an update may not change. A pod that waits at a gate may still be told where not to go."""
    fixed = {name: value for name, value in spec.items() if name not in _CHANGEABLE}
    for kind in ("containers", "initContainers"):
        containers = spec.get(kind) or ()
        fixed[kind] = [{name: v for name, v in container.items() if name != "image"} for container in containers]
    fixed["ephemeralContainers"] = spec.get("ephemeralContainers") or []
    grace = spec.get("terminationGracePeriodSeconds")
    fixed["terminationGracePeriodSeconds"] = 1 if grace is not None and grace < 0 else grace
    if gated:
        fixed.pop("nodeSelector", None)
        fixed.pop("affinity", None)
    return fixed


def _check_deadline_change(errors: Errors, after: Object, before: Object) -> None:
    deadline, previous = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if previous is None:
        return
    if deadline is None:
        detail = "must not update from a positive integer to nil value"
        errors.append(invalid("spec.activeDeadlineSeconds", deadline, detail))
    elif deadline > previous:
        detail = "must be less than or equal to previous value"
        errors.append(invalid("spec.activeDeadlineSeconds", deadline, detail))


def _check_gates_change(errors: Errors, after: Object, before: Object) -> None:
    known = before.get("schedulingGates") or ()
    for index, gate in enumerate(after.get("schedulingGates") or ()):
        if gate not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            errors.append(forbidden(f"spec.schedulingGates[{index}].name", detail))


def _check_tolerations_change(errors: Errors, after: Object, before: Object) -> None:
    kept = [_without_time(toleration) for toleration in after.get("tolerations") or ()]
    for toleration in before.get("tolerations") or ():
        if _without_time(toleration) not in kept:
            detail = "existing toleration can not be modified except its tolerationSeconds"
            errors.append(forbidden("spec.tolerations", detail))
            return


def _without_time(toleration: Object) -> Object:
    return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}
