"""Custom objects and their schema: pruning, defaulting and validation, by properties and by example."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.custom_resources.defaulting import apply_schema_defaults
from actors.apimachinery.custom_resources.definition import CustomVersion
from actors.apimachinery.custom_resources.formats import has_format
from actors.apimachinery.custom_resources.pruning import prune
from actors.apimachinery.custom_resources.structural_schema import validate_structural
from actors.apimachinery.custom_resources.value_validation import validate_value
from actors.apimachinery.defaults import apply_defaults
from actors.apimachinery.resources import Resource, new_resource
from actors.apimachinery.status import ApiError
from actors.apimachinery.tables.custom_resources import custom_table
from actors.apimachinery.validator import decode

NAMES = ("a", "b", "c", "d-e", "kind")
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=3),
    "integer": st.integers(-5, 5),
    "number": st.floats(-5, 5, allow_nan=False) | st.integers(-5, 5),
    "boolean": st.booleans(),
}


def scalar_schemas() -> st.SearchStrategy[dict[str, Any]]:
    def with_default(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        plain = st.just({"type": kind})
        return plain | SCALARS[kind].map(lambda value: {"type": kind, "default": value})

    nullable = st.sampled_from(sorted(SCALARS)).map(lambda kind: {"type": kind, "nullable": True})
    return st.sampled_from(sorted(SCALARS)).flatmap(with_default) | nullable


def containers(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3).flatmap(
        lambda properties: st.sampled_from(
            [
                {"type": "object", "properties": properties},
                {"type": "object", "properties": properties, "x-kubernetes-preserve-unknown-fields": True},
            ]
        )
    )
    lists = inner.map(lambda items: {"type": "array", "items": items})
    maps = inner.map(lambda values: {"type": "object", "additionalProperties": values})
    return objects | lists | maps


SCHEMAS = st.dictionaries(
    st.sampled_from(NAMES), st.recursive(scalar_schemas(), containers, max_leaves=6), max_size=4
).map(lambda properties: {"type": "object", "properties": {k: v for k, v in properties.items() if k != "kind"}})

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*NAMES, "other")), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from((*NAMES, "other")), JSON, max_size=4)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows, with nothing that it doesn't know."""
    kind = schema["type"]
    if kind in SCALARS:
        return SCALARS[kind] | st.none() if schema.get("nullable") else SCALARS[kind]
    if kind == "array":
        return st.lists(fitting(schema["items"]), max_size=2)
    if "additionalProperties" in schema:
        return st.dictionaries(
            st.text("xyz", min_size=1, max_size=2), fitting(schema["additionalProperties"]), max_size=2
        )
    fields = {name: fitting(inner) for name, inner in schema["properties"].items()}
    return st.fixed_dictionaries({}, optional=fields)


@given(SCHEMAS, OBJECTS)
def test_pruning_is_idempotent_and_leaves_the_object_alone(schema, obj):
    before = deepcopy(obj)
    pruned, unknown = prune(obj, schema)
    assert obj == before
    assert prune(pruned, schema) == (pruned, [])
    assert (pruned == obj) is (not unknown)


@given(SCHEMAS, OBJECTS)
def test_defaulting_is_idempotent_and_brings_nothing_unknown(schema, obj):
    pruned, _ = prune(obj, schema)
    once = deepcopy(pruned)
    apply_schema_defaults(once, schema)
    twice = deepcopy(once)
    apply_schema_defaults(twice, schema)
    assert twice == once
    assert prune(once, schema) == (once, [])


@given(SCHEMAS.flatmap(lambda schema: st.tuples(st.just(schema), fitting(schema))))
def test_what_fits_is_kept_and_still_fits_with_its_defaults(pair):
    schema, obj = pair
    assert validate_structural(schema, "s") == []
    assert validate_value(obj, schema, "") == []
    pruned, unknown = prune(obj, schema)
    assert (pruned, unknown) == (obj, [])
    apply_schema_defaults(pruned, schema)
    assert validate_value(pruned, schema, "") == []


@given(SCHEMAS, OBJECTS, OBJECTS)
def test_an_update_finds_no_more_than_a_creation_and_nothing_in_what_stays(schema, new, old):
    every = {(error.field, error.message) for error in validate_value(new, schema, "")}
    assert {(error.field, error.message) for error in validate_value(new, schema, "", old)} <= every
    assert validate_value(new, schema, "", deepcopy(new)) == []


@given(SCHEMAS, OBJECTS)
def test_validation_ends_for_any_value(schema, obj):
    for error in validate_value(obj, schema, ""):
        assert error.field
        assert str(error)


def paths_of(value: Any, path: str = "") -> set[str]:
    """Where each field is, fields of fields included."""
    found: set[str] = set()
    if isinstance(value, dict):
        for name, item in value.items():
            where = f"{path}.{name}" if path else name
            found |= {where} | paths_of(item, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found |= paths_of(item, f"{path}[{index}]")
    return found


@given(SCHEMAS.flatmap(lambda schema: st.tuples(st.just(schema), fitting(schema))), st.data())
def test_a_field_put_anywhere_that_is_closed_is_found(pair, data):
    schema, obj = pair
    places = [(place, where) for place, where in closed_places(obj, schema)]
    place, where = data.draw(st.sampled_from(places)) if places else (None, "")
    if place is None:
        return
    place["surplus"] = 1
    pruned, unknown = prune(obj, schema)
    assert unknown == [f"{where}.surplus" if where else "surplus"]
    assert paths_of(pruned) == paths_of(obj) - set(unknown)


def closed_places(value: Any, schema: dict[str, Any], path: str = ""):
    """The objects in a fitting value that may have no other fields than their schema has."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from closed_places(item, schema["items"], f"{path}[{index}]")
    elif isinstance(value, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield value, path
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
            yield from closed_places(item, inner, f"{path}.{name}" if path else name)


# By example


def test_lists_and_maps_are_pruned_within():
    item = {"type": "object", "properties": {"a": {"type": "integer"}}}
    nested = {"type": "array", "items": {"type": "array", "items": item}}
    schema = {"type": "object", "properties": {"l": nested, "m": {"type": "object", "additionalProperties": item}}}
    obj = {"l": [[{"a": 1, "b": 2}]], "m": {"x": {"a": 1, "c": [1]}}, "n": 1}
    assert prune(obj, schema) == ({"l": [[{"a": 1}]], "m": {"x": {"a": 1}}}, ["l[0][0].b", "m.x.c", "n"])
    open_items = {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}}
    assert prune({"l": [{"z": 1}]}, {"type": "object", "properties": {"l": open_items}}) == ({"l": [{"z": 1}]}, [])


def resource(schema: dict[str, Any], **version: Any) -> Resource:
    body = {"name": "v1", "schema": {"openAPIV3Schema": schema}, **version}
    names = {"plural": "things", "kind": "Thing"}
    crd = {"metadata": {"name": "things.x.io"}, "spec": {"group": "x.io", "names": names, "versions": [body]}}
    return new_resource("x.io", "v1", "Thing", "things", namespaced=True, custom=CustomVersion(crd, body))


SPEC = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
        "size": {"type": "integer", "minimum": 1, "maximum": 5, "exclusiveMaximum": True, "multipleOf": 2},
        "mode": {"type": "string", "enum": ["A", "B"]},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "map": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "boolean"}},
        "port": {"x-kubernetes-int-or-string": True},
        "when": {"type": "string", "format": "date-time"},
        "one": {
            "type": "object",
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "small": {"type": "integer", "format": "int32"},
        "nullable": {"type": "string", "nullable": True},
    },
}

FAULTS = [
    ({"text": 5}, 'spec.text: Invalid value: "integer": spec.text in body must be of type string: "integer"'),
    ({"text": None}, 'spec.text: Invalid value: "null": spec.text in body must be of type string: "null"'),
    ({"text": "a"}, 'spec.text: Invalid value: "a": spec.text in body should be at least 2 chars long'),
    ({"text": "abcde"}, "spec.text: Too long: may not be more than 4 bytes"),
    ({"text": "ABC"}, "spec.text: Invalid value: \"ABC\": spec.text in body should match '^[a-z]+$'"),
    ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
    ({"size": 6}, "spec.size: Invalid value: 6: spec.size in body should be less than 5"),
    ({"size": 3}, "spec.size: Invalid value: 3: spec.size in body should be a multiple of 2"),
    ({"size": True}, 'spec.size: Invalid value: "boolean": spec.size in body must be of type integer: "boolean"'),
    ({"size": 2.5}, 'spec.size: Invalid value: "number": spec.size in body must be of type integer: "number"'),
    ({"mode": "C"}, 'spec.mode: Unsupported value: "C": supported values: "A", "B"'),
    ({"list": []}, "spec.list: Invalid value: 0: spec.list in body should have at least 1 items"),
    ({"list": [1, 2, 3]}, "spec.list: Too many: 3: must have at most 2 items"),
    (
        {"list": [1, "x"]},
        'spec.list[1]: Invalid value: "string": spec.list[1] in body must be of type integer: "string"',
    ),
    ({"set": ["a", "a"]}, 'spec.set[1]: Duplicate value: "a"'),
    ({"map": {"a": 1}}, 'spec.map.a: Invalid value: "integer": spec.map.a in body must be of type boolean: "integer"'),
    ({"map": {"a": True, "b": True}}, "spec.map: Too many: 2: must have at most 1 item"),
    ({"port": True}, 'spec.port in body must be of type integer,string: "boolean"'),
    ({"when": "today"}, 'spec.when: Invalid value: "today": spec.when in body must be of type date-time: "today"'),
    (
        {"one": {}},
        'spec.one: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found none valid',
    ),
    ({"one": {"a": 1, "b": 2}}, "Found 2 valid alternatives"),
    ({"small": 2**31}, "spec.small in body must be of type int32"),
]


@pytest.mark.parametrize(("spec", "message"), FAULTS)
def test_faults_in_kubernetes_words(spec, message):
    errors = [
        str(error) for error in validate_value({"spec": spec}, {"type": "object", "properties": {"spec": SPEC}}, "")
    ]
    assert any(message in error for error in errors), errors


@pytest.mark.parametrize("junctor", ["anyOf", "oneOf", "allOf", "not"])
def test_nested_combinations_take_no_longer_than_they_are_long(junctor):
    schema: dict[str, Any] = {"minLength": 5}
    for _ in range(40):
        schema = {junctor: schema} if junctor == "not" else {junctor: [schema]}
    validate_value("a", {"type": "string", **schema}, "x")  # ends, which is what is tested


def test_what_fits():
    spec = {"text": "abc", "size": 2.0, "mode": "A", "list": [1], "set": ["a"], "map": {"x": True}, "nullable": None}
    spec |= {"port": "http", "when": "2026-01-01T00:00:00.5Z", "one": {"a": 1}, "small": -(2**31)}
    assert validate_value({"spec": spec}, {"type": "object", "properties": {"spec": SPEC}}, "") == []


def test_nulls_are_left_out_or_defaulted_unless_they_may_be():
    fields = {"plain": {"type": "string"}, "given": {"type": "string", "default": "x"}}
    fields |= {
        "free": {"type": "string", "nullable": True},
        "freely": {"type": "string", "nullable": True, "default": "x"},
    }
    things = resource({"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}})
    sent = {"metadata": {"name": "t"}, "spec": dict.fromkeys(fields)}
    obj, _ = decode(things, sent)
    apply_defaults(things, obj)
    assert obj["spec"] == {"given": "x", "free": None, "freely": None}


def test_embedded_resources_keep_their_metadata_and_nothing_else_unknown():
    template = {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "properties": {"spec": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    }
    things = resource({"type": "object", "properties": {"template": template}})
    inner = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "odd": 1}, "spec": {"a": 1, "b": 2}, "x": 1}
    sent = {"metadata": {"name": "t"}, "template": inner}
    obj, warnings = decode(things, sent, "Warn")
    assert obj["template"] == {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"a": 1}}
    assert warnings == [f'unknown field "template.{path}"' for path in ("metadata.odd", "spec.b", "x")]
    errors = validate_value({"template": {"metadata": {}}}, things.custom.schema, "")
    assert [str(error) for error in errors] == [
        "template.apiVersion: Required value: must not be empty",
        "template.kind: Required value: must not be empty",
    ]


def test_metadata_of_the_wrong_type_is_refused():
    things = resource({"type": "object"})
    with pytest.raises(ApiError) as caught:
        decode(things, {"metadata": {"name": "t", "labels": {"a": 1}}})
    assert caught.value.code == 400
    assert 'Thing in version "v1" cannot be handled as a Thing: json: cannot unmarshal number' in caught.value.message


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ipv4", "10.0.0.1", "10.0.0"),
        ("ipv6", "::1", "1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "x"),
        ("hostname", "a.example", "-a"),
        ("email", "a@b.example", "a"),
        ("uri", "https://a.example/x", "a b"),
        ("byte", "aGk=", "a"),
        ("date", "2026-01-31", "2026-02-31"),
        ("date-time", "2026-01-31T00:00:00Z", "2026-02-31T00:00:00Z"),
        ("duration", "1h30m", "1 hour"),
        ("hexcolor", "#fff", "#ffff0"),
        ("password", "anything", None),
        ("made-up", "anything", None),
    ],
)
def test_formats(name, good, bad):
    assert has_format(good, name)
    assert bad is None or not has_format(bad, name)


def test_columns():
    columns = [
        {"name": "Text", "type": "string", "jsonPath": ".spec.list"},
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status', "priority": 1},
        {"name": "Seen", "type": "date", "jsonPath": ".status.seen"},
        {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
    ]
    table = custom_table(resource({"type": "object"}, additionalPrinterColumns=columns).custom)
    assert [(column.name, column.type, column.priority) for column in table.columns] == [
        ("Name", "string", 0),
        ("Text", "string", 0),
        ("Size", "integer", 0),
        ("Ready", "string", 1),
        ("Seen", "date", 0),
        ("On", "boolean", 0),
    ]
    obj = {
        "metadata": {"name": "t"},
        "spec": {"list": [1, "a"], "size": 3.0, "on": False},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "seen": "1970-01-01T00:00:00Z"},
    }
    assert list(table.row(obj, 90.0)) == ["t", '[1,"a"]', 3, "True", "90s", False]
    assert list(table.row({"metadata": {"name": "t"}}, 0.0)) == ["t", None, None, None, None, None]
    assert [column.name for column in custom_table(resource({"type": "object"}).custom).columns] == ["Name", "Age"]
