"""What Kubernetes finds wrong with a CustomResourceDefinition, in its words and at its paths."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.apimachinery.custom_resources.crd_validation import validate_definition, validate_definition_update
from actors.apimachinery.custom_resources.structural_schema import validate_structural
from actors.apimachinery.custom_resources.version_order import version_order
from actors.apimachinery.defaults import apply_defaults
from actors.apimachinery.resources import custom_resources_of, resource_of
from actors.apimachinery.status import ApiError
from actors.apimachinery.strategy import validate_create
from actors.apimachinery.validator import decode

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"spec": {"type": "object"}}}
GOOD: dict[str, Any] = {
    "metadata": {"name": "crontabs.stable.example.com"},
    "spec": {
        "group": "stable.example.com",
        "scope": "Namespaced",
        "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "listKind": "CronTabList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
        "conversion": {"strategy": "None"},
    },
}


def changed(path: str, value: Any, base: dict[str, Any] = GOOD) -> dict[str, Any]:
    """A copy with another value at a path such as ``spec.versions.0.name``; None takes it away."""
    copy = deepcopy(base)
    inner: Any = copy
    *parents, last = path.split(".")
    for part in parents:
        inner = inner[int(part)] if part.isdigit() else inner.setdefault(part, {})
    if value is None:
        inner.pop(last)
    else:
        inner[last] = value
    return copy


def said(crd: dict[str, Any]) -> list[str]:
    return [f"{error.field}: {error.message}" for error in validate_definition(crd)]


def test_a_good_definition_has_no_faults():
    assert said(GOOD) == []


COLUMN = {"name": "A", "type": "string", "jsonPath": ".spec.a"}
V1 = GOOD["spec"]["versions"][0]

DEFINITIONS = [
    ("metadata.name", "x.y", 'metadata.name: Invalid value: "x.y": must be spec.names.plural+"."+spec.group'),
    ("spec.scope", "Galactic", 'spec.scope: Unsupported value: "Galactic": supported values: "Cluster", "Namespaced"'),
    ("spec.scope", None, "spec.scope: Required value"),
    ("spec.names.listKind", "CronTab", "kind and listKind may not be the same"),
    ("spec.names.kind", "Cron Tab", "spec.names.kind: Invalid value"),
    ("spec.names.shortNames", ["Ct"], "spec.names.shortNames[0]: Invalid value"),
    ("spec.versions", [], "spec.versions: Required value"),
    ("spec.versions.0.storage", False, "must have exactly one version marked as storage version"),
    ("spec.versions.0.name", "V1", "spec.versions[0].name: Invalid value"),
    ("spec.versions.0.schema", None, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"),
    ("spec.preserveUnknownFields", True, "spec.preserveUnknownFields: Invalid value: true: cannot set to true"),
    ("spec.conversion.strategy", "Webhook", "conversion webhooks are not called here"),
    ("spec.conversion.strategy", "Magic", 'supported values: "None", "Webhook"'),
    ("spec.versions.0.additionalPrinterColumns", [{**COLUMN, "type": "colour"}], "additionalPrinterColumns[0].type"),
    ("spec.versions.0.additionalPrinterColumns", [{**COLUMN, "jsonPath": "spec"}], "must start with a dot"),
    ("spec.versions.0.additionalPrinterColumns", [{**COLUMN, "jsonPath": ".a[?("}], "jsonPath: Invalid value"),
    (
        "spec.versions.0.subresources",
        {"scale": {"specReplicasPath": ".status.x", "statusReplicasPath": ".status.x"}},
        'specReplicasPath: Invalid value: ".status.x": should be a json path under .spec',
    ),
    ("spec.versions.0.selectableFields", [{"jsonPath": ".spec.nope"}], "must point to an existing field"),
    ("spec.versions.0.selectableFields", [{"jsonPath": ".spec"}], "must point to a field of type string"),
    ("spec.versions.0.selectableFields", [{"jsonPath": ".metadata.name"}], "must not point to fields in metadata"),
]


@pytest.mark.parametrize(("path", "value", "message"), DEFINITIONS)
def test_faults_of_definitions(path, value, message):
    assert any(message in text for text in said(changed(path, value))), said(changed(path, value))


def test_groups_of_kubernetes_need_approval():
    crd = changed("metadata.name", "crontabs.apps.k8s.io", changed("spec.group", "apps.k8s.io"))
    (text,) = said(crd)
    assert text.startswith("metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must")
    assert said(changed("metadata.annotations", {"api-approved.kubernetes.io": "unapproved"}, crd)) == []


def test_versions_with_schemas_of_their_own_are_named():
    other = {
        **V1,
        "name": "v2",
        "storage": False,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"x": {}}}},
    }
    crd = changed("spec.versions", [V1, other])
    assert said(crd) == [
        "spec.versions[1].schema.openAPIV3Schema.properties[x].type: Required value: "
        "must not be empty for specified object fields"
    ]


TEXT = {"type": "string"}
MAP = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
ITEM = {"type": "object", "required": ["name"], "properties": {"name": TEXT}}
SCHEMAS = [
    ({}, "s.type: Required value: must not be empty at the root"),
    ({"type": "string"}, 's.type: Invalid value: "string": must be object at the root'),
    ({"type": "array", "items": TEXT}, "must be object at the root"),
    ({"type": "object", "nullable": True}, "s.nullable: Forbidden: nullable cannot be true at the root"),
    (
        {"type": "object", "additionalProperties": TEXT},
        "s.additionalProperties: Forbidden: must not be used at the root",
    ),
    ({"a": {}}, "s.properties[a].type: Required value: must not be empty for specified object fields"),
    ({"a": {"type": "array"}}, "s.properties[a].items: Required value: must be specified"),
    ({"a": {"type": "array", "items": {}}}, "items.type: Required value: must not be empty for specified array items"),
    ({"a": {"type": "text"}}, 'Unsupported value: "text": supported values: "array", "boolean", "integer"'),
    (
        {"a": {**TEXT, "pattern": "("}},
        's.properties[a].pattern: Invalid value: "(": must be a valid regular expression',
    ),
    ({"a": {"type": "object", "properties": {"b": TEXT}, "additionalProperties": TEXT}}, "are mutual exclusive"),
    ({"a": {"type": "object", "additionalProperties": False}}, "additionalProperties cannot be set to false"),
    ({"a": {"type": "array", "items": TEXT, "uniqueItems": True}}, "uniqueItems cannot be set to true"),
    ({"a": {"$ref": "#/x", "type": "object"}}, "$ref: Forbidden: $ref is not supported"),
    ({"a": {**TEXT, "default": 5}}, 's.properties[a].default: Invalid value: "integer"'),
    ({"a": {"type": "object", "default": {"x": 1}}}, "must not have unknown fields: x"),
    ({"a": {"x-kubernetes-int-or-string": True, "type": "integer"}}, "must be empty if x-kubernetes-int-or-string"),
    ({"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": False}}, "must be true or undefined"),
    ({"a": {"type": "object", "x-kubernetes-embedded-resource": True}}, "without x-kubernetes-preserve-unknown-fields"),
    ({"a": {**TEXT, "x-kubernetes-embedded-resource": True}}, "must be object if x-kubernetes-embedded-resource"),
    (
        {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
        "metadata is implicitly specified",
    ),
    ({"a": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "bag"}}, 'supported values: "atomic", "map"'),
    ({"a": {**TEXT, "x-kubernetes-list-type": "set"}}, "must be array if x-kubernetes-list-type is specified"),
    ({"a": {**MAP, "items": TEXT}}, "must be object if parent array's x-kubernetes-list-type is map"),
    ({"a": {**MAP, "items": {"type": "object", "properties": {}}}}, "entries must all be names of item properties"),
    ({"a": {**MAP, "items": {**ITEM, "required": []}}}, "so it must have a default or be a required property"),
    (
        {"a": {**MAP, "x-kubernetes-list-map-keys": [], "items": ITEM}},
        "must not be empty if x-kubernetes-list-type is map",
    ),
    ({"a": {**TEXT, "anyOf": [{"type": "integer"}]}}, "s.properties[a].anyOf[0].type: Forbidden: must be empty to be"),
    (
        {"a": {"type": "object", "oneOf": [{"properties": {"b": {"minLength": 1}}}]}},
        "s.properties[a].properties[b]: Required value: because it is defined in s.properties[a].oneOf[0].properties[b",
    ),
]


@pytest.mark.parametrize(("schema", "message"), SCHEMAS)
def test_faults_of_schemas(schema, message):
    if "type" not in schema and schema:
        schema = {"type": "object", "properties": schema}
    found = [f"{error.field}: {error.message}" for error in validate_structural(schema, "s")]
    assert any(message in text for text in found), found


def test_structural_schemas_that_operators_have():
    int_or_string = {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": TEXT,
            "kind": TEXT,
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                "properties": {
                    "a": int_or_string,
                    "b": {"x-kubernetes-preserve-unknown-fields": True},
                    "quantity": {**int_or_string, "allOf": [], "pattern": "^[0-9]+m?$"},
                    "template": {
                        "type": "object",
                        "x-kubernetes-embedded-resource": True,
                        "x-kubernetes-preserve-unknown-fields": True,
                    },
                    "list": {**MAP, "items": ITEM, "maxItems": 5},
                    "labels": {"type": "object", "additionalProperties": TEXT, "default": {}},
                    "mode": {"type": "string", "enum": ["A", "B"], "default": "A", "not": {"enum": ["C"]}},
                },
            },
        },
    }
    assert validate_structural(schema, "s") == []


def test_what_an_update_may_not_change():
    established = {**deepcopy(GOOD), "status": {"conditions": [{"type": "Established", "status": "True"}]}}
    established["status"]["storedVersions"] = ["v1"]
    assert validate_definition_update(established, established) == []
    cluster_scoped = changed("spec.scope", "Cluster", established)
    (error,) = validate_definition_update(cluster_scoped, established)
    assert str(error) == 'spec.scope: Invalid value: "Cluster": field is immutable'
    new = changed("spec.versions", [{**V1, "name": "v2"}], established)
    assert [str(error) for error in validate_definition_update(new, established)] == [
        'status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions',
        'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2',
    ]


def test_the_order_of_versions():
    ordered = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    shuffled = [*ordered[::2], *ordered[1::2]]
    assert sorted(shuffled, key=version_order) == ordered


KEYWORDS = [
    "type",
    "properties",
    "items",
    "additionalProperties",
    "allOf",
    "not",
    "default",
    "enum",
    "required",
    "a",
    "pattern",
    "maxItems",
    "nullable",
    "rule",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
]
SCHEMA_PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "array", "string", "", "self.a > 1", "["]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5),
    max_leaves=15,
)


@given(SCHEMA_PARTS, SCHEMA_PARTS)
def test_no_definition_breaks_the_server(schema, other):
    """Whatever is sent is stored or refused; what is stored can be used."""
    crd = changed("spec.versions.0.schema", {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}})
    crd = {**crd, "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    definitions = resource_of("apiextensions.k8s.io/v1/customresourcedefinitions")
    try:
        decoded, _ = decode(definitions, crd, "Ignore")
    except ApiError:
        return
    apply_defaults(definitions, decoded)
    if validate_definition(decoded):
        return
    decoded["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    (things,) = custom_resources_of(decoded)
    obj, _ = decode(things, {"metadata": {"name": "x"}, "spec": other}, "Ignore")
    apply_defaults(things, obj)
    validate_create(things, {**obj, "metadata": {"name": "x", "namespace": "d"}})
