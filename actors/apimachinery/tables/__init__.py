"""Tables of objects, with the columns that Kubernetes' API server gives each kind.

    definition = table_of(resource)
    cells = definition.row(pod, now_s)

Rows are pure functions of the object and the time; whoever prints chooses the columns (wide or not).
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.tables import cluster, configuration, networking, pods, storage, workloads
from actors.apimachinery.tables.custom_resources import custom_table
from actors.apimachinery.tables.definition import Cell, Column, TableDefinition, age_of, name_of, table

__all__ = ["TABLES", "Column", "TableDefinition", "table_of"]


def _name_and_age(obj: Object, now_s: float) -> Sequence[Cell]:
    return (name_of(obj), age_of(obj, now_s))


#: What a kind without a table of its own is shown with.
DEFAULT = table("Name|Age", _name_and_age)

TABLES: dict[str, TableDefinition] = {
    **pods.TABLES,
    **workloads.TABLES,
    **networking.TABLES,
    **storage.TABLES,
    **configuration.TABLES,
    **cluster.TABLES,
}
"""Every table, by the resource's key (``apps/v1/deployments``)."""


def table_of(resource: Resource) -> TableDefinition:
    """The table of a resource; NAME and AGE when it has no columns of its own."""
    if resource.custom is not None:
        return custom_table(resource.custom)
    return TABLES.get(resource.key, DEFAULT)
