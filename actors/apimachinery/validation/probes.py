"""Rules of probes and lifecycle handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.label_syntax import check_port_name
from actors.apimachinery.validation.field import (
    Errors,
    check_enum,
    check_not_negative,
    check_port,
    forbidden,
    invalid,
    required,
)

_PROBE_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_LIFECYCLE_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "sleep")
_COUNTS: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def check_probe(errors: Errors, path: str, probe: Mapping[str, Any], kind: str) -> None:
    """One handler, no negative numbers. `kind` is ``livenessProbe``, ``readinessProbe`` or ``startupProbe``."""
    _check_handler(errors, path, probe, _PROBE_HANDLERS)
    for name in _COUNTS:
        check_not_negative(errors, f"{path}.{name}", probe.get(name))
    if kind != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        errors.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None:
        if kind == "readinessProbe":
            detail = "must not be set for readinessProbes"
            errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, detail))
        elif grace <= 0:
            errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))


def check_lifecycle(errors: Errors, path: str, lifecycle: Mapping[str, Any]) -> None:
    """One handler for each of postStart and preStop."""
    for name in ("postStart", "preStop"):
        if (handler := lifecycle.get(name)) is not None:
            _check_handler(errors, f"{path}.{name}", handler, _LIFECYCLE_HANDLERS)


def _check_handler(errors: Errors, path: str, handler: Mapping[str, Any], kinds: tuple[str, ...]) -> None:
    found = [kind for kind in kinds if handler.get(kind) is not None]
    if not found:
        errors.append(required(path, "must specify a handler type"))
    for kind in found[1:]:
        errors.append(forbidden(f"{path}.{kind}", "may not specify more than 1 handler type"))
    for kind in found[:1]:
        _check_action(errors, f"{path}.{kind}", kind, handler[kind])


def _check_action(errors: Errors, path: str, kind: str, action: Mapping[str, Any]) -> None:
    if kind == "exec":
        if not action.get("command"):
            errors.append(required(f"{path}.command"))
    elif kind == "httpGet":
        if not action.get("path"):
            errors.append(required(f"{path}.path"))
        _check_port_or_name(errors, f"{path}.port", action.get("port"))
        check_enum(errors, f"{path}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
    elif kind == "tcpSocket":
        _check_port_or_name(errors, f"{path}.port", action.get("port"))
    elif kind == "grpc":
        check_port(errors, f"{path}.port", action.get("port", 0))


def _check_port_or_name(errors: Errors, path: str, port: Any) -> None:
    if isinstance(port, str):
        for fault in check_port_name(port):
            errors.append(invalid(path, port, fault))
    else:
        check_port(errors, path, port or 0)
