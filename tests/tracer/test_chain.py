"""The ten steps from hops alone."""

from __future__ import annotations

from actors.tracer.chain import Trace, missing_steps, steps_of
from actors.tracer.record import Hop, hops

ROWS = [
    ["commit", "cli.1#0", "cli-7", "", 0, 0.0, "create", "apps/v1/deployments", "", "default", "web", 10, 1.000, 1.001],
    ["commit", "dc.1#0", "deployment-controller", "cli.1#0", 10, 1.002, "create", "apps/v1/replicasets", "", "default",
     "web-abc", 11, 1.003, 1.004],
    ["commit", "rc.1#0", "replicaset-controller", "dc.1#0", 11, 1.005, "create", "v1/pods", "", "default", "web-abc-1",
     12, 1.006, 1.007],
    ["commit", "rc.1#1", "replicaset-controller", "dc.1#0", 11, 1.005, "create", "v1/pods", "", "default", "web-abc-2",
     13, 1.006, 1.007],
    ["commit", "s.1#0", "scheduler", "rc.1#0", 12, 1.008, "create", "v1/pods", "binding", "default", "web-abc-1", 14,
     1.009, 1.010],
    ["runtime", "k.1", "kubelet-node-1", "s.1#0", 14, 1.011, "start_container", "default", "web-abc-1", "web", 1.012,
     1.013],
    ["commit", "k.2#0", "kubelet-node-1", "s.1#0", 14, 1.011, "patch", "v1/pods", "status", "default", "web-abc-1", 16,
     1.014, 1.015],
    ["commit", "rc.2#0", "replicaset-controller", "k.2#0", 16, 1.016, "update", "apps/v1/replicasets", "status",
     "default", "web-abc", 17, 1.017, 1.018],
    ["commit", "x.1#0", "other", "", 0, 0.0, "create", "v1/configmaps", "", "default", "web", 18, 1.017, 1.018],
]  # fmt: skip


def chain_of(rows: list[list[object]]) -> list[tuple[int, str, str, int]]:
    trace = Trace(hops(rows))
    (root,) = trace.roots("apps/v1/deployments", "default", "web")
    return [(step.step, step.actor, step.object, step.revision) for step in steps_of(trace, root)]


def test_the_ten_steps_in_order() -> None:
    assert chain_of(ROWS) == [
        (1, "cli-7", "deployment/web", 10),
        (2, "deployment-controller", "deployment/web", 10),
        (3, "deployment-controller", "replicaset/web-abc", 11),
        (4, "replicaset-controller", "replicaset/web-abc", 11),
        (5, "replicaset-controller", "pod/web-abc-1", 12),
        (5, "replicaset-controller", "pod/web-abc-2", 13),
        (6, "scheduler", "pod/web-abc-1", 12),
        (7, "scheduler", "pod/web-abc-1", 14),
        (8, "kubelet-node-1", "pod/web-abc-1", 14),
        (9, "kubelet-node-1", "pod/web-abc-1", 0),
        (10, "kubelet-node-1", "pod/web-abc-1", 16),
    ]


def test_a_cause_known_by_its_revision_only_is_found() -> None:
    rows = [list(row) for row in ROWS]
    rows[1][3] = "@10"
    assert chain_of(rows) == chain_of(ROWS)


def test_a_chain_does_not_include_what_it_did_not_cause() -> None:
    rows = [list(row) for row in ROWS]
    rows[4][3] = "lost"
    assert {step for step, *_ in chain_of(rows)} == {1, 2, 3, 4, 5}


def test_times_are_since_the_first_step() -> None:
    trace = Trace(hops(ROWS))
    (root,) = trace.roots("apps/v1/deployments", "default", "web")
    steps = {step.step: step for step in steps_of(trace, root)}
    assert steps[1].since_start_s == 0.001
    assert steps[6].since_start_s == 0.008
    assert steps[6].took_s == 0.001
    assert steps[10].since_start_s == 0.015
    assert missing_steps(list(steps.values())) == []


def test_rows_that_are_not_understood_are_passed_over() -> None:
    assert list(hops([["commit", "x"], ["unknown"]])) == []
    assert isinstance(next(hops(ROWS[0])), Hop)
