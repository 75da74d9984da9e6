"""What hostile requests are made of: values, parameters and headers that are wrong, or nearly right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

#: Objects of ours have names that begin so, and are in this namespace.
PREFIX: Final = "fuzz-"
NAMESPACE: Final = "fuzz"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"


def nested(depth: int) -> Any:
    """Lists and maps in one another."""
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level % 3 else [value]
    return value


SCALARS: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        -(2**31) - 1,
        2**53 + 1,
        2**63 - 1,
        2**63,
        -(2**63),
        2**64,
        -(2**70),
        10**400,
    ),
    *(1.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"), 5e-324),
    *(
        "",
        " ",
        "a",
        "A_b",
        "-",
        ".",
        "..",
        "../../etc",
        "%00",
        "a" * 64,
        "a" * 300,
        "x" * 70_000,
        "\x00",
        "\n",
        "\u2028",
    ),
    *("\ud800", "é", "👩‍👩‍👧", "\u202e", "${x}", "{{.a}}", "$(A)", "a/b", "a/b/c", "example.com/a", "k8s.io/x", "true"),
    *("2026-13-45T99:99:99Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-01-01"),
    *("1e99999999999", "999999999999999999999Ei", "-1", "0x10", "1e-400", "1Gi", ".5", "+", "100%", "1000%", "-5%"),
    *(
        "10.96.0.1",
        "999.1.1.1",
        "::1",
        "10.0.0.0/33",
        "0.0.0.0/0",
        "* * * * *",
        "@every 1ns",
        "0 0 30 2 *",
        "IfNotPresent",
    ),
    *(
        "YQ==",
        "!",
        "AAAA" * 50,
        "Always",
        "RollingUpdate",
        "None",
        "null",
        "(",
        "(a+)+$",
        "self.x",
        "self",
        "system:masters",
    ),
)
WHOLES: Final[tuple[Any, ...]] = ([], {}, [None], [[]], [{}], {"": None}, {"a": [1, {"b": None}]}, ["a"] * 200)
METADATA: Final[Mapping[str, Sequence[Any]]] = {
    "name": ("", "A", "a b", "a/b", "..", "x" * 254, "\u00e9", 7, None, "%2e"),
    "generateName": ("", "a-", "A_", "x" * 300, 7),
    "namespace": ("", "default", "no-such", "A", 7),
    "labels": (
        {"a": None},
        {"": ""},
        {"a/b/c": "d"},
        {"a": "x" * 64},
        {"a": 1},
        [],
        {"k" * 64: ""},
        {"é": "é"},
        {"a": "-"},
    ),
    "annotations": ({"a": None}, {"": ""}, {"A": "x" * 300_000}, {"a": 1}, [], "a", {"a b": "\x00"}),
    "finalizers": (
        [""],
        ["a"],
        ["example.com/a"],
        [None],
        ["foregroundDeletion", "orphan"],
        "a",
        ["a/b/c"],
        ["x/y"] * 3,
    ),
    "ownerReferences": (
        [{}],
        [None],
        [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1"}],
        [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "1", "controller": True}] * 2,
        [{"apiVersion": "a/b/c", "kind": "", "name": "", "uid": ""}],
        [{"apiVersion": "v1", "kind": "Event", "name": "a", "uid": "1", "blockOwnerDeletion": "yes"}],
    ),
    "managedFields": (
        [],
        [{}],
        [None],
        [
            {
                "manager": "a",
                "operation": "Update",
                "apiVersion": "v1",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:x": {}},
            }
        ],
        [{"manager": "a", "operation": "Apply", "apiVersion": "no/v9", "fieldsType": "FieldsV1", "fieldsV1": {"": 1}}],
        [
            {
                "manager": "a",
                "operation": "Apply",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:a": {"k:{": {}, "v:nan": {}}},
            }
        ],
        [{"operation": "Boo", "fieldsType": "FieldsV2", "fieldsV1": nested(60), "time": "x", "subresource": 7}],
        [{"operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:metadata": {"f:labels": {"i:99999999999": {}}}}}],
    ),
    "resourceVersion": ("0", "1", "", "-1", "abc", "99999999999999999999999999", 7, "٣"),
    "uid": ("", "1", "x" * 300, 7),
    "creationTimestamp": (None, "", "x", 7, "2026-01-01T00:00:00Z"),
    "deletionTimestamp": (None, "", "2026-01-01T00:00:00Z", 7),
    "deletionGracePeriodSeconds": (0, -1, 2**63, "1"),
    "generation": (0, -1, 2**63, 2**65, "1", 1.5),
    "selfLink": ("x",),
}
QUERY: Final[Mapping[str, Sequence[str]]] = {
    "labelSelector": (
        "a",
        "!a",
        "a=b",
        "a in (b,c)",
        "a in (",
        "a notin ()",
        "a>1",
        "a>b",
        ",",
        "a=b=c",
        "\u00e9",
        "a==b,c!=d",
    ),
    "fieldSelector": (
        "metadata.name=a",
        "metadata.name!=a",
        "spec.nodeName=",
        "x=y",
        "a",
        "=",
        "\\",
        "metadata.name=a\\,b",
    ),
    "limit": (
        "0",
        "1",
        "2",
        "-1",
        "x",
        "9223372036854775807",
        "9223372036854775808",
        "9" * 30,
        "1_0",
        "٣",
        " 1",
        "1.5",
    ),
    "continue": ("x", "", "AAAA", "eyJ2IjoxfQ", "e30", "bnVsbA", "WzFd", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6IngifQ"),
    "resourceVersion": ("0", "1", "-1", "x", "9" * 30, "9" * 5000, "99999", "٣", "1.0", ""),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x", ""),
    "watch": ("1", "0", "true", "x"),
    "sendInitialEvents": ("true", "false", "x"),
    "allowWatchBookmarks": ("true", "x"),
    "timeoutSeconds": ("1", "-1", "x", "0.5"),
    "dryRun": ("All", "None", "", "x"),
    "fieldManager": ("a", "", "x" * 129, "\x00", "é", "\n"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x", ""),
    "force": ("true", "false", "x", ""),
    "pretty": ("true", "x"),
    "gracePeriodSeconds": ("0", "1", "-1", "x", "9" * 30, "1e3"),
    "propagationPolicy": ("Background", "Foreground", "Orphan", "x"),
    "orphanDependents": ("true", "x"),
    "includeObject": ("None", "Object", "Metadata", "x"),
    "container": ("a", "x", "", "../a"),
    "follow": ("false", "x"),
    "tailLines": ("1", "-1", "9" * 30, "x"),
    "sinceSeconds": ("1", "-1", "9" * 30, "9" * 300),
    "sinceTime": ("2026-01-01T00:00:00Z", "x", "9999-12-31T23:59:59+99:00"),
    "limitBytes": ("0", "1", "-1", "9" * 30),
    "previous": ("true",),
    "timestamps": ("true", "x"),
    "command": ("ls", "\x00"),
    "stdin": ("true",),
    "ports": ("80", "0", "9" * 5000, "x", "80,81", "٣"),
    "\u00e9": ("x",),
}
ACCEPTS: Final = (
    "application/json",
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v9;g=meta.k8s.io",
    "application/json;as=Nothing",
    PROTOBUF,
    f"{PROTOBUF},application/json;q=nan",
    "application/yaml",
    "text/html;q=0.9,*/*;q=inf",
    ",;=,;q=x",
    "a" * 3000,
)
BODY_TYPES: Final = ("application/json", "application/yaml", PROTOBUF)
PATCH_TYPES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
ODD_TYPES: Final = (
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/xml",
    "\xff",
    "x" * 500,
    *PATCH_TYPES,
)


#: How often each is drawn.
VERBS: Final = {
    "create": 12,
    "update": 8,
    "patch": 10,
    "apply": 8,
    "delete": 4,
    "get": 2,
    "list": 4,
    "watch": 1,
    "other": 1,
}
