"""Jobs whose limits and policies make no sense are refused, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from actors.apimachinery.validation.job_policies import check_policies

INDEXED = {"completionMode": "Indexed", "completions": 5}
CODES = {"operator": "In", "values": [1, 42]}


def faults(restart: str = "Never", **spec: Any) -> list[str]:
    template = {"spec": {"restartPolicy": restart, "containers": [{"name": "main"}]}}
    errors: Any = []
    check_policies(errors, "spec", {"template": template, **spec})
    return [str(error) for error in errors]


def failure(rule: Any, **spec: Any) -> list[str]:
    return faults(podFailurePolicy={"rules": [rule]}, **spec)


def test_what_makes_sense() -> None:
    assert faults() == []
    assert faults(**INDEXED, backoffLimitPerIndex=1, maxFailedIndexes=5) == []
    assert faults(**INDEXED, successPolicy={"rules": [{"succeededCount": 1}, {"succeededIndexes": "0-1"}]}) == []
    assert failure({"action": "FailJob", "onExitCodes": {**CODES, "containerName": "main"}}) == []
    condition = {"type": "DisruptionTarget", "status": "True"}
    assert failure({"action": "Ignore", "onPodConditions": [condition]}, podReplacementPolicy="Failed") == []
    assert failure({"action": "FailIndex", "onExitCodes": CODES}, **INDEXED, backoffLimitPerIndex=1) == []


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (
            {**INDEXED, "maxFailedIndexes": 1},
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        ),
        ({"backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
        (
            {**INDEXED, "backoffLimitPerIndex": 1, "maxFailedIndexes": 6},
            "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions",
        ),
        (
            {**INDEXED, "successPolicy": {"rules": []}},
            "spec.successPolicy.rules: Required value: at least one rules must be specified "
            "when the successPolicy is specified",
        ),
        (
            {**INDEXED, "successPolicy": {"rules": [{}]}},
            "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes "
            "must be specified",
        ),
    ],
)
def test_limits_and_success(spec, fault) -> None:
    assert faults(**spec) == [fault]


def test_a_success_policy_needs_indexes() -> None:
    (fault,) = faults(successPolicy={"rules": [{"succeededCount": 1}]})
    assert fault.startswith("spec.successPolicy: Invalid value:")
    assert fault.endswith("requires indexed completion mode")


@pytest.mark.parametrize(
    ("rule", "path", "why"),
    [
        ({"action": "FailIndex", "onExitCodes": CODES}, ".action", "requires the backoffLimitPerIndex to be set"),
        ({"action": "Never", "onExitCodes": CODES}, ".action", '"Count", "FailIndex", "FailJob", "Ignore"'),
        ({"action": "Count"}, "", "specifying one of OnExitCodes and OnPodConditions is required"),
        (
            {"action": "Count", "onExitCodes": CODES, "onPodConditions": [{"type": "Ready", "status": "True"}]},
            "",
            "specifying both OnExitCodes and OnPodConditions is not supported",
        ),
        (
            {"action": "Count", "onExitCodes": {"operator": "In", "values": [0, 1]}},
            ".onExitCodes.values[0]",
            "must not be 0 for the In operator",
        ),
        (
            {"action": "Count", "onExitCodes": {"operator": "In", "values": [1, 1]}},
            ".onExitCodes.values[1]",
            "Duplicate value: 1",
        ),
        ({"action": "Count", "onExitCodes": {"operator": "In", "values": [2, 1]}}, ".onExitCodes.values", "ordered"),
        ({"action": "Count", "onExitCodes": {"operator": "In", "values": []}}, ".onExitCodes.values", "at least one"),
        (
            {"action": "Count", "onExitCodes": {**CODES, "containerName": "other"}},
            ".onExitCodes.containerName",
            "must be one of the container or initContainer names in the pod template",
        ),
    ],
)
def test_failure_rules(rule, path, why) -> None:
    (fault,) = failure(rule)
    assert fault.startswith(f"spec.podFailurePolicy.rules[0]{path}: ")
    assert why in fault


def test_what_a_failure_policy_needs_around_it() -> None:
    rule = {"action": "Count", "onExitCodes": CODES}
    assert failure(rule, restart="OnFailure") == [
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": '
        'only "Never" is supported when podFailurePolicy is specified'
    ]
    assert failure(rule, podReplacementPolicy="TerminatingOrFailed") == [
        'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'
    ]
