"""Who may have which names: pure (``pkg/controller/status`` of Kubernetes' apiextensions server).

Within a group no two CRDs share a plural, singular, short name, kind or list kind. A name that another CRD has is not
accepted until that one lets go of it; once established, a CRD stays so with the names it was accepted with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.apimachinery.custom_resources.definition import ESTABLISHED, NAMES_ACCEPTED, condition_is_true, condition_of
from actors.apimachinery.meta import format_time
from actors.apimachinery.operation import Object


@dataclass(slots=True)
class NamesInUse:
    """The names of a group's other CRDs."""

    resources: set[str] = field(default_factory=set)
    """Plurals, singulars and short names."""
    kinds: set[str] = field(default_factory=set)

    @staticmethod
    def of(crds: Iterable[Object]) -> NamesInUse:
        """What was accepted for CRDs."""
        found = NamesInUse()
        for crd in crds:
            names = (crd.get("status") or {}).get("acceptedNames") or {}
            found.resources.update(
                name for name in (names.get("plural"), names.get("singular"), *(names.get("shortNames") or ())) if name
            )
            found.kinds.update(name for name in (names.get("kind"), names.get("listKind")) if name)
        return found


def settled_status(crd: Object, in_use: NamesInUse, now_s: float) -> Object:
    """The CRD's status with its accepted names and the conditions NamesAccepted and Established."""
    status: Object = crd.get("status") or {}
    wanted = crd["spec"]["names"]
    accepted, conflict = _accept(wanted, status.get("acceptedNames") or {}, in_use)
    if conflict is None:
        names = condition(crd, NAMES_ACCEPTED, True, "NoConflicts", "no conflicts found", now_s)
    else:
        names = condition(crd, NAMES_ACCEPTED, False, conflict[0], conflict[1], now_s)
    established = condition_of(crd, ESTABLISHED)
    if not condition_is_true(crd, ESTABLISHED):
        if conflict is None:
            text = "the initial names have been accepted"
            established = condition(crd, ESTABLISHED, True, "InitialNamesAccepted", text, now_s)
        else:
            established = condition(crd, ESTABLISHED, False, "NotAccepted", "not all names are accepted", now_s)
    return {**status, "acceptedNames": accepted, "conditions": with_conditions(crd, names, established or {})}


def _accept(
    wanted: Mapping[str, Any], had: Mapping[str, Any], in_use: NamesInUse
) -> tuple[Object, tuple[str, str] | None]:
    """The names to go by, and the last conflict as reason and message."""
    accepted: Object = {"plural": "", "kind": "", **had}
    conflict: tuple[str, str] | None = None
    for name, others, reason in (
        ("plural", in_use.resources, "PluralConflict"),
        ("singular", in_use.resources, "SingularConflict"),
        ("kind", in_use.kinds, "KindConflict"),
        ("listKind", in_use.kinds, "ListKindConflict"),
    ):
        value = wanted.get(name) or ""
        if value and value != had.get(name) and value in others:
            conflict = (reason, f'"{value}" is already in use')
        elif value:
            accepted[name] = value
    short = wanted.get("shortNames") or []
    if short != (had.get("shortNames") or []):
        taken = [each for each in short if each not in (had.get("shortNames") or ()) and each in in_use.resources]
        if taken:
            conflict = ("ShortNamesConflict", ", ".join(f'"{each}" is already in use' for each in taken))
        elif short:
            accepted["shortNames"] = short
        else:
            accepted.pop("shortNames", None)
    if wanted.get("categories"):
        accepted["categories"] = wanted["categories"]
    else:
        accepted.pop("categories", None)
    return accepted, conflict


def condition(crd: Object, name: str, holds: bool, reason: str, message: str, now_s: float) -> Object:
    """A condition; its time is that of its last change of state."""
    status = "True" if holds else "False"
    before = condition_of(crd, name)
    since = before.get("lastTransitionTime") if before is not None and before.get("status") == status else None
    return {
        "type": name,
        "status": status,
        "lastTransitionTime": since or format_time(now_s),
        "reason": reason,
        "message": message,
    }


def with_conditions(crd: Object, *conditions: Mapping[str, Any]) -> list[Any]:
    """The CRD's conditions, with some of them replaced or added."""
    given = {condition["type"]: condition for condition in conditions}
    kept = [given.pop(c["type"], c) for c in (crd.get("status") or {}).get("conditions") or ()]
    return [*kept, *given.values()]
