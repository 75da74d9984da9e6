"""Rules of the amounts a container asks for (``ValidateResourceRequirements``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from actors.apimachinery.label_syntax import check_qualified_name
from actors.apimachinery.quantity import parse_quantity
from actors.apimachinery.validation.field import NOT_NEGATIVE, Errors, invalid, required

_CONTAINER_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_HUGE_PAGES: Final = "hugepages-"


def is_extended(name: str) -> bool:
    """Whether a resource is of somebody's own making (``example.com/gpu``): whole numbers, never overcommitted."""
    return "/" in name and not name.partition("/")[0].endswith("kubernetes.io")


@lru_cache(maxsize=1024)
def _name_faults(name: str) -> tuple[str, ...]:
    faults = check_qualified_name(name)
    if faults:
        return faults
    if "/" not in name and name not in _CONTAINER_RESOURCES and not name.startswith(_HUGE_PAGES):
        return ("must be a standard resource type or fully qualified", "must be a standard resource for containers")
    return ()


def check_resources(errors: Errors, path: str, resources: Mapping[str, Any]) -> None:
    """Names are known or qualified, amounts not negative, and no request is above its limit."""
    limits = resources.get("limits") or {}
    requests = resources.get("requests") or {}
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            for fault in _name_faults(name):
                errors.append(invalid(f"{path}.{kind}", name, fault))
            parsed = parse_quantity(amount)
            if parsed < 0:
                errors.append(invalid(f"{path}.{kind}[{name}]", amount, NOT_NEGATIVE))
            elif is_extended(name) and parsed != int(parsed):
                errors.append(invalid(f"{path}.{kind}[{name}]", amount, "must be an integer"))
    for name, amount in requests.items():
        limit = limits.get(name)
        fixed = is_extended(name) or name.startswith(_HUGE_PAGES)
        if limit is None:
            if fixed:
                errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif limit != amount:
            _compare(errors, path, (name, amount, limit), fixed=fixed)


def _compare(errors: Errors, path: str, amounts: tuple[str, Any, Any], *, fixed: bool) -> None:
    name, request, limit = amounts
    wanted, most = parse_quantity(request), parse_quantity(limit)
    if fixed and wanted != most:
        errors.append(invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}"))
    elif wanted > most:
        errors.append(invalid(f"{path}.requests", request, f"must be less than or equal to {name} limit of {limit}"))
