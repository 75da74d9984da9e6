"""Decoding refuses what isn't of its kind's shape, in Kubernetes' words."""

from __future__ import annotations

import copy

import pytest

from actors.apimachinery.resources import RESOURCES, resource_of
from actors.apimachinery.status import ApiError
from actors.apimachinery.validator import decode, validate

DEPLOYMENTS = resource_of("apps/v1/deployments")
PODS = resource_of("v1/pods")


def deployment():
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
            },
        },
    }


def refusal(resource, obj, **options) -> str:
    with pytest.raises(ApiError) as caught:
        decode(resource, obj, **options)
    assert caught.value.code == 400
    assert caught.value.reason == "BadRequest"
    return caught.value.message


def test_a_good_object_passes_unchanged_and_is_a_copy():
    obj = deployment()
    decoded, warnings = decode(DEPLOYMENTS, obj)
    assert decoded == obj
    assert warnings == []
    decoded["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    assert obj == deployment()


def test_unknown_fields_are_refused_with_their_path():
    obj = deployment()
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container["imagee"] = "nginx"
    obj["spec"]["replica"] = 3
    assert refusal(DEPLOYMENTS, obj) == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.replica", unknown field "spec.template.spec.containers[0].imagee"'
    )


@pytest.mark.parametrize(("mode", "expected"), [("Warn", ['unknown field "spec.replica"']), ("Ignore", [])])
def test_unknown_fields_are_dropped_when_asked(mode, expected):
    obj = deployment()
    obj["spec"]["replica"] = 3
    decoded, warnings = decode(DEPLOYMENTS, obj, mode)
    assert decoded == deployment()
    assert warnings == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d["spec"].update(replicas="3"),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            lambda d: d["spec"].update(replicas=3_000_000_000),
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            lambda d: d["spec"]["template"]["spec"].update(containers={"name": "web"}),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers "
            "of type []v1.Container",
        ),
        (
            lambda d: d["spec"]["template"]["spec"]["containers"][0].update(env=[{"name": "A", "value": 1}]),
            "json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value "
            "of type string",
        ),
        (
            lambda d: d["metadata"].update(labels={"a": True}),
            "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
    ],
)
def test_wrong_types_are_worded_as_go_does(change, message):
    obj = deployment()
    change(obj)
    assert refusal(DEPLOYMENTS, obj) == f'Deployment in version "v1" cannot be handled as a Deployment: {message}'
    assert len(validate(DEPLOYMENTS, obj)) == 1


def test_bad_quantities_are_refused_and_good_ones_made_canonical():
    obj = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1x"}}}]}}
    assert "quantities must match the regular expression" in refusal(PODS, obj)
    obj["spec"]["containers"][0]["resources"]["limits"] = {"cpu": 0.5, "memory": "1024Mi", "example.com/gpu": 2}
    decoded, _ = decode(PODS, obj)
    limits = decoded["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "500m", "memory": "1Gi", "example.com/gpu": "2"}


def test_null_is_absent():
    obj = deployment()
    obj["metadata"]["creationTimestamp"] = None
    obj["spec"]["paused"] = None
    obj["spec"]["template"]["spec"]["containers"][0]["resources"] = None
    obj["metadata"]["labels"] = {"a": None}
    decoded, _ = decode(DEPLOYMENTS, obj)
    wanted = deployment()
    wanted["metadata"]["labels"] = {"a": ""}
    assert decoded == wanted


def test_int_or_string_takes_both_and_nothing_else():
    obj = deployment()
    for value in ("25%", 1):
        obj["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": value}}
        assert decode(DEPLOYMENTS, obj)[0]["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == value
    obj["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": True}}
    assert "cannot unmarshal bool" in refusal(DEPLOYMENTS, obj)


def test_bytes_and_times_are_checked():
    secret = {"metadata": {"name": "s"}, "data": {"a": "aGVsbG8=", "b": "not base64!"}}
    assert "illegal base64 data at input byte 3" in refusal(resource_of("v1/secrets"), secret)
    lease = {"metadata": {"name": "l"}, "spec": {"renewTime": "yesterday"}}
    assert 'parsing time "yesterday"' in refusal(resource_of("coordination.k8s.io/v1/leases"), lease)
    lease["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z"
    assert decode(resource_of("coordination.k8s.io/v1/leases"), lease)[0] == lease


def test_open_parts_keep_anything_even_nulls():
    obj = {"metadata": {"name": "r"}, "data": {"any": {"thing": [1, None, {"x": None}]}}, "revision": 1}
    kept = copy.deepcopy(obj)
    assert decode(resource_of("apps/v1/controllerrevisions"), obj)[0] == kept


def test_every_kind_can_be_decoded():
    for resource in RESOURCES:
        if resource.storable:
            obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "x"}}
            assert decode(resource, obj)[0] == obj
