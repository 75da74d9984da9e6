"""Is a CRD's schema structural? (``ValidateStructural`` and ``ValidateCustomResourceDefinitionOpenAPISchema``.)

A structural schema says the type of everything it specifies, once and outside of ``allOf``, ``anyOf``, ``oneOf`` and
``not``; these may only restrict what is specified. Pruning, defaulting and server-side apply rest on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from actors.apimachinery.custom_resources.list_schema import check_list
from actors.apimachinery.custom_resources.pattern import PatternError, check_pattern
from actors.apimachinery.custom_resources.pruning import prune_value
from actors.apimachinery.custom_resources.value_validation import validate_value
from actors.apimachinery.validation.field import Errors, forbidden, invalid, not_supported, required

Schema = Mapping[str, Any]

PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
EMBEDDED: Final = "x-kubernetes-embedded-resource"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
MAP_TYPE: Final = "x-kubernetes-map-type"

TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_NEEDED_AT: Final = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_NOT_SUPPORTED: Final = ("$ref", "id", "definitions", "dependencies", "patternProperties", "additionalItems")
_JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
#: What a schema inside of a junctor may not say.
_FORBIDDEN_INSIDE: Final = (
    "type",
    "default",
    "nullable",
    "title",
    "description",
    "additionalProperties",
    PRESERVE,
    EMBEDDED,
    INT_OR_STRING,
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    MAP_TYPE,
)


def validate_structural(schema: Schema, path: str) -> Errors:
    """What is wrong with a version's schema; empty when it is structural."""
    errors: Errors = []
    if schema.get("nullable"):
        errors.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    if schema.get("type") not in (None, "", "object"):
        errors.append(invalid(f"{path}.type", schema["type"], "must be object at the root"))
    if schema.get("additionalProperties"):
        errors.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
    _check(errors, schema, path, "root")
    return errors


def _check(errors: Errors, schema: Schema, path: str, level: str) -> None:
    for name in _NOT_SUPPORTED:
        if schema.get(name):
            errors.append(forbidden(f"{path}.{name}", f"{name} is not supported"))
    _check_type(errors, schema, path, level)
    _check_extensions(errors, schema, path)
    if level == "root" or schema.get(EMBEDDED):
        _check_meta_fields(errors, schema, path)
    _check_values(errors, schema, path)
    check_list(errors, schema, path)
    _check_default(errors, schema, path)
    _check_junctors(errors, schema, path)
    for inner, where, inner_level in _parts(schema, path):
        _check(errors, inner, where, inner_level)


def _parts(schema: Schema, path: str) -> Iterator[tuple[Schema, str, str]]:
    """The schemas of what is in it, with their paths."""
    for name, inner in (schema.get("properties") or {}).items():
        yield inner, f"{path}.properties[{name}]", "field"
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"], f"{path}.additionalProperties", "field"
    if isinstance(schema.get("items"), dict):
        yield schema["items"], f"{path}.items", "item"


def _check_type(errors: Errors, schema: Schema, path: str, level: str) -> None:
    kind = schema.get("type") or ""
    if schema.get(EMBEDDED) and kind != "object":
        detail = f"must be object if {EMBEDDED} is true"
        errors.append(invalid(f"{path}.type", kind, detail) if kind else required(f"{path}.type", detail))
    elif schema.get(INT_OR_STRING):
        if kind:
            errors.append(forbidden(f"{path}.type", f"must be empty if {INT_OR_STRING} is true"))
    elif not kind and not schema.get(PRESERVE):
        errors.append(required(f"{path}.type", _NEEDED_AT[level]))
    if kind and kind not in TYPES:
        errors.append(not_supported(f"{path}.type", kind, TYPES))
    items = schema.get("items")
    if kind == "array" and items is None:
        errors.append(required(f"{path}.items", "must be specified"))
    if isinstance(items, list):
        errors.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
    additional = schema.get("additionalProperties")
    if additional is False:
        errors.append(forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false"))
    elif additional is not None and schema.get("properties"):
        detail = "additionalProperties and properties are mutual exclusive"
        errors.append(forbidden(f"{path}.additionalProperties", detail))


def _check_extensions(errors: Errors, schema: Schema, path: str) -> None:
    if schema.get(PRESERVE) is False:
        errors.append(invalid(f"{path}.{PRESERVE}", False, "must be true or undefined"))
    if schema.get(EMBEDDED):
        if not schema.get("properties") and not schema.get(PRESERVE):
            detail = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
            errors.append(required(f"{path}.properties", detail))
        if schema.get("additionalProperties"):
            errors.append(forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set"))
    map_type = schema.get(MAP_TYPE)
    if map_type is not None:
        if map_type not in ("atomic", "granular"):
            errors.append(not_supported(f"{path}.{MAP_TYPE}", map_type, ("atomic", "granular")))
        if schema.get("type") not in ("object", None, ""):
            errors.append(invalid(f"{path}.type", schema["type"], f"must be object if {MAP_TYPE} is specified"))


def _check_meta_fields(errors: Errors, schema: Schema, path: str) -> None:
    properties = schema.get("properties") or {}
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        found = properties.get(name)
        if found is not None and found.get("type") not in (None, "", wanted):
            errors.append(invalid(f"{path}.properties[{name}].type", found["type"], f"must be {wanted}"))
    metadata = properties.get("metadata") or {}
    if set(metadata.get("properties") or ()) - {"name", "generateName"} or metadata.get("additionalProperties"):
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        errors.append(forbidden(f"{path}.properties[metadata]", detail))


def _check_values(errors: Errors, schema: Schema, path: str) -> None:
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        errors.append(forbidden(f"{path}.uniqueItems", detail))
    pattern = schema.get("pattern")
    if pattern:
        try:
            check_pattern(pattern)
        except PatternError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            errors.append(invalid(f"{path}.pattern", pattern, detail))


def _check_default(errors: Errors, schema: Schema, path: str) -> None:
    if "default" not in schema:
        return
    default = schema["default"]
    if default is None:
        if not schema.get("nullable"):
            errors.append(invalid(f"{path}.default", "null", "must not be null: the schema is not nullable"))
        return
    _, unknown = prune_value(default, schema)
    if unknown:
        errors.append(invalid(f"{path}.default", default, f"must not have unknown fields: {', '.join(unknown)}"))
    errors.extend(validate_value(default, {**schema, "nullable": False}, f"{path}.default"))


def _check_junctors(errors: Errors, schema: Schema, path: str) -> None:
    for name in _JUNCTORS:
        for index, inner in enumerate(schema.get(name) or ()):
            if not (schema.get(INT_OR_STRING) and _is_int_or_string(schema, name, index)):
                _check_inside(errors, inner, f"{path}.{name}[{index}]", schema, path)
    if isinstance(schema.get("not"), dict):
        _check_inside(errors, schema["not"], f"{path}.not", schema, path)


_INT_OR_STRING_CHOICE: Final = [{"type": "integer"}, {"type": "string"}]


def _is_int_or_string(schema: Schema, name: str, index: int) -> bool:
    """``anyOf: [{type: integer}, {type: string}]``, which generators put beside the extension, also first in allOf."""
    if name == "anyOf":
        return bool(schema["anyOf"] == _INT_OR_STRING_CHOICE)
    return name == "allOf" and index == 0 and schema["allOf"][0] == {"anyOf": _INT_OR_STRING_CHOICE}


def _check_inside(errors: Errors, schema: Schema, path: str, outside: Schema | None, outside_path: str) -> None:
    """A schema in a junctor: it says nothing that structure is made of, and nothing about what isn't specified."""
    for name in _FORBIDDEN_INSIDE:
        if schema.get(name) not in (None, "", False):
            errors.append(forbidden(f"{path}.{name}", "must be empty to be structural"))
    for name, inner in (schema.get("properties") or {}).items():
        specified = ((outside or {}).get("properties") or {}).get(name)
        where = f"{outside_path}.properties[{name}]"
        if specified is None and not (outside or {}).get("additionalProperties"):
            errors.append(required(where, f"because it is defined in {path}.properties[{name}]"))
        _check_inside(errors, inner, f"{path}.properties[{name}]", specified, where)
    items = schema.get("items")
    if isinstance(items, dict):
        specified = (outside or {}).get("items")
        if specified is None:
            errors.append(required(f"{outside_path}.items", f"because it is defined in {path}.items"))
        _check_inside(errors, items, f"{path}.items", specified, f"{outside_path}.items")
    _check_values(errors, schema, path)
    for name in _JUNCTORS:
        for index, inner in enumerate(schema.get(name) or ()):
            _check_inside(errors, inner, f"{path}.{name}[{index}]", outside, outside_path)
    if isinstance(schema.get("not"), dict):
        _check_inside(errors, schema["not"], f"{path}.not", outside, outside_path)
