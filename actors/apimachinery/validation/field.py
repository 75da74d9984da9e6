"""Making field errors, as ``k8s.io/apimachinery/pkg/util/validation/field`` does, and checks of single values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from actors.apimachinery.status import FieldError, format_value

Errors = list[FieldError]

NOT_NEGATIVE: Final = "must be greater than or equal to 0"
POSITIVE: Final = "must be greater than zero"
IMMUTABLE: Final = "field is immutable"
PORT_RANGE: Final = "must be between 1 and 65535, inclusive"
PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
_IS_PERCENT: Final = re.compile("[0-9]+%").fullmatch


def required(path: str, detail: str = "") -> FieldError:
    """The field must be there."""
    return FieldError("FieldValueRequired", path, detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """The value breaks a rule."""
    return FieldError("FieldValueInvalid", path, detail, value)


def duplicate(path: str, value: Any) -> FieldError:
    """The value must be unique and isn't."""
    return FieldError("FieldValueDuplicate", path, "", value)


def not_found(path: str, value: Any) -> FieldError:
    """The value refers to something that isn't there."""
    return FieldError("FieldValueNotFound", path, "", value)


def forbidden(path: str, detail: str) -> FieldError:
    """The field may not be set, or not so."""
    return FieldError("FieldValueForbidden", path, detail)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """The value is none of those allowed."""
    listed = ", ".join(format_value(name) for name in supported)
    return FieldError("FieldValueNotSupported", path, f"supported values: {listed}", value)


def too_long(path: str, bytes_max: int) -> FieldError:
    """The value is larger than allowed."""
    return FieldError("FieldValueTooLong", path, f"may not be more than {bytes_max} bytes")


def check_enum(errors: Errors, path: str, value: Any, supported: tuple[str, ...], *, needed: bool = True) -> None:
    """One of a few texts; missing is an error of its own when it is needed."""
    if value in supported:
        return
    if not value:
        if needed:
            errors.append(required(path))
        return
    errors.append(not_supported(path, value, supported))


def check_not_negative(errors: Errors, path: str, value: Any) -> None:
    """A number that is at least 0, when it is there."""
    if isinstance(value, int) and value < 0:
        errors.append(invalid(path, value, NOT_NEGATIVE))


def check_port(errors: Errors, path: str, value: Any) -> None:
    """A port number."""
    if not (isinstance(value, int) and 1 <= value <= 65535):
        errors.append(invalid(path, value, PORT_RANGE))


def check_count_or_percent(errors: Errors, path: str, value: Any) -> None:
    """A number that is at least 0, or a percentage such as ``25%``."""
    if isinstance(value, str):
        if not _IS_PERCENT(value):
            errors.append(invalid(path, value, PERCENT))
    else:
        check_not_negative(errors, path, value)


def percent_of(value: Any) -> int | None:
    """The number of a percentage; None for anything else."""
    return int(value[:-1]) if isinstance(value, str) and _IS_PERCENT(value) else None


def check_immutable(errors: Errors, path: str, new: Any, old: Any) -> None:
    """A value that can't change once it is set."""
    if new != old:
        errors.append(invalid(path, new, IMMUTABLE))


def child(obj: Mapping[str, Any], *names: str) -> Any:
    """The value at the end of a chain of fields; None when the chain breaks."""
    value: Any = obj
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
