"""Tables of custom objects: the columns that a CRD asks for (``additionalPrinterColumns``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from actors.apimachinery.custom_resources.definition import CustomVersion
from actors.apimachinery.jsonpath import JSONPathError, Work, find, parse_path, text_of
from actors.apimachinery.jsonpath_syntax import Path
from actors.apimachinery.operation import Object
from actors.apimachinery.tables.definition import Cell, Column, TableDefinition, name_of
from actors.apimachinery.tables.duration import age

#: The columns of a row may look at so many values of its object together; what is left then is shown empty.
VALUES_MAX = 10_000

_AGE: Mapping[str, Any] = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": "How long ago the object was created.",
}


def custom_table(custom: CustomVersion) -> TableDefinition:
    """The table of a custom resource: the name, then the CRD's columns, or the age when it has none."""
    wanted = custom.columns or (_AGE,)
    cells = [_cell(column) for column in wanted]
    columns = (
        Column("Name", format="name"),
        *(
            Column(
                column["name"],
                int(column.get("priority") or 0),
                column["type"],
                column.get("format") or "",
                column.get("description") or f"Custom resource definition column (JSONPath): {column['jsonPath']}",
            )
            for column in wanted
        ),
    )

    def row(obj: Object, now_s: float) -> Sequence[Cell]:
        work = Work(VALUES_MAX)
        return [name_of(obj), *(cell(obj, now_s, work) for cell in cells)]

    return TableDefinition(columns, row)


def _cell(column: Mapping[str, Any]) -> Callable[[Object, float, Work], Cell]:
    path, kind = column["jsonPath"], column["type"]

    def cell(obj: Object, now_s: float, work: Work) -> Cell:
        try:
            found = find(_parsed(path), obj, work=work)
        except JSONPathError:
            return None
        return _shown(found[0], kind, now_s) if found else None

    return cell


@lru_cache(maxsize=4096)
def _parsed(path: str) -> Path:
    return parse_path(path)


def _shown(value: Any, kind: str, now_s: float) -> Cell:
    """A value in a column of a type: nothing when it isn't of that type."""
    if value is None:
        return None
    if kind == "string":
        return text_of(value)
    if kind == "date":
        return _age(value, now_s) if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if kind == "integer" else float(value)


def _age(text: str, now_s: float) -> str:
    try:
        return age(text, now_s)
    except ValueError:
        return "<invalid>"
