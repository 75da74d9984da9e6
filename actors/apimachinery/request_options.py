"""Options that mean nothing, and how Kubernetes refuses them (``ValidateListOptions`` and its like).

    check_list_options(options)                   # a list; watch=True: a watch
    check_delete_options(options)
    check_write_options("PatchOptions", options)

Each raises `ApiError` (422) naming the option. Options go by the names of the query parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.status import FieldError, bad_request, invalid

GROUP: Final = "meta.k8s.io"
EXACT: Final = "Exact"
NOT_OLDER_THAN: Final = "NotOlderThan"
MANAGER_BYTES_MAX: Final = 128

_POLICIES: Final = ("Background", "Foreground", "Orphan")
_DELETE_TYPES: Final[Mapping[str, type]] = {
    "preconditions": Mapping,
    "orphanDependents": bool,
    "propagationPolicy": str,
}
_VALIDATIONS: Final = ("Ignore", "Strict", "Warn")

Options = Mapping[str, Any]


def check_list_options(options: Options, *, watch: bool = False) -> None:
    """Raises `ApiError` (422) when a list's or a watch's options contradict one another."""
    errors = _watch_errors(options) if watch else _list_errors(options)
    match = options.get("resourceVersionMatch") or ""
    version = str(options.get("resourceVersion") or "")
    if match and (not watch or options.get("sendInitialEvents") is not None):
        errors += _match_errors(options, match, version)
    _refuse("ListOptions", errors)


def _list_errors(options: Options) -> list[FieldError]:
    if options.get("sendInitialEvents") is None:
        return []
    return [_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")]


def _watch_errors(options: Options) -> list[FieldError]:
    match = options.get("resourceVersionMatch") or ""
    if options.get("sendInitialEvents") is None:
        if not match:
            return []
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        return [_forbidden("resourceVersionMatch", why)]
    if match != NOT_OLDER_THAN:
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        return [_forbidden("resourceVersionMatch", why)]
    return []


def _match_errors(options: Options, match: str, version: str) -> list[FieldError]:
    errors = []
    # A watch that wants the initial events may leave the version out: it wants the newest.
    if not version and options.get("sendInitialEvents") is None:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(_forbidden("resourceVersionMatch", why))
    if options.get("continue"):
        errors.append(_forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
    if match not in (EXACT, NOT_OLDER_THAN):
        errors.append(_unsupported("resourceVersionMatch", match, (EXACT, NOT_OLDER_THAN, "")))
    if match == EXACT and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        errors.append(_forbidden("resourceVersionMatch", why))
    return errors


def check_delete_options(options: Options) -> None:
    """Raises `ApiError` (422) for a propagation policy that isn't one, and other options that mean nothing.

    400 for those that are of another type.
    """
    for name, kind in _DELETE_TYPES.items():
        if options.get(name) is not None and not isinstance(options[name], kind):
            raise bad_request(f"json: cannot unmarshal into Go struct field DeleteOptions.{name}")
    errors = []
    policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    if policy and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(FieldError("FieldValueInvalid", "propagationPolicy", why, policy))
    elif policy and policy not in _POLICIES:
        errors.append(_unsupported("propagationPolicy", policy, (*_POLICIES, "nil")))
    errors += _dry_run_errors(options)
    _refuse("DeleteOptions", errors)


def check_write_options(kind: str, options: Options) -> None:
    """Raises `ApiError` (422) for options of a create, update or patch (`kind`: ``PatchOptions``) that can't be."""
    errors = _dry_run_errors(options)
    validation = options.get("fieldValidation")
    if validation and validation not in _VALIDATIONS:
        errors.append(_unsupported("fieldValidation", validation, ("", *_VALIDATIONS)))
    name = options.get("fieldManager") or ""
    applies = kind == "PatchOptions" and options.get("patchType") == "apply"
    if applies and not name:
        errors.append(FieldError("FieldValueRequired", "fieldManager", "is required for apply patch"))
    if not applies and kind == "PatchOptions" and options.get("force") is not None:
        errors.append(_forbidden("force", "may not be specified for non-apply patch"))
    if not isinstance(name, str) or not name.isprintable():
        why = "should only contain printable characters"
        errors.append(FieldError("FieldValueInvalid", "fieldManager", why, str(name)))
    elif len(name.encode()) > MANAGER_BYTES_MAX:
        why = f"may not be more than {MANAGER_BYTES_MAX} bytes"
        errors.append(FieldError("FieldValueTooLong", "fieldManager", why))
    _refuse(kind, errors)


def _dry_run_errors(options: Options) -> list[FieldError]:
    dry_run = options.get("dryRun")
    if dry_run is None or isinstance(dry_run, bool):
        return []
    stated = dry_run if isinstance(dry_run, list) else [dry_run]
    return [_unsupported("dryRun", each, ("All",)) for each in stated if each != "All"][:1]


def _forbidden(field: str, why: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, why)


def _unsupported(field: str, value: Any, known: tuple[str, ...]) -> FieldError:
    listed = ", ".join(f'"{each}"' for each in known)
    return FieldError("FieldValueNotSupported", field, f"supported values: {listed}", value)


def _refuse(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(kind, GROUP, "", errors)
