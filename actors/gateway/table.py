"""Tables and bare metadata: the forms of an answer that ``kubectl get`` and metadata-only clients ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from actors.apimachinery.operation import Object
from actors.apimachinery.resources import Resource
from actors.apimachinery.tables import table_of
from actors.apimachinery.tables.definition import TableDefinition
from actors.gateway.accept import Form

_INTEGER_COLUMNS: Final = frozenset({"Up-to-date", "Available", "Desired", "Current", "Secrets", "Data", "Revision"})


def partial_metadata(obj: Object, version: str = "v1") -> Object:
    """An object's metadata alone."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }


def column_definitions(resource: Resource) -> list[Object]:
    """The columns of a resource's table."""
    return [
        {
            "name": column.name,
            "type": "integer" if resource.custom is None and column.name in _INTEGER_COLUMNS else column.type,
            "format": "name" if column.name == "Name" else column.format,
            "description": column.description,
            "priority": column.priority,
        }
        for column in table_of(resource).columns
    ]


def _cells(definition: TableDefinition, obj: Object, now_s: float) -> list[Any]:
    """A row. An object that misses what it should have hides none of the others: it shows its name."""
    try:
        return list(definition.row(obj, now_s))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return [obj["metadata"].get("name", ""), *[None] * (len(definition.columns) - 1)]


def table_object(
    resource: Resource,
    objects: Sequence[Object],
    list_metadata: Object,
    now_s: float,
    *,
    include: str = "Metadata",
    version: str = "v1",
    with_columns: bool = True,
) -> Object:
    """A Table. `include` says what each row carries of its object: ``None``, ``Metadata`` or ``Object``."""
    definition = table_of(resource)
    rows: list[Object] = []
    for obj in objects:
        row: dict[str, Any] = {"cells": _cells(definition, obj, now_s)}
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = partial_metadata(obj, version)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": list_metadata,
        "columnDefinitions": column_definitions(resource) if with_columns else [],
        "rows": rows,
    }


def transformed_object(resource: Resource, obj: Object, form: Form, now_s: float, include: str) -> Object:
    """One object in the form that was asked for."""
    version = form.parameters.get("v", "v1")
    if form.transform == "Table":
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return table_object(resource, [obj], metadata, now_s, include=include, version=version)
    if form.transform.startswith("PartialObjectMetadata"):
        return partial_metadata(obj, version)
    return obj


def transformed_list(
    resource: Resource, objects: Sequence[Object], metadata: Object, form: Form, now_s: float, include: str
) -> Object:
    """A list in the form that was asked for."""
    version = form.parameters.get("v", "v1")
    if form.transform == "Table":
        return table_object(resource, objects, metadata, now_s, include=include, version=version)
    if form.transform.startswith("PartialObjectMetadata"):
        items = [partial_metadata(obj, version) for obj in objects]
        api_version = f"meta.k8s.io/{version}"
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": api_version,
            "metadata": metadata,
            "items": items,
        }
    return {
        "kind": resource.list_kind,
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "items": list(objects),
    }
