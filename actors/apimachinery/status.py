"""Kubernetes' Status object and the errors that carry it.

Reasons, codes and messages are those of ``k8s.io/apimachinery/pkg/api/errors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from actors.apimachinery.operation import Object

CauseReason = Literal[
    "FieldValueInvalid",
    "FieldValueRequired",
    "FieldValueDuplicate",
    "FieldValueNotFound",
    "FieldValueNotSupported",
    "FieldValueForbidden",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
    "InternalError",
]

_PREFIX: Final[dict[str, str]] = {
    "FieldValueInvalid": "Invalid value",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueNotFound": "Not found",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueTypeInvalid": "Invalid value",
    "InternalError": "Internal error",
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field (``field.Error`` of Kubernetes)."""

    reason: CauseReason
    field: str
    """Path as Kubernetes writes it: ``spec.template.spec.containers[0].image``."""
    detail: str = ""
    value: Any = None
    """The offending value; shown when the reason is about a value."""

    @property
    def message(self) -> str:
        """As Kubernetes words it: ``Invalid value: "x": detail``."""
        prefix = _PREFIX[self.reason]
        shows_value = self.reason not in ("FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong")
        shown = f": {format_value(self.value)}" if shows_value and self.value is not None else ""
        return f"{prefix}{shown}" + (f": {self.detail}" if self.detail else "")

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """An operation failed; `status` is the Status object a Kubernetes user knows."""

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message", ""))
        self.status = status

    @property
    def code(self) -> int:
        return int(self.status.get("code", 500))

    @property
    def reason(self) -> str:
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.status.get("message", ""))


def format_value(value: Any) -> str:
    """A value as Kubernetes shows it in an error."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if value is None:
        return "null"
    if isinstance(value, dict):
        inner = ",".join(f"{format_value(str(k))}:{format_value(v)}" for k, v in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ",".join(format_value(item) for item in value) + "]"
    return str(value)


def status_failure(code: int, reason: str, message: str, details: Object | None = None) -> Object:
    """A Status object that says Failure."""
    status: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        status["details"] = details
    return status


def qualified(plural: str, group: str) -> str:
    """``deployments.apps``, ``pods``: how errors name a resource."""
    return f"{plural}.{group}" if group else plural


def _details(plural: str, group: str, name: str) -> Object:
    details: Object = {"name": name, "kind": plural}
    if group:
        details["group"] = group
    return details


def not_found(plural: str, group: str, name: str) -> ApiError:
    """404 NotFound."""
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(status_failure(404, "NotFound", message, _details(plural, group, name)))


def already_exists(plural: str, group: str, name: str) -> ApiError:
    """409 AlreadyExists."""
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(status_failure(409, "AlreadyExists", message, _details(plural, group, name)))


def conflict(plural: str, group: str, name: str, why: str = "") -> ApiError:
    """409 Conflict; without a reason, the usual one of a stale resourceVersion."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(status_failure(409, "Conflict", message, _details(plural, group, name)))


#: A body of megabytes can break hundreds of thousands of rules; telling them all would keep others waiting.
ERRORS_SHOWN_MAX: Final = 1_000


def invalid(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 Invalid, with every field error as a cause; of very many, the first."""
    left_out = len(errors) - ERRORS_SHOWN_MAX
    errors = errors[:ERRORS_SHOWN_MAX]
    shown = ", ".join(str(e) for e in errors)
    if left_out > 0:
        shown += f", and {left_out} more"
    if len(errors) > 1:
        shown = f"[{shown}]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {shown}'
    details: Object = {
        "name": name,
        "kind": kind,
        "causes": [{"reason": e.reason, "message": e.message, "field": e.field} for e in errors],
    }
    if group:
        details["group"] = group
    return ApiError(status_failure(422, "Invalid", message, details))


def bad_request(message: str) -> ApiError:
    """400 BadRequest."""
    return ApiError(status_failure(400, "BadRequest", message))


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    """403 Forbidden."""
    message = f'{qualified(plural, group)} "{name}" is forbidden: {why}'
    return ApiError(status_failure(403, "Forbidden", message, _details(plural, group, name)))


def method_not_supported(plural: str, group: str, action: str) -> ApiError:
    """405 MethodNotAllowed."""
    message = f'{action} is not supported on resources of kind "{qualified(plural, group)}"'
    return ApiError(status_failure(405, "MethodNotAllowed", message))


def expired(message: str = "The resourceVersion for the provided list is too old.") -> ApiError:
    """410 Expired: the revision asked for was compacted or has left the window."""
    return ApiError(status_failure(410, "Expired", message))


def too_many_requests(message: str, retry_after_s: int = 0) -> ApiError:
    """429 TooManyRequests."""
    return ApiError(status_failure(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after_s}))


def internal_error(message: str) -> ApiError:
    """500 InternalError."""
    return ApiError(status_failure(500, "InternalError", f"Internal error occurred: {message}"))


def service_unavailable(message: str) -> ApiError:
    """503 ServiceUnavailable."""
    return ApiError(status_failure(503, "ServiceUnavailable", message))
