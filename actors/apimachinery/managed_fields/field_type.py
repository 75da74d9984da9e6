"""How the fields of a kind merge, from its schema (``x-kubernetes-list-type``, ``-list-map-keys``, ``-map-type``).

A struct's fields and a map's entries are owned one by one unless it is atomic; so are the items of a list of type
``set`` or ``map``. A list of any other type, and a scalar, is owned whole. What no schema describes is taken as it
looks: objects as maps, lists as atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from actors.apimachinery.protobuf.messages import always_there
from actors.apimachinery.resources import Resource
from actors.apimachinery.schema import (
    INT_OR_STRING,
    QUANTITY,
    Schema,
    definition_name,
    definitions,
    list_map_keys,
    reference_name,
    schema_of,
    type_of,
)

SCALAR: Final = "scalar"
LIST: Final = "list"
MAP: Final = "map"
ANY: Final = "any"

#: Defaults of fields that are keys of lists. The published schema of built-in kinds leaves defaults out.
_BUILTIN_KEY_DEFAULTS: Final[Mapping[str, Any]] = {"protocol": "TCP"}
_SCALARS: Final = frozenset({QUANTITY, INT_OR_STRING})


class FieldType:
    """How one value merges. Made by `field_type_of`, and not changed afterwards."""

    __slots__ = (
        "always_there",
        "atomic",
        "element",
        "fields",
        "key_defaults",
        "keys",
        "kind",
        "scalar",
        "string_key_prefix",
    )

    def __init__(self, kind: str, *, atomic: bool = False, scalar: str = "") -> None:
        self.kind = kind
        self.atomic = atomic
        self.scalar = scalar
        """JSON type of a scalar; empty for any."""
        self.fields: dict[str, FieldType] = {}
        """Of a map: the fields that its schema names."""
        self.always_there: dict[str, Any] = {}
        """Fields that Kubernetes' Go types never leave out, with what they hold at the least."""
        self.element: FieldType | None = None
        """Of a list's items, or of a map's values that aren't named fields; None when there are no others."""
        self.keys: tuple[str, ...] = ()
        self.key_defaults: dict[str, Any] = {}
        self.string_key_prefix = ""

    def field(self, name: str) -> FieldType | None:
        """Type of a field or map entry; None for a field that the schema doesn't have."""
        return self.fields.get(name, self.element)


ANYTHING: Final = FieldType(ANY)


def form_of(value: Any, of: FieldType) -> str:
    """``map``, ``list`` or ``scalar``: how a value is treated, atoms being scalars."""
    if of.kind == ANY:
        return MAP if isinstance(value, dict) else SCALAR
    if of.atomic:
        return SCALAR
    if of.kind == MAP:
        return MAP if isinstance(value, dict) else SCALAR
    if of.kind == LIST:
        return LIST if isinstance(value, list) else SCALAR
    return SCALAR


class _Compiler:
    """Makes types of schemas; each definition once."""

    def __init__(self) -> None:
        self._made: dict[str, FieldType] = {}

    def of(self, schema: Schema | None) -> FieldType:
        if schema is None:
            return ANYTHING
        name = reference_name(schema)
        if not name:
            return self._spelled_out(schema, schema, FieldType(ANY))
        if name in _SCALARS:
            return FieldType(SCALAR)
        if "x-kubernetes-map-type" in schema:  # the field says otherwise than the definition
            made = self._spelled_out(definitions()[name], schema, FieldType(ANY))
            made.always_there = dict(always_there(name))
            return made
        known = self._made.get(name)
        if known is not None:
            return known
        made = self._made[name] = FieldType(ANY)
        self._spelled_out(definitions()[name], definitions()[name], made)
        made.always_there = dict(always_there(name))
        return made

    def _spelled_out(self, schema: Schema, annotations: Schema, made: FieldType) -> FieldType:
        if schema.get("x-kubernetes-int-or-string"):
            made.kind = SCALAR
            return made
        kind = type_of(schema)
        if kind == "array":
            self._list(schema, made)
        elif kind == "object":
            self._map(schema, annotations, made)
        elif kind:
            made.kind, made.scalar = SCALAR, kind
        return made

    def _list(self, schema: Schema, made: FieldType) -> None:
        made.kind = LIST
        made.element = self.of(schema.get("items"))
        list_type = schema.get("x-kubernetes-list-type", "atomic")
        made.atomic = list_type == "atomic"
        if list_type == "map":
            made.keys = list_map_keys(schema)
            for key in made.keys:
                default = _default_of_key(schema.get("items") or {}, key)
                if default is not None:
                    made.key_defaults[key] = default
            if len(made.keys) == 1:
                made.string_key_prefix = "k:{" + orjson.dumps(made.keys[0]).decode() + ":"

    def _map(self, schema: Schema, annotations: Schema, made: FieldType) -> None:
        properties = schema.get("properties")
        values = schema.get("additionalProperties")
        map_type = annotations.get("x-kubernetes-map-type") or schema.get("x-kubernetes-map-type")
        made.atomic = map_type == "atomic"
        if properties is None and not isinstance(values, dict) and not made.atomic:
            made.kind = ANY
            return
        made.kind = MAP
        if isinstance(values, dict):
            made.element = self.of(values)
        elif schema.get("x-kubernetes-preserve-unknown-fields") or properties is None:
            made.element = ANYTHING
        for name, field in (properties or {}).items():
            made.fields[name] = self.of(field)


def _default_of_key(items: Schema, key: str) -> Any:
    name = reference_name(items)
    target = definitions()[name] if name else items
    field = target.get("properties", {}).get(key) or {}
    return field.get("default", _BUILTIN_KEY_DEFAULTS.get(key) if name else None)


_compiler: Final = _Compiler()
_by_resource: dict[str, tuple[Schema | None, FieldType]] = {}


def field_type_of(resource: Resource) -> FieldType:
    """How objects of a resource merge. What `schema_of` gives may change (custom resources): so does the type then."""
    schema = schema_of(resource)
    known = _by_resource.get(resource.key)
    if known is None or known[0] is not schema:
        known = _by_resource[resource.key] = (schema, _object_type(resource, schema))
    return known[1]


def _object_type(resource: Resource, schema: Schema | None) -> FieldType:
    """The type of whole objects: whatever the schema says, they have a kind and metadata of the usual shape."""
    described = _compiler.of(schema)
    made = FieldType(MAP)
    made.fields = dict(described.fields)
    made.element = described.element if described.kind != ANY else ANYTHING
    made.always_there = dict(always_there(definition_name(resource.api_version, resource.kind) or ""))
    made.fields["apiVersion"] = made.fields["kind"] = FieldType(SCALAR, scalar="string")
    made.fields["metadata"] = _compiler.of({"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"})
    return made
