"""Decoding: is an object of its kind's shape? Types, unknown fields, and the canonical form of what it says.

    decoded, warnings = decode(resource, obj, field_validation="Strict")    # raises ApiError (400)
    errors = validate(resource, obj)                                        # the same as a list of FieldError

`decode` gives a new object (the schema-shaped part of it shares nothing with the old one, so it may be changed), in
which fields that are null are left out, quantities are in canonical form (``0.5`` is ``500m``) and, unless validation
is strict, unknown fields are dropped. Field validation as in Kubernetes: ``Strict`` refuses unknown fields, ``Warn``
drops them and says so, ``Ignore`` drops them.

As in Kubernetes, decoding does not look for missing fields or bad values: that is what `actors.apimachinery.strategy`
does after defaults were filled in.

A validator is built for each kind on first use (some milliseconds) from the published schema, in pydantic's core.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from pydantic_core import CoreSchema, SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from actors.apimachinery.custom_resources.definition import CRDS, CustomVersion
from actors.apimachinery.custom_resources.pruning import embedded_resources, prune
from actors.apimachinery.decode_error import type_error_message
from actors.apimachinery.operation import Object
from actors.apimachinery.quantity import canonical_quantity
from actors.apimachinery.resources import Resource
from actors.apimachinery.schema import (
    INT_OR_STRING,
    OBJECT_META,
    QUANTITY,
    Schema,
    definition_name,
    definitions,
    reference_name,
    type_of,
)
from actors.apimachinery.status import FieldError, bad_request

JSON_SCHEMA_PROPS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_INT_RANGE: Final = {"int32": 2**31, "int64": 2**63}
_RFC3339: Final = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d+)?(Z|z|[+-]\d\d:\d\d)$"
)

_STRING: Final = cs.str_schema(strict=True)


def _check_base64(value: str) -> str:
    """Bytes travel as base64 text."""
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"illegal base64 data at input byte {_first_bad_byte(value)}") from None
    return value


def _first_bad_byte(value: str) -> int:
    alphabet = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    for position, character in enumerate(value):
        if character not in alphabet and not (character == "=" and position >= len(value) - 2):
            return position
    return len(value)


_SPECIAL: Final[dict[str, CoreSchema]] = {
    QUANTITY: cs.no_info_plain_validator_function(canonical_quantity),
    INT_OR_STRING: cs.union_schema(
        [cs.int_schema(strict=True, ge=-(2**31), lt=2**31), _STRING],
        mode="left_to_right",
        custom_error_type="int_or_string",
        custom_error_message="neither a number nor text",
    ),
}


class _Builder:
    """Translates definitions into pydantic-core schemas; shared definitions become references."""

    def __init__(self) -> None:
        self.found: dict[str, CoreSchema] = {}

    def of(self, schema: Schema) -> CoreSchema:
        """The core schema of a schema."""
        name = reference_name(schema)
        if name:
            return self._reference(name)
        return self._spelled_out(schema)

    def _reference(self, name: str) -> CoreSchema:
        special = _SPECIAL.get(name)
        if special is not None:
            return special
        if name not in self.found:
            self.found[name] = cs.any_schema()  # stands in until it is built: definitions may refer to themselves
            self.found[name] = {**self._spelled_out(definitions()[name]), "ref": name}
        return cs.definition_reference_schema(name)

    def _spelled_out(self, schema: Schema) -> CoreSchema:
        kind = type_of(schema)
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar(schema)
        if kind == "array":
            items = schema.get("items")
            return cs.list_schema(self.of(items) if items else None)
        if kind == "object":
            return self._object(schema)
        return cs.any_schema()

    def _object(self, schema: Schema) -> CoreSchema:
        properties = schema.get("properties")
        if properties:
            # What is required is checked later: decoding in Kubernetes doesn't ask for it.
            fields = {name: cs.typed_dict_field(self.of(field), required=False) for name, field in properties.items()}
            return cs.typed_dict_schema(fields, extra_behavior="forbid")
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            return cs.dict_schema(_STRING, self.of(values))
        return cs.dict_schema(_STRING, cs.any_schema())


def _string(schema: Schema) -> CoreSchema:
    if schema.get("format") == "byte":
        return cs.no_info_after_validator_function(_check_base64, cs.str_schema(strict=True))
    if schema.get("format") == "date-time":
        return cs.str_schema(strict=True, pattern=_RFC3339)
    return cs.str_schema(strict=True)


def _integer(schema: Schema) -> CoreSchema:
    bound = _INT_RANGE.get(schema.get("format", ""), 2**63)
    return cs.int_schema(strict=True, ge=-bound, lt=bound)


_SCALARS: Final[Mapping[str, Callable[[Schema], CoreSchema]]] = {
    "string": _string,
    "integer": _integer,
    "number": lambda _: cs.float_schema(),
    "boolean": lambda _: cs.bool_schema(strict=True),
}


@cache
def _validator(definition: str) -> SchemaValidator:
    builder = _Builder()
    root = builder.of({"$ref": f"#/$defs/{definition}"})
    schema = cs.definitions_schema(root, list(builder.found.values()))
    return SchemaValidator(schema, {"strict": True})


def _decode_custom(custom: CustomVersion, obj: Object, kind: str, field_validation: str) -> tuple[Object, list[str]]:
    """A custom object, pruned to its schema. Its metadata has the shape that all metadata has."""
    version = custom.version["name"]
    metadata, warnings = _decode_metadata(obj.get("metadata") or {}, version, kind)
    pruned, unknown = prune({**obj, "metadata": metadata}, custom.schema)
    warnings += [f'unknown field "{path}"' for path in unknown]
    for embedded, path in embedded_resources(pruned, custom.schema):
        if embedded.get("metadata") is not None:
            embedded["metadata"], unknown = _decode_metadata(embedded["metadata"], version, kind, f"{path}.metadata")
            warnings += unknown
    warnings.sort()
    if warnings and field_validation == "Strict":
        prefix = f'{kind} in version "{version}" cannot be handled as a {kind}: '
        raise bad_request(f"{prefix}strict decoding error: {', '.join(warnings)}")
    return pruned, warnings if field_validation == "Warn" else []


def _decode_metadata(metadata: Object, version: str, kind: str, path: str = "metadata") -> tuple[Object, list[str]]:
    validator = _validator(OBJECT_META)
    metadata = _without_nulls(metadata, definitions()[OBJECT_META])
    try:
        return validator.validate_python(metadata), []
    except ValidationError as error:
        problems = error.errors(include_url=False)
    wrong = next((problem for problem in problems if problem["type"] != "extra_forbidden"), None)
    if wrong is not None:
        message = type_error_message(OBJECT_META, wrong)
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {message}')
    unknown = [f'unknown field "{path}.{field_path(problem["loc"])}"' for problem in problems]
    return validator.validate_python(metadata, extra="ignore"), unknown


def decode(resource: Resource, obj: Object, field_validation: str = "Strict") -> tuple[Object, list[str]]:
    """The object as its kind has it, and warnings. Raises `ApiError` (400 BadRequest).

    `obj` itself is left alone.
    """
    if resource.custom is not None:
        return _decode_custom(resource.custom, obj, resource.kind, field_validation)
    name = definition_name(resource.api_version, resource.kind)
    if name is None:
        raise LookupError(f"there is no schema of {resource.key}")
    decoded, warnings = decode_definition(name, obj, resource.version, resource.kind, field_validation)
    if resource.key == CRDS:
        for version in (decoded.get("spec") or {}).get("versions") or ():
            schema = (version.get("schema") or {}).get("openAPIV3Schema")
            if schema is not None:
                warnings += _decode_schema(schema, resource.version, resource.kind, field_validation)
    return decoded, warnings


def _decode_schema(schema: Object, version: str, kind: str, field_validation: str) -> list[str]:
    """Decode the schemas in a CRD's schema that the published one says nothing of: they may be something else, too.

    In place; answers the warnings. Raises `ApiError` (400).
    """
    warnings: list[str] = []
    for name in ("items", "additionalProperties", "additionalItems"):
        inner = schema.get(name)
        if isinstance(inner, dict):
            schema[name], found = decode_definition(JSON_SCHEMA_PROPS, inner, version, kind, field_validation)
            warnings += found
        elif inner is not None and not (isinstance(inner, bool) if name != "items" else _is_list_of_schemas(inner)):
            message = f'{kind} in version "{version}" cannot be handled as a {kind}: json: cannot unmarshal {name}'
            raise bad_request(f"{message} into Go value of type v1.JSONSchemaProps")
    for inner in _schemas_in(schema):
        warnings += _decode_schema(inner, version, kind, field_validation)
    return warnings


def _is_list_of_schemas(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _schemas_in(schema: Object) -> list[Object]:
    """The schemas one level below, where there are some."""
    found = [*(schema.get("properties") or {}).values()]
    for name in ("allOf", "anyOf", "oneOf"):
        found += schema.get(name) or []
    found += [schema[name] for name in ("items", "additionalProperties", "not") if isinstance(schema.get(name), dict)]
    return found


def decode_definition(
    definition: str, obj: Object, version: str, kind: str, field_validation: str = "Strict"
) -> tuple[Object, list[str]]:
    """`decode` for what isn't a resource: ``io.k8s.api.policy.v1.Eviction``, Binding, DeleteOptions, Scale."""
    validator = _validator(definition)
    try:
        decoded: Object = validator.validate_python(obj)
        return decoded, []
    except ValidationError as error:
        # In the order of a manifest with sorted keys, which is how clients send them.
        problems = sorted(error.errors(include_url=False), key=lambda problem: problem["loc"])
    if any(problem["input"] is None for problem in problems):
        obj = _without_nulls(obj, definitions()[definition])
        return decode_definition(definition, obj, version, kind, field_validation)
    wrong = next((problem for problem in problems if problem["type"] != "extra_forbidden"), None)
    prefix = f'{kind} in version "{version}" cannot be handled as a {kind}: '
    if wrong is not None:
        raise bad_request(prefix + type_error_message(definition, wrong))
    unknown = [f'unknown field "{field_path(problem["loc"])}"' for problem in problems]
    if field_validation == "Strict":
        raise bad_request(f"{prefix}strict decoding error: {', '.join(unknown)}")
    decoded = validator.validate_python(obj, extra="ignore")
    return decoded, unknown if field_validation == "Warn" else []


def validate(resource: Resource, obj: Object) -> list[FieldError]:
    """What is wrong with the object's shape: fields of the wrong type, and unknown fields. Empty when it is fine."""
    name = definition_name(resource.api_version, resource.kind)
    if name is None:
        return []
    try:
        _validator(name).validate_python(obj)
        return []
    except ValidationError as error:
        problems = error.errors(include_url=False)
    found: list[FieldError] = []
    for problem in problems:
        path = field_path(problem["loc"])
        if problem["type"] == "extra_forbidden":
            found.append(FieldError("FieldValueForbidden", path, "unknown field"))
        elif problem["input"] is not None:
            found.append(FieldError("FieldValueTypeInvalid", path, type_error_message(name, problem), problem["input"]))
    return found


def field_path(location: tuple[int | str, ...]) -> str:
    """A location as Kubernetes writes it: ``spec.containers[0].image``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def _without_nulls(value: Any, schema: Schema) -> Any:
    """A copy in which null fields are left out and null items are what Go makes of them: their type's zero value."""
    name = reference_name(schema)
    if name in _SPECIAL:
        return value
    if name:
        schema = definitions()[name]
    kind = type_of(schema)
    if isinstance(value, list) and kind == "array":
        items = schema.get("items") or {}
        return [_without_nulls(item, items) if item is not None else _zero(items) for item in value]
    if not isinstance(value, dict) or kind != "object":
        return value
    properties = schema.get("properties")
    if properties:
        return {
            key: _without_nulls(item, properties[key]) if key in properties else item
            for key, item in value.items()
            if item is not None
        }
    values = schema.get("additionalProperties")
    if isinstance(values, dict):
        return {k: _without_nulls(v, values) if v is not None else _zero(values) for k, v in value.items()}
    return value


def _zero(schema: Schema) -> Any:
    """Go's zero value of a schema's type."""
    if reference_name(schema) == QUANTITY:
        return "0"
    zeros: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    return zeros.get(type_of(schema), "")
