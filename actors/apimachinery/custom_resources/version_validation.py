"""Rules of one version of a CRD: its columns, subresources and selectable fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from actors.apimachinery.jsonpath import JSONPathError, parse_path
from actors.apimachinery.validation.field import Errors, check_enum, duplicate, invalid, required

COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
SELECTABLE_FIELDS_MAX: Final = 8
_SELECTABLE_TYPES: Final = ("string", "integer", "boolean")
_SIMPLE_PATH: Final = re.compile(r"(\.[a-zA-Z_][a-zA-Z0-9_-]*)+")


def validate_version(version: Mapping[str, Any], path: str) -> Errors:
    """What is wrong with a version, its schema apart."""
    errors: Errors = []
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        _check_column(errors, column, f"{path}.additionalPrinterColumns[{index}]")
    if version.get("deprecationWarning") and not version.get("deprecated"):
        detail = "can only be set for deprecated versions"
        errors.append(invalid(f"{path}.deprecationWarning", version["deprecationWarning"], detail))
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        _check_scale(errors, scale, f"{path}.subresources.scale")
    _check_selectable_fields(errors, version, path)
    return errors


def _check_column(errors: Errors, column: Mapping[str, Any], path: str) -> None:
    if not column.get("name"):
        errors.append(required(f"{path}.name"))
    check_enum(errors, f"{path}.type", column.get("type"), COLUMN_TYPES)
    if column.get("format"):
        check_enum(errors, f"{path}.format", column["format"], COLUMN_FORMATS)
    json_path = column.get("jsonPath") or ""
    if not json_path:
        errors.append(required(f"{path}.jsonPath"))
        return
    if not json_path.startswith("."):
        errors.append(invalid(f"{path}.jsonPath", json_path, "must start with a dot"))
        return
    try:
        parse_path(json_path)
    except JSONPathError as error:
        errors.append(invalid(f"{path}.jsonPath", json_path, str(error)))


def _check_scale(errors: Errors, scale: Mapping[str, Any], path: str) -> None:
    for name, roots, is_needed in (
        ("specReplicasPath", (".spec",), True),
        ("statusReplicasPath", (".status",), True),
        ("labelSelectorPath", (".spec", ".status"), False),
    ):
        value = scale.get(name) or ""
        where = f"{path}.{name}"
        if not value:
            if is_needed:
                errors.append(required(where))
        elif _SIMPLE_PATH.fullmatch(value) is None:
            errors.append(invalid(where, value, "should be a json path without array notation"))
        elif not value.startswith(tuple(f"{root}." for root in roots)):
            errors.append(invalid(where, value, f"should be a json path under {' or '.join(roots)}"))


def _check_selectable_fields(errors: Errors, version: Mapping[str, Any], path: str) -> None:
    fields = version.get("selectableFields") or []
    where = f"{path}.selectableFields"
    if len(fields) > SELECTABLE_FIELDS_MAX:
        detail = f"must have at most {SELECTABLE_FIELDS_MAX} items"
        errors.append(invalid(where, len(fields), detail))
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    seen: set[str] = set()
    for index, field in enumerate(fields):
        json_path = field.get("jsonPath") or ""
        at = f"{where}[{index}].jsonPath"
        if not json_path:
            errors.append(required(at))
            continue
        if json_path in seen:
            errors.append(duplicate(at, json_path))
        seen.add(json_path)
        if _SIMPLE_PATH.fullmatch(json_path) is None:
            errors.append(invalid(at, json_path, "is an invalid path: must be a simple path of field names"))
        elif json_path.split(".")[1] == "metadata":
            errors.append(invalid(at, json_path, "must not point to fields in metadata"))
        else:
            _check_selectable_type(errors, schema, json_path, at)


def _check_selectable_type(errors: Errors, schema: Any, json_path: str, at: str) -> None:
    for name in json_path.split(".")[1:]:
        schema = ((schema or {}).get("properties") or {}).get(name)
    if schema is None:
        errors.append(invalid(at, json_path, "must point to an existing field of the schema"))
    elif schema.get("type") not in _SELECTABLE_TYPES:
        listed = ", ".join(_SELECTABLE_TYPES)
        errors.append(invalid(at, json_path, f"must point to a field of type {listed}"))
