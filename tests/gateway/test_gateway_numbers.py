"""Parameters and bodies that the messages behind the gateway could not carry: refused at the door."""

import pytest

from actors.apimachinery.json_patch import apply_json_patch
from actors.apimachinery.meta import format_time
from actors.apimachinery.request_options import check_delete_options
from actors.apimachinery.resource_version import parse_resource_version
from actors.apimachinery.status import ApiError
from actors.apiserver.listing import Continue
from actors.gateway.body import decoded_body
from actors.gateway.port_forward import forwarded_ports
from actors.gateway.remote_command import terminal_size
from actors.gateway.translation import whole_number


def refused(call, *arguments, code=400):
    with pytest.raises(ApiError) as found:
        call(*arguments)
    assert found.value.code == code
    return found.value.message


@pytest.mark.parametrize("text", ["1_0", "٣", " 1", "1.5", "x", "9" * 30, "9" * 5000, str(2**63), str(-(2**63) - 1)])
def test_numbers(text):
    assert len(refused(whole_number, {"limit": text}, "limit")) < 200


def test_numbers_that_are():
    found = [whole_number({"limit": text}, "limit") for text in ("0", "-1", "+7", str(2**63 - 1))]
    assert found == [0, -1, 7, 2**63 - 1]


@pytest.mark.parametrize("text", ["-1", "x", "1.0", "٣", "9" * 30, "9" * 5000, str(2**63)])
def test_resource_versions(text):
    assert len(refused(parse_resource_version, text)) < 200


@pytest.mark.parametrize("revision", [2**63, 10**30, -2, True, 1.0, "1"])
def test_continue_tokens_with_odd_revisions(revision):
    token = Continue(revision, "default/a").token()
    refused(Continue.parse, token)


def test_continue_tokens_that_name_no_text():
    refused(Continue.parse, Continue(7, "\ud800").token())


@pytest.mark.parametrize(
    "text",
    [
        *(
            "x: .nan",
            "x: .inf",
            "x: !!binary YQ==",
            "x: !!set {a}",
            "null: x",
            "? [a]\n: x",
            "x: !!timestamp 2026-01-01",
        ),
        *("x: !!omap [a: b]", "x: !!pairs [a: b]", "? {a: b}\n: c"),
    ],
)
def test_yaml_that_json_has_not(text):
    assert "not valid YAML" in refused(decoded_body, text.encode(), "application/yaml")


def test_yaml_as_json():
    content = b"2: a\ntrue: b\n1.5: c\nbig: 99999999999999999999999\nday: 2026-01-01\n"
    assert decoded_body(content, "application/yaml") == {
        "2": "a",
        "true": "b",
        "1.5": "c",
        "big": 1e23,
        "day": "2026-01-01",
    }


def test_bodies_too_deep_for_messages():
    assert "nested deeper" in refused(decoded_body, b"[" * 600 + b"]" * 600, "application/json")


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000, "٣", "-1", ""])
def test_ports(port):
    assert len(refused(forwarded_ports, [port])) < 200


@pytest.mark.parametrize(
    "size", [b'{"Width":1e300,"Height":1}', b'{"Width":70000,"Height":1}', b'{"Width":-1,"Height":1}']
)
def test_terminals_of_odd_sizes(size):
    assert terminal_size(size) is None


@pytest.mark.parametrize("options", [{"preconditions": "x"}, {"orphanDependents": {}}, {"propagationPolicy": ["x"]}])
def test_delete_options_of_other_types(options):
    refused(check_delete_options, options)


def test_operations_of_json_patches_that_are_no_words():
    refused(apply_json_patch, {}, [{"op": {"": None}, "path": "/a"}])


def test_times_beyond_the_calendar():
    assert format_time(2.0**62) == "9999-12-31T23:59:59Z"
    assert format_time(-(2.0**62)) == "0001-01-01T00:00:00Z"
