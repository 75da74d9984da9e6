# ruff: noqa: E501 - a case is a line, however long its message
"""Which options Kubernetes refuses, and in what words."""

from typing import Any

import pytest

from actors.apimachinery.request_options import check_delete_options, check_list_options, check_write_options
from actors.apimachinery.status import ApiError

LIST = 'ListOptions.meta.k8s.io "" is invalid: '
MATCH = LIST + "resourceVersionMatch: "


@pytest.mark.parametrize(
    ("options", "watch", "message"),
    [
        ({"resourceVersionMatch": "Exact"}, False, MATCH + "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, False, MATCH + 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
        ({"resourceVersionMatch": "Newest", "resourceVersion": "1"}, False, MATCH + 'Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""'),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1", "continue": "x"}, False, MATCH + "Forbidden: resourceVersionMatch is forbidden when continue is provided"),
        ({"sendInitialEvents": "true"}, False, LIST + "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1"}, True, MATCH + "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"),
        ({"sendInitialEvents": "true"}, True, MATCH + "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
    ],
)  # fmt: skip
def test_lists_and_watches(options: Any, watch: bool, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_list_options(options, watch=watch)
    assert (refused.value.code, refused.value.message) == (422, message)


@pytest.mark.parametrize(
    ("options", "watch"),
    [
        ({}, False),
        ({"resourceVersion": "0"}, False),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "5"}, False),
        ({"resourceVersionMatch": "NotOlderThan", "resourceVersion": "0"}, False),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, True),
        ({"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "5"}, True),
    ],
)
def test_lists_and_watches_that_may_be(options: Any, watch: bool) -> None:
    check_list_options(options, watch=watch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"propagationPolicy": "Later"}, 'propagationPolicy: Unsupported value: "Later": supported values: "Background", "Foreground", "Orphan", "nil"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set'),
        ({"dryRun": ["Some"]}, 'dryRun: Unsupported value: "Some": supported values: "All"'),
    ],
)  # fmt: skip
def test_deletes(options: Any, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_delete_options(options)
    assert refused.value.message == f'DeleteOptions.meta.k8s.io "" is invalid: {message}'


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("CreateOptions", {"fieldValidation": "Maybe"}, 'fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"'),
        ("UpdateOptions", {"dryRun": ["Some"]}, 'dryRun: Unsupported value: "Some": supported values: "All"'),
        ("PatchOptions", {"patchType": "apply"}, "fieldManager: Required value: is required for apply patch"),
        ("PatchOptions", {"patchType": "json", "force": False}, "force: Forbidden: may not be specified for non-apply patch"),
        ("CreateOptions", {"fieldManager": "x" * 129}, "fieldManager: Too long: may not be more than 128 bytes"),
        ("CreateOptions", {"fieldManager": "a\tb"}, 'fieldManager: Invalid value: "a\tb": should only contain printable characters'),
    ],
)  # fmt: skip
def test_writes(kind: str, options: Any, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_write_options(kind, options)
    assert refused.value.message == f'{kind}.meta.k8s.io "" is invalid: {message}'
