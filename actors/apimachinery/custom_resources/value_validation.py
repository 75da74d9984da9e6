"""Is a custom object what its schema says? Paths and wording as Kubernetes (``ValidateCustomResource``).

    errors = validate_value(obj, schema, "")
    errors = validate_value(new, schema, "", old)      # an update: what is as it was, is not judged again

An update does not fail for what it leaves alone (ratcheting, CRDValidationRatcheting of Kubernetes): a value that is
equal to the one it replaces is skipped with all that is in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from actors.apimachinery.custom_resources.formats import has_format
from actors.apimachinery.custom_resources.pattern import matches
from actors.apimachinery.status import FieldError
from actors.apimachinery.validation.field import Errors, duplicate, invalid, not_supported, required

Schema = Mapping[str, Any]

_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
#: Errors of one object that are told; the rest is cut off, as it would only repeat itself.
ERRORS_MAX: Final = 100


class _Missing:
    """There was nothing before."""


#: Stands for a value that had no counterpart before.
NO_OLD: Final = _Missing()


def validate_value(value: Any, schema: Schema, path: str, old: Any = NO_OLD) -> Errors:
    """Everything wrong with a value; empty when it is what the schema says."""
    errors: Errors = []
    _validate(errors, value, schema, path, old)
    return errors[:ERRORS_MAX]


def json_type(value: Any) -> str:
    """``object``, ``array``, ``string``, ``integer``, ``number``, ``boolean`` or ``null``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get(_INT_OR_STRING):
        return ("integer", "string")
    found = schema.get("type")
    return (found,) if found else ()


def _validate(errors: Errors, value: Any, schema: Schema, path: str, old: Any) -> None:
    if old is not NO_OLD and same(value, old):
        return
    if value is None and schema.get("nullable"):
        return
    types = _types(schema)
    kind = json_type(value)
    if types and not _is_of(kind, value, types):
        shown = f'{path} in body must be of type {",".join(types)}: "{kind}"'
        errors.append(FieldError("FieldValueTypeInvalid", path or "<nil>", shown, kind))
        return
    if isinstance(value, str):
        _check_text(errors, value, schema, path)
    elif isinstance(value, bool):
        pass
    elif isinstance(value, (int, float)):
        _check_number(errors, value, schema, path)
    elif isinstance(value, list):
        _check_list(errors, value, schema, path, old)
    elif isinstance(value, dict):
        _check_map(errors, value, schema, path, old)
    _check_enum(errors, value, schema, path)
    _check_combinations(errors, value, schema, path)


def _is_of(kind: str, value: Any, types: Sequence[str]) -> bool:
    if kind in types:
        return True
    if kind == "integer":
        return "number" in types
    return kind == "number" and "integer" in types and math.isfinite(value) and value == int(value)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is not true, but 1 and 1.0 are the same number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same(a, b) for a, b in zip(one, other, strict=True))
        )
    return bool(one == other)


# Single values


def _check_text(errors: Errors, value: str, schema: Schema, path: str) -> None:
    least, most, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if most is not None and len(value) > most:
        errors.append(FieldError("FieldValueTooLong", path, f"may not be more than {most} bytes"))
    if least is not None and len(value) < least:
        errors.append(invalid(path, value, f"{path} in body should be at least {least} chars long"))
    if pattern and not matches(pattern, value):
        errors.append(invalid(path, value, f"{path} in body should match '{pattern}'"))
    wanted = schema.get("format")
    if wanted and not has_format(value, wanted):
        errors.append(invalid(path, value, f'{path} in body must be of type {wanted}: "{value}"'))


_INTEGER_BITS: Final = {"int32": 31, "int64": 63}


def _check_number(errors: Errors, value: float, schema: Schema, path: str) -> None:
    bits = _INTEGER_BITS.get(schema.get("format") or "")
    if bits is not None and not -(2**bits) <= value < 2**bits:
        errors.append(invalid(path, value, f"{path} in body must be of type {schema['format']}: {_number(value)}"))
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None and (value >= most if schema.get("exclusiveMaximum") else value > most):
        limit = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        errors.append(invalid(path, value, f"{path} in body should be {limit} {_number(most)}"))
    if least is not None and (value <= least if schema.get("exclusiveMinimum") else value < least):
        limit = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        errors.append(invalid(path, value, f"{path} in body should be {limit} {_number(least)}"))
    if step and not _is_multiple(value, step):
        errors.append(invalid(path, value, f"{path} in body should be a multiple of {_number(step)}"))


def _is_multiple(value: float, step: float) -> bool:
    quotient = value / step
    return math.isfinite(quotient) and quotient == int(quotient)


def _number(value: float) -> str:
    """A number as Go prints it: without the fraction when it is whole."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else str(value)


def _check_enum(errors: Errors, value: Any, schema: Schema, path: str) -> None:
    allowed = schema.get("enum")
    if allowed is None or any(same(value, each) for each in allowed):
        return
    shown = [each if isinstance(each, str) else json.dumps(each, separators=(",", ":")) for each in allowed]
    errors.append(not_supported(path, value, shown))


# Lists


def _check_list(errors: Errors, value: list[Any], schema: Schema, path: str, old: Any) -> None:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        errors.append(_too_many(path, len(value), most))
    if least is not None and len(value) < least:
        errors.append(invalid(path, len(value), f"{path} in body should have at least {least} items"))
    items = schema.get("items")
    if isinstance(items, dict):
        before = _correlated(value, schema, old)
        for index, item in enumerate(value):
            _validate(errors, item, items, f"{path}[{index}]", before[index])
    check_list_type(errors, value, schema, path)


def _too_many(path: str, count: int, most: int) -> FieldError:
    return FieldError("FieldValueTooMany", path, f"must have at most {most} item{'' if most == 1 else 's'}", count)


def _correlated(value: list[Any], schema: Schema, old: Any) -> list[Any]:
    """What each item was before: items of maps are known by their keys; those of other lists are new."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return [NO_OLD] * len(value)
    before = {item_key(item, schema): item for item in old}
    return [before.get(item_key(item, schema), NO_OLD) for item in value]


def item_key(item: Any, schema: Schema) -> str:
    """What identifies an item of a list of type ``map``, as text."""
    if not isinstance(item, Mapping):
        return json.dumps(item, sort_keys=True)
    return json.dumps([item.get(name) for name in schema.get("x-kubernetes-list-map-keys") or ()], sort_keys=True)


def check_list_type(errors: Errors, value: list[Any], schema: Schema, path: str) -> None:
    """Sets have no value twice, maps no key twice (``structural/listtype``)."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("set", "map"):
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        identity = item_key(item, schema) if kind == "map" else json.dumps(item, sort_keys=True)
        if identity in seen:
            shown = item
            if kind == "map" and isinstance(item, Mapping):
                shown = {name: item.get(name) for name in schema.get("x-kubernetes-list-map-keys") or ()}
            errors.append(duplicate(f"{path}[{index}]", shown))
        seen.add(identity)


# Objects


def _check_map(errors: Errors, value: dict[str, Any], schema: Schema, path: str, old: Any) -> None:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        errors.append(_too_many(path, len(value), most))
    if least is not None and len(value) < least:
        errors.append(invalid(path, len(value), f"{path} in body should have at least {least} properties"))
    for name in schema.get("required") or ():
        if name not in value:
            errors.append(required(f"{path}.{name}" if path else name))
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    before = old if isinstance(old, dict) else {}
    for name, item in value.items():
        inner = properties.get(name)
        where = f"{path}.{name}" if path else name
        if inner is None:
            if not isinstance(additional, dict):
                continue
            inner, where = additional, f"{path}.{name}" if path else name
        _validate(errors, item, inner, where, before.get(name, NO_OLD))
    if schema.get("x-kubernetes-embedded-resource"):
        _check_embedded(errors, value, path)


def _check_embedded(errors: Errors, value: Mapping[str, Any], path: str) -> None:
    for name in ("apiVersion", "kind"):
        if not value.get(name):
            errors.append(required(f"{path}.{name}", "must not be empty"))


# Combinations


def _check_combinations(errors: Errors, value: Any, schema: Schema, path: str) -> None:
    """Each schema is looked at once: they nest, and twice at each level would be twice as often at the next."""
    where = path or "<nil>"
    if choices := schema.get("anyOf"):
        faults = [validate_value(value, each, path) for each in choices]
        if all(faults):
            errors.append(invalid(where, _shown(value), f'"{path}" must validate at least one schema (anyOf)'))
            errors.extend(_fewest(faults))
    if choices := schema.get("oneOf"):
        faults = [validate_value(value, each, path) for each in choices]
        fitting = sum(not each for each in faults)
        if fitting != 1:
            found = f"{fitting} valid alternatives" if fitting else "none valid"
            detail = f'"{path}" must validate one and only one schema (oneOf). Found {found}'
            errors.append(invalid(where, _shown(value), detail))
            errors.extend([] if fitting else _fewest(faults))
    if choices := schema.get("allOf"):
        before = len(errors)
        for each in choices:
            _validate(errors, value, each, path, NO_OLD)
        if len(errors) > before:
            errors.insert(before, invalid(where, _shown(value), f'"{path}" must validate all the schemas (allOf)'))
    refused = schema.get("not")
    if refused is not None and not validate_value(value, refused, path):
        errors.append(invalid(where, _shown(value), f'"{path}" must not validate the schema (not)'))


def _fewest(faults: Sequence[Errors]) -> Errors:
    """What is wrong by the schema that the value comes closest to."""
    return min(faults, key=lambda found: len(found))


def _shown(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else ""
