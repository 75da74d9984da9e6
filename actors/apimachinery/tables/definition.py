"""What a table of a kind looks like: columns, and a pure function that makes an object's row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.apimachinery.operation import Object
from actors.apimachinery.tables.duration import age

Cell = str | int | float | None
"""None: there is nothing to show."""
Row = Callable[[Object, float], Sequence[Cell]]
"""Makes the row of an object at a time (seconds since the epoch)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as ``metav1.TableColumnDefinition`` has it."""

    name: str
    priority: int = 0
    """0: always shown; more: only in wide tables."""
    type: str = "string"
    """``string``, ``integer``, ``number``, ``boolean``, ``date``."""
    format: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """The table of a kind. Every row has a cell for every column, the wide ones too."""

    columns: tuple[Column, ...]
    row: Row


def table(columns: str, row: Row) -> TableDefinition:
    """A table from its column names, separated by ``|``; a trailing ``*`` marks a wide column."""
    named = (name.strip() for name in columns.split("|"))
    return TableDefinition(tuple(Column(name.rstrip("*"), int(name.endswith("*"))) for name in named), row)


def name_of(obj: Object) -> str:
    """The object's name."""
    name: str = obj["metadata"].get("name", "")
    return name


def created(obj: Object) -> str | None:
    """The object's creationTimestamp."""
    time: str | None = obj["metadata"].get("creationTimestamp")
    return time


def age_of(obj: Object, now_s: float) -> str:
    """How old the object is."""
    return age(created(obj), now_s)


def of(obj: Mapping[str, Any], *path: str) -> Any:
    """A nested field; None when any part of the way is missing."""
    value: Any = obj
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def count_of(obj: Mapping[str, Any], *path: str) -> int:
    """A nested number; 0 when it is missing."""
    return int(of(obj, *path) or 0)


def items_of(obj: Mapping[str, Any], *path: str) -> list[Any]:
    """A nested list; empty when it is missing."""
    found = of(obj, *path)
    return found if isinstance(found, list) else []


def or_none(text: Any) -> str:
    """The text, or ``<none>`` for nothing."""
    return str(text) if text not in (None, "") else "<none>"


def or_unset(text: Any) -> str:
    """The text, or ``<unset>`` for nothing."""
    return str(text) if text not in (None, "") else "<unset>"


def joined(items: Sequence[Any], separator: str = ",") -> str:
    """A list in one cell; ``<none>`` when empty."""
    return separator.join(str(item) for item in items) or "<none>"


def truth(value: Any) -> str:
    """A boolean as Go prints it."""
    return "true" if value else "false"


def containers_of(template: Mapping[str, Any] | None) -> tuple[str, str]:
    """Names and images of a pod template's containers, for the wide columns."""
    containers = items_of(template or {}, "spec", "containers")
    return (
        ",".join(container.get("name", "") for container in containers),
        ",".join(container.get("image", "") for container in containers),
    )


def format_labels(labels: Mapping[str, Any] | None) -> str:
    """Labels, or a map selector, in one cell: sorted, ``<none>`` when empty."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else "<none>"


_OPERATOR = {"In": "in", "NotIn": "notin"}


def format_selector(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector in kubectl's text form; ``<none>`` for none at all or one without requirements."""
    if not selector:
        return "<none>"
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression["key"], expression["operator"]
        if operator in _OPERATOR:
            values = ",".join(sorted(expression.get("values") or ()))
            parts.append((key, f"{key} {_OPERATOR[operator]} ({values})"))
        else:
            parts.append((key, key if operator == "Exists" else f"!{key}"))
    return ",".join(text for _, text in sorted(parts)) or "<none>"
