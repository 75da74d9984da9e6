"""Laws of the Job controller, whatever is late, lost, repeated or crashes.

The controller sees pods and Jobs each as of some moment that never goes back, with its own answered writes in them, as
informers show them. Writes are carried out in part, twice, or without an answer. A controller that is restarted begins
with a view of the present (its lease sees to that).
"""

from __future__ import annotations

import copy
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_world import KEY, JobWorld

from actors.apimachinery.meta import Key, key_of, revision_of, uid_of
from actors.apimachinery.operation import Object, Operation
from actors.apimachinery.pods import phase
from actors.controllers.job.controller import JobController
from actors.controllers.job.indexes import parse_indexes
from actors.controllers.job.job_reading import JOBS, finished_condition
from actors.controllers.job.tracking import PODS

SETTLED_LIMIT = 50
EXAMPLES = 1000 if os.environ.get("PODCHAIN_LONG") else 60


class LateView:
    """What an informer shows of each collection: a past moment, and own writes that were answered."""

    def __init__(self, it: JobWorld) -> None:
        self._world = it.world
        self._indexes = it.world.indexes
        self._seen: dict[str, dict[Key, Object]] = {}
        for resource in (JOBS, PODS):
            self.catch_up(resource)

    def catch_up(self, resource: str) -> None:
        self._seen[resource] = copy.deepcopy(self._world.objects.get(resource, {}))

    def observe(self, op: Operation) -> None:
        key = Key(op.namespace, op.name)
        now = self._world.get(op.resource, key)
        if now is None:
            self._seen[op.resource].pop(key, None)
        else:
            self._seen[op.resource][key] = copy.deepcopy(now)

    def get(self, resource: str, key: Key) -> Object | None:
        return self._seen[resource].get(key)

    def list(self, resource: str, namespace: str | None = None) -> list[Object]:
        return [o for k, o in self._seen[resource].items() if namespace in (None, k.namespace)]

    def by_index(self, resource: str, index: str, value: str) -> list[Object]:
        function = self._indexes[resource][index]
        return [obj for obj in self.list(resource) if value in list(function(obj))]


class Ledger:
    """What has become of every pod there ever was."""

    def __init__(self, it: JobWorld) -> None:
        self.it = it
        self.ended: dict[str, Object] = {}
        """Pods that ended while they had the finalizer."""
        self.noted: dict[str, set[str]] = {"succeeded": set(), "failed": set()}
        """Uids that were ever written down."""
        self.active_most = 0

    def look(self) -> None:
        for pod in self.it.pods:
            if phase(pod) in ("Succeeded", "Failed") and pod["metadata"].get("finalizers"):
                self.ended[uid_of(pod)] = copy.deepcopy(pod)
        self.active_most = max(self.active_most, len(self.it.active))
        status = self.it.status
        noted = status.get("uncountedTerminatedPods") or {}
        for name, ever in self.noted.items():
            ever.update(noted.get(name) or ())
            if name == "failed" or not self.is_indexed:
                assert status.get(name, 0) + len(noted.get(name) or ()) == len(ever), f"{name}: not counted once"
        assert not self.noted["succeeded"] & self.noted["failed"]

    @property
    def is_indexed(self) -> bool:
        return bool(self.it.job["spec"]["completionMode"] == "Indexed")

    def check_end(self) -> None:
        """Nothing that ended is missing."""
        status = self.it.status
        assert status["uncountedTerminatedPods"] == {}
        assert not any(pod["metadata"].get("finalizers") for pod in self.it.pods)
        noted = self.noted["succeeded"] | self.noted["failed"]
        lost = [pod for uid, pod in self.ended.items() if uid not in noted]
        if self.is_indexed:
            lost = [pod for pod in lost if phase(pod) == "Failed"]
            won = [pod for uid, pod in self.ended.items() if phase(pod) == "Succeeded" and uid not in noted]
            assert {self.it.index(pod) for pod in won} == parse_indexes(status.get("completedIndexes"), 99)
        assert lost == []


def step(it: JobWorld, view: LateView, draw: Any, controller: JobController) -> JobController:
    """One reconcile on a late view, carried out in whatever way; gives the controller that goes on."""
    for resource in (JOBS, PODS):
        if draw(st.booleans()):
            view.catch_up(resource)
    writes = list(controller.reconcile(KEY, view, it.world.now_s).writes)
    fate = draw(st.sampled_from(("answered", "answered", "unanswered", "repeated", "crash")))
    if fate == "crash":
        writes = writes[: draw(st.integers(0, len(writes)))]
    for op in writes:
        code = it.world.apply(op)
        if fate == "repeated":
            it.world.apply(op)
        if fate in ("answered", "repeated") and code < 400:
            view.observe(op)
    if fate != "crash":
        return controller
    for resource in (JOBS, PODS):
        view.catch_up(resource)
    return JobController()


def happen(it: JobWorld, draw: Any) -> None:
    """Something happens to a pod, and time passes."""
    it.world.now_s += draw(st.sampled_from((0, 0, 1, 15, 700)))
    if draw(st.booleans()):  # somebody changes the Job in a way that means nothing
        it.world.change(JOBS, KEY.name, {"metadata": {"annotations": {"at": it.job["metadata"]["resourceVersion"]}}})
    gone = [pod for pod in it.pods if pod["metadata"].get("deletionTimestamp")]
    what = draw(st.sampled_from(("nothing", "succeed", "fail", "run", "delete", "kubelet")))
    if gone and what == "kubelet":
        pod = draw(st.sampled_from(gone))
        if phase(pod) not in ("Succeeded", "Failed"):
            it.end(pod, 137)
        elif not pod["metadata"].get("finalizers"):
            it.world.remove(PODS, key_of(pod))
    if not it.active or what in ("nothing", "kubelet"):
        return
    pod = draw(st.sampled_from(it.active))
    if what == "delete":
        it.world.apply(Operation("delete", PODS, *key_of(pod)))
    elif what == "run":
        it.report(pod, "Running")
    else:
        it.end(pod, 1 if what == "fail" else 0)


def come_to_an_end(it: JobWorld, ledger: Ledger) -> None:
    """No more faults: every pod succeeds, and the controller sees all."""
    for _ in range(SETTLED_LIMIT):
        ledger.look()
        it.world.now_s += 700
        while it.world.reconcile(it.controller, KEY).writes:
            ledger.look()
        if finished_condition(it.job):
            return
        for pod in it.pods:
            if pod["metadata"].get("deletionTimestamp") and not pod["metadata"].get("finalizers"):
                it.world.remove(PODS, key_of(pod))
            elif phase(pod) not in ("Succeeded", "Failed"):
                it.end(pod, 137 if pod["metadata"].get("deletionTimestamp") else 0)
    raise AssertionError(f"not finished: {it.status}")


SPECS = st.fixed_dictionaries(
    {"parallelism": st.integers(1, 3), "backoffLimit": st.integers(0, 5)},
    optional={"podReplacementPolicy": st.sampled_from(("Failed", "TerminatingOrFailed"))},
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), SPECS, st.sampled_from((None, 1, 3, 5)), st.booleans())
def test_every_pod_is_counted_once_and_never_too_many_run(data, spec, completions, indexed) -> None:
    if indexed:
        spec = {**spec, "completionMode": "Indexed"}
        completions = completions or 2
        if data.draw(st.booleans()):
            spec["backoffLimitPerIndex"] = data.draw(st.integers(0, 2))
    it = JobWorld(completions=completions, **spec)
    ledger, view, controller = Ledger(it), LateView(it), JobController()
    for _ in range(data.draw(st.integers(0, 25))):
        controller = step(it, view, data.draw, controller)
        ledger.look()
        happen(it, data.draw)
        ledger.look()
    it.controller = controller
    come_to_an_end(it, ledger)
    assert ledger.active_most <= spec["parallelism"]
    ledger.check_end()
    if "Complete" in it.conditions:
        assert it.status["succeeded"] >= (completions or 1)
    assert not it.controller.reconcile(KEY, it.world, it.world.now_s).writes


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_revisions_of_the_status_only_grow_with_news(data) -> None:
    """A settled Job is written no more, however often it is looked at."""
    it = JobWorld(parallelism=data.draw(st.integers(0, 4)), completions=data.draw(st.integers(0, 4)))
    it.settle()
    before = revision_of(it.job)
    it.settle(data.draw(st.integers(0, 1000)))
    assert revision_of(it.job) == before
