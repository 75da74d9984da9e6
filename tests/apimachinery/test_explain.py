"""explain shows the published schema as kubectl does."""

from __future__ import annotations

import pytest

from actors.apimachinery.explain import UnknownField, explain
from actors.apimachinery.resources import RESOURCES, new_resource, resolve


def test_a_kind():
    text = explain(resolve("deploy"))
    assert text.startswith(
        "GROUP:      apps\nKIND:       Deployment\nVERSION:    v1\n\nDESCRIPTION:\n    Deployment enables"
    )
    assert "  spec\t<DeploymentSpec>" in text
    assert "  apiVersion\t<string>\n    APIVersion defines" in text


def test_a_field():
    text = explain(resolve("po"), ["spec", "containers", "image"])
    assert text.startswith("KIND:       Pod\nVERSION:    v1\n\nFIELD: image <string>\n\nDESCRIPTION:\n")
    assert "FIELDS:" not in text
    assert "FIELD: containers <[]Container>" in explain(resolve("po"), ["spec", "containers"])
    assert "-required-" in explain(resolve("po"), ["spec", "containers"])
    assert "FIELD: labels <map[string]string>" in explain(resolve("po"), ["metadata", "labels"])


def test_recursion_ends():
    text = explain(resolve("crd"), recursive=True)
    assert "      openAPIV3Schema\t<JSONSchemaProps>" in text
    assert len(text) < 100_000


def test_unknown_fields_and_kinds():
    with pytest.raises(UnknownField, match='field "imagee" does not exist'):
        explain(resolve("po"), ["spec", "imagee"])
    with pytest.raises(LookupError, match="Couldn't find resource for"):
        explain(new_resource("example.com", "v1", "CronTab", "crontabs", namespaced=True))


def test_every_kind_can_be_explained():
    for resource in RESOURCES:
        assert f"KIND:       {resource.kind}\n" in explain(resource)
