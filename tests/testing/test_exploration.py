"""explore(): what it finds, how it tells it, and that what it prints replays."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from actors.apimachinery.meta import Key
from actors.apimachinery.operation import Operation
from actors.client.controller import Trigger, run_controller
from actors.client.decision import NOTHING_TO_DO, Decision
from actors.simulation.fault_plan import Step
from actors.testing import exploration
from actors.testing.cluster_under_test import ClusterUnderTest, NotConverged
from actors.testing.exploration import Counterexample, explore

pytest_plugins = ["pytester"]

MAPS = "v1/configmaps"
ORDER = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "order", "labels": {"n": "1"}}}


class Marker:
    """Two writes for each ConfigMap named ``order``: the note ``made``, and the mark that it was made."""

    name = "marker"
    triggers = (Trigger(MAPS, lambda obj, _: [Key("default", "order")] if obj["metadata"]["name"] == "order" else []),)

    def __init__(self, mark_first: bool) -> None:
        self._mark_first = mark_first

    def reconcile(self, key, view, now_s) -> Decision:
        order = view.get(MAPS, key)
        if order is None or "marked" in (order.get("data") or {}):
            return NOTHING_TO_DO
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": key.namespace}}
        create = Operation("create", MAPS, key.namespace, "made", "", made)
        patch = {"data": {"marked": ""}}
        mark = Operation("patch", MAPS, key.namespace, key.name, "", patch, {"patchType": "merge"})
        return Decision([mark, create] if self._mark_first else [create, mark] if _made(view) is None else [mark])


def _made(view):
    return view.get(MAPS, Key("default", "made"))


def scenario_of(mark_first: bool):
    def scenario(podchain: ClusterUnderTest) -> None:
        podchain.run_actor("marker", lambda ctx: run_controller(ctx, Marker(mark_first)))
        podchain.apply(ORDER)
        podchain.run_for(3)
        podchain.assert_converges(lambda: "marked" in podchain.get("cm", "order").get("data", {}))
        podchain.assert_converges(lambda: bool(podchain.get("cm", "made")), within_s=5)

    return scenario


def test_what_survives_everything_passes_and_says_what_was_tried() -> None:
    explored = explore(scenario_of(mark_first=False), nodes=0, seeds=2)
    assert explored.run == explored.distinct > 5
    assert explored.generated >= explored.distinct
    assert explored.seeds == 2
    some = explore(scenario_of(mark_first=False), nodes=0, kinds=("cut",), most=2)
    assert (some.generated, some.distinct, some.run) == (explored.generated, explored.distinct, 2)


def test_a_crash_between_two_writes_is_found_told_and_found_again() -> None:
    with pytest.raises(Counterexample) as found:
        explore(scenario_of(mark_first=True), nodes=0)
    (step,) = found.value.steps
    assert (step.details["fault"], step.details["keep"], step.details["sender"]) == ("cut", 1, "marker")
    assert isinstance(found.value.reason, NotConverged)
    told = str(found.value)
    assert "marker: patch configmaps default/order; create configmaps default/made" in told
    assert "FAULT: that message has only its first 1 writes carried out, and its sender crashes" in told
    assert "not converged within 5 virtual seconds" in told
    (line,) = re.findall(r"--podchain-replay '(.*)'", told)
    assert Step.from_plain(json.loads(line)["steps"][0]) == step
    exploration.replay_only(line)
    try:
        with pytest.raises(Counterexample) as again:
            explore(scenario_of(mark_first=True), nodes=3)
    finally:
        exploration.replay_only("")
    assert str(again.value).partition("replay")[0] == told.partition("replay")[0]


def test_drawn_faults_are_shrunk_to_those_that_are_needed() -> None:
    with pytest.raises(Counterexample) as found:
        explore(scenario_of(mark_first=True), nodes=0, kinds=(), seeds=60, faults="crashes")
    assert len(found.value.steps) <= 3


def test_a_scenario_that_fails_by_itself_is_no_counterexample() -> None:
    def scenario(podchain: ClusterUnderTest) -> None:
        assert podchain.seed == 1, "the scenario itself"

    with pytest.raises(AssertionError, match="the scenario itself") as failed:
        explore(scenario, nodes=0)
    assert not isinstance(failed.value, Counterexample)


def test_the_command_that_is_printed_replays_the_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        from actors.apimachinery.meta import Key
        from actors.apimachinery.operation import Operation
        from actors.client.controller import Trigger, run_controller
        from actors.client.decision import Decision
        from actors.testing.exploration import explore

        class Marker:
            name = "marker"
            triggers = (Trigger("v1/configmaps", lambda obj, _: [Key("default", "order")]),)

            def reconcile(self, key, view, now_s):
                order = view.get("v1/configmaps", key)
                if order is None or order.get("data"):
                    return Decision()
                patch = {"data": {"marked": ""}}
                made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": "default"}}
                return Decision([
                    Operation("patch", "v1/configmaps", "default", "order", "", patch, {"patchType": "merge"}),
                    Operation("create", "v1/configmaps", "default", "made", "", made),
                ])

        def scenario(podchain):
            podchain.run_actor("marker", lambda ctx: run_controller(ctx, Marker()))
            podchain.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "order"}})
            podchain.run_for(1)
            podchain.assert_converges(lambda: bool(podchain.get("cm", "made")), within_s=5)

        def test_all():
            explore(scenario, nodes=0)
        """
    )
    failed = pytester.runpytest_subprocess("-p", "no:xdist")
    failed.assert_outcomes(failed=1)
    (line,) = set(
        re.findall(r"replay with: pytest test_it.py::test_all (--podchain.*)$", str(failed.stdout), re.MULTILINE)
    )
    again = pytester.runpytest_subprocess("-p", "no:xdist", "test_it.py::test_all", *shlex.split(line))
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*FAULT: that message has only its first 1 writes carried out*"])
    wrong = pytester.runpytest_subprocess("-p", "no:xdist", "--podchain-replay", "nonsense")
    wrong.stderr.fnmatch_lines(["*--podchain-replay: JSONDecodeError*"])
