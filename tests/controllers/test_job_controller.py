"""The Job controller: pods, counters, limits, policies, conditions, step by step."""

from __future__ import annotations

import pytest
from controller_world import pod as manifest
from job_world import KEY, JobWorld

from actors.apimachinery.meta import Key, controller_of, format_time, uid_of
from actors.apimachinery.operation import Operation
from actors.controllers.job.controller import JobController
from actors.controllers.job.job_reading import JOBS, TRACKING_FINALIZER
from actors.controllers.job.tracking import PODS
from actors.controllers.refusals import Refusal

REACHED = ("True", "CompletionsReached", "Reached expected number of succeeded pods")
BACKOFF = ("True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")


def test_one_pod_to_its_end() -> None:
    it = JobWorld()
    it.settle()
    (pod,) = it.pods
    assert pod["metadata"]["generateName"] == "work-"
    assert pod["metadata"]["finalizers"] == [TRACKING_FINALIZER]
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "work"
    assert controller_of(pod)["uid"] == uid_of(it.job)
    assert it.status == {
        "active": 1,
        "ready": 0,
        "terminating": 0,
        "startTime": format_time(it.world.now_s),
        "uncountedTerminatedPods": {},
    }
    it.report(pod, "Running", conditions=[{"type": "Ready", "status": "True"}])
    it.settle()
    assert it.status["ready"] == 1
    it.world.now_s += 3
    it.end(pod)
    it.settle()
    assert "finalizers" not in it.pods[0]["metadata"]
    assert it.conditions == {"SuccessCriteriaMet": REACHED, "Complete": REACHED}
    assert (it.status["succeeded"], it.status["ready"], it.status["terminating"]) == (1, 0, 0)
    assert it.status["completionTime"] == format_time(it.world.now_s)
    assert it.status["uncountedTerminatedPods"] == {}
    assert "active" not in it.status
    name = pod["metadata"]["name"]
    assert it.world.events == [("SuccessfulCreate", f"Created pod: {name}"), ("Completed", "Job completed")]


def test_written_down_then_released_then_counted() -> None:
    it = JobWorld(parallelism=2, completions=5)
    it.settle()
    first, second = it.pods
    it.end(first)
    it.end(second, 1)
    it.world.reconcile(it.controller, KEY)
    noted = {"succeeded": [uid_of(first)], "failed": [uid_of(second)]}
    assert it.status["uncountedTerminatedPods"] == noted
    assert all(pod["metadata"].get("finalizers") for pod in it.pods)
    it.settle()
    assert (it.status["succeeded"], it.status["failed"]) == (1, 1)
    assert it.status["uncountedTerminatedPods"] == {}


def test_parallelism_and_completions() -> None:
    it = JobWorld(parallelism=3, completions=4)
    it.settle()
    assert len(it.active) == 3
    for pod in it.active[:2]:
        it.end(pod)
    it.settle()
    assert len(it.active) == 2
    for pod in it.active:
        it.end(pod)
    it.settle()
    assert it.status["succeeded"] == 4
    assert len(it.pods) == 4
    assert it.conditions["Complete"] == REACHED


def test_a_work_queue_starts_nothing_after_the_first_success() -> None:
    it = JobWorld(parallelism=3, completions=None)
    it.settle()
    assert len(it.active) == 3
    it.end(it.active[0])
    it.settle()
    assert (len(it.active), len(it.pods)) == (2, 3)
    assert "Complete" not in it.conditions
    it.end(it.active[0], 1)
    it.end(it.active[0])
    it.settle()
    assert it.conditions["Complete"] == REACHED
    assert (it.status["succeeded"], it.status["failed"]) == (2, 1)


def test_no_completions_are_reached_at_once() -> None:
    it = JobWorld(completions=0)
    it.settle()
    assert it.conditions["Complete"] == REACHED
    assert it.pods == []


def test_failures_are_waited_for_and_limited() -> None:
    it = JobWorld(backoffLimit=1)
    it.settle()
    it.end(it.active[0], 1)
    it.settle()
    assert it.active == []
    it.settle(9)
    assert it.active == []
    it.settle(1)
    assert len(it.active) == 1
    it.end(it.active[0], 1)
    it.settle()
    assert it.conditions == {"FailureTarget": BACKOFF, "Failed": BACKOFF}
    assert it.status["failed"] == 2
    assert it.world.events[-1] == ("BackoffLimitExceeded", BACKOFF[2])
    assert "completionTime" not in it.status


def test_a_failing_job_ends_its_pods_and_fails_once_they_are_gone() -> None:
    it = JobWorld(parallelism=2, completions=2, backoffLimit=0)
    it.settle()
    lucky, unlucky = it.active
    it.report(lucky, "Running")
    it.end(unlucky, 1)
    it.settle()
    assert it.conditions == {"FailureTarget": BACKOFF}
    assert (it.status["failed"], it.status["terminating"]) == (2, 1)
    it.world.remove(PODS, Key("default", lucky["metadata"]["name"]))
    it.settle()
    assert it.conditions == {"FailureTarget": BACKOFF, "Failed": BACKOFF}
    assert it.status["terminating"] == 0


def test_restarts_count_with_on_failure() -> None:
    it = JobWorld(restart="OnFailure", backoffLimit=2)
    it.settle()
    it.report(it.active[0], "Running", containerStatuses=[{"name": "main", "restartCount": 1, "state": {}}])
    it.settle()
    assert len(it.active) == 1
    it.report(it.active[0], "Running", containerStatuses=[{"name": "main", "restartCount": 2, "state": {}}])
    it.settle()
    assert it.conditions == {"FailureTarget": BACKOFF}


def test_deadline() -> None:
    it = JobWorld(activeDeadlineSeconds=30)
    it.settle()
    assert it.controller.reconcile(KEY, it.world, it.world.now_s + 10).requeue_after_s == pytest.approx(20, abs=1)
    it.settle(30)
    late = ("True", "DeadlineExceeded", "Job was active longer than specified deadline")
    assert it.conditions == {"FailureTarget": late, "Failed": late}
    assert it.pods == []


def test_suspend_and_resume() -> None:
    it = JobWorld(parallelism=2, completions=2, suspend=True, activeDeadlineSeconds=30)
    it.settle()
    assert it.conditions == {"Suspended": ("True", "JobSuspended", "Job suspended")}
    assert it.pods == []
    assert "startTime" not in it.status
    it.settle(1000)
    it.change(suspend=False)
    it.settle()
    assert it.conditions == {"Suspended": ("False", "JobResumed", "Job resumed")}
    assert it.status["startTime"] == format_time(it.world.now_s)
    assert len(it.active) == 2
    it.change(suspend=True)
    it.settle(20)
    assert it.conditions["Suspended"][0] == "True"
    assert it.pods == []
    assert "failed" not in it.status
    it.change(suspend=False)
    it.settle(1000)
    assert "FailureTarget" not in it.conditions
    assert len(it.active) == 2
    reasons = [reason for reason, _ in it.world.events if reason in ("Suspended", "Resumed")]
    assert reasons == ["Suspended", "Resumed", "Suspended", "Resumed"]


def test_fewer_at_a_time_are_not_failures() -> None:
    it = JobWorld(parallelism=4, completions=9)
    it.settle()
    it.report(it.active[0], "Running")
    it.change(parallelism=1)
    it.settle()
    assert [pod["status"]["phase"] for pod in it.active] == ["Running"]
    assert "failed" not in it.status


def test_indexed_pods_know_their_index() -> None:
    it = JobWorld(completionMode="Indexed", completions=3, parallelism=2)
    it.settle()
    zero, one = it.pods
    assert [it.index(zero), it.index(one)] == [0, 1]
    assert zero["metadata"]["generateName"] == "work-0-"
    assert one["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] == "1"
    assert one["spec"]["hostname"] == "work-1"
    (variable,) = one["spec"]["containers"][0]["env"]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    path = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == path
    it.end(one)
    it.settle()
    assert it.status["completedIndexes"] == "1"
    assert [it.index(pod) for pod in it.active] == [0, 2]
    for pod in it.active:
        it.end(pod)
    it.settle()
    assert (it.status["completedIndexes"], it.status["succeeded"]) == ("0-2", 3)
    assert it.conditions["Complete"] == REACHED


def test_an_index_is_tried_again() -> None:
    it = JobWorld(completionMode="Indexed", completions=2, parallelism=2)
    it.settle()
    it.end(it.active[0], 1)
    it.settle(10)
    assert [it.index(pod) for pod in it.active] == [0, 1]
    assert it.status["failed"] == 1


def test_each_index_has_its_own_limit() -> None:
    it = JobWorld(completionMode="Indexed", completions=2, parallelism=2, backoffLimitPerIndex=1, backoffLimit=99)
    it.settle()
    zero, one = it.active
    it.end(zero, 1)
    it.settle()
    assert it.pods[0]["metadata"]["finalizers"], "it stays until its successor carries its count on"
    it.settle(10)
    again = next(pod for pod in it.active if it.index(pod) == 0)
    assert again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"] == "1"
    it.settle()
    assert (it.status["failed"], it.status["failedIndexes"]) == (1, "")
    it.end(again, 1)
    it.settle()
    assert it.status["failedIndexes"] == "0"
    it.end(one)
    it.settle()
    failed = ("True", "FailedIndexes", "Job has failed indexes")
    assert it.conditions == {"FailureTarget": failed, "Failed": failed}
    assert (it.status["completedIndexes"], it.status["failed"], it.status["succeeded"]) == ("1", 2, 1)


def test_too_many_failed_indexes() -> None:
    it = JobWorld(completionMode="Indexed", completions=5, parallelism=5, backoffLimitPerIndex=0, maxFailedIndexes=1)
    it.settle()
    it.end(it.active[0], 1)
    it.settle()
    assert "FailureTarget" not in it.conditions
    it.end(it.active[0], 1)
    it.settle()
    assert it.conditions["Failed"][1] == "MaxFailedIndexesExceeded"
    assert it.status["failedIndexes"] == "0,1"


def test_a_success_policy_ends_the_rest_without_counting_it() -> None:
    policy = {"rules": [{"succeededIndexes": "0"}]}
    it = JobWorld(completionMode="Indexed", completions=3, parallelism=3, successPolicy=policy)
    it.settle()
    it.report(it.active[2], "Running")
    it.end(it.active[0])
    it.settle()
    met = ("True", "SuccessPolicy", "Matched rules at index 0")
    assert it.conditions == {"SuccessCriteriaMet": met}
    (leftover,) = (pod for pod in it.pods if it.index(pod) == 2)
    it.world.remove(PODS, Key("default", leftover["metadata"]["name"]))
    it.settle()
    assert it.conditions == {"SuccessCriteriaMet": met, "Complete": met}
    assert (it.status["succeeded"], it.status["completedIndexes"]) == (1, "0")
    assert "failed" not in it.status


@pytest.mark.parametrize(
    ("action", "failed", "reason"),
    [("FailJob", 1, "PodFailurePolicy"), ("Ignore", None, None), ("Count", 1, "BackoffLimitExceeded")],
)
def test_failure_policies(action, failed, reason) -> None:
    rule = {"action": action, "onExitCodes": {"operator": "In", "values": [42]}}
    it = JobWorld(backoffLimit=0, podFailurePolicy={"rules": [rule]})
    it.settle()
    (pod,) = it.active
    it.end(pod, 42)
    it.settle()
    assert it.status.get("failed") == failed
    assert "finalizers" not in pod["metadata"] or "finalizers" not in it.pods[0]["metadata"]
    assert it.conditions.get("Failed", (None, None))[1] == reason
    if reason is None:
        it.settle(10)
        assert len(it.active) == 1


def test_fail_index_gives_up_at_once() -> None:
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}}
    it = JobWorld(
        completionMode="Indexed",
        completions=2,
        parallelism=1,
        backoffLimitPerIndex=5,
        podFailurePolicy={"rules": [rule]},
    )
    it.settle()
    it.end(it.active[0], 42)
    it.settle()
    assert it.status["failedIndexes"] == "0"
    assert [it.index(pod) for pod in it.active] == [1]


@pytest.mark.parametrize(("policy", "active"), [("Failed", 0), ("TerminatingOrFailed", 1)])
def test_what_is_being_deleted_is_replaced_at_once_or_when_it_has_ended(policy, active) -> None:
    it = JobWorld(podReplacementPolicy=policy)
    it.settle()
    (pod,) = it.active
    it.report(pod, "Running")
    it.world.apply(Operation("delete", PODS, "default", pod["metadata"]["name"]))
    it.settle(1)
    assert it.status["terminating"] == 1
    it.settle(30)
    assert len(it.active) == active
    assert it.status.get("failed", 0) == active
    it.end(pod, 137)
    it.settle(30)
    assert (len(it.active), it.status["failed"]) == (1, 1)


def test_time_to_live() -> None:
    it = JobWorld(ttlSecondsAfterFinished=60, completions=0)
    it.settle()
    assert it.controller.reconcile(KEY, it.world, it.world.now_s + 20).requeue_after_s == pytest.approx(40, abs=1)
    (write,) = it.controller.reconcile(KEY, it.world, it.world.now_s + 61).writes
    assert (write.verb, write.resource, write.name) == ("delete", JOBS, "work")
    assert write.options["propagationPolicy"] == "Foreground"
    assert write.options["preconditions"]["resourceVersion"] == it.job["metadata"]["resourceVersion"]


def test_what_another_manages_is_left_alone() -> None:
    it = JobWorld(managedBy="example.com/mine")
    it.settle(1000)
    assert it.pods == []
    assert "status" not in it.job


def test_pods_without_their_job_are_freed() -> None:
    it = JobWorld()
    it.settle()
    it.world.remove(JOBS, KEY)
    it.settle()
    assert "finalizers" not in it.pods[0]["metadata"]


def test_pods_are_adopted_and_given_up() -> None:
    it = JobWorld(parallelism=2, completions=2)
    it.world.add(manifest("stray", {"batch.kubernetes.io/controller-uid": "work"}))
    it.settle()
    stray = next(pod for pod in it.pods if pod["metadata"]["name"] == "stray")
    assert controller_of(stray)["uid"] == uid_of(it.job)
    assert stray["metadata"]["finalizers"] == [TRACKING_FINALIZER]
    assert len(it.active) == 2
    it.world.change(PODS, "stray", {"metadata": {"labels": {"batch.kubernetes.io/controller-uid": None}}})
    it.settle()
    stray = next(pod for pod in it.pods if pod["metadata"]["name"] == "stray")
    assert controller_of(stray) is None
    assert "finalizers" not in stray["metadata"]


def test_a_job_that_is_deleted_holds_no_pod_back() -> None:
    it = JobWorld()
    it.settle()
    it.world.apply(Operation("delete", JOBS, *KEY, options={"propagationPolicy": "Foreground"}))
    it.settle()
    assert "finalizers" not in it.pods[0]["metadata"]


def test_a_repeated_create_collides_instead_of_doubling() -> None:
    it = JobWorld(parallelism=5, completions=9)
    first = it.controller.reconcile(KEY, it.world, it.world.now_s)
    again = JobController().reconcile(KEY, it.world, it.world.now_s)
    assert [op.name for op in first.writes] == [op.name for op in again.writes]
    assert [it.world.apply(op) for op in first.writes] == [201] * 5
    assert [it.world.apply(op) for op in again.writes] == [409] * 5


@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
def test_a_create_that_is_not_seen_yet_is_repeated_under_its_name_whatever_else_changed(mode) -> None:
    it = JobWorld(parallelism=2, completions=9, completionMode=mode)
    first = it.controller.reconcile(KEY, it.world, it.world.now_s)
    it.world.change(JOBS, "work", {"metadata": {"annotations": {"a": "b"}}})
    again = it.controller.reconcile(KEY, it.world, it.world.now_s)
    assert [op.name for op in again.writes] == [op.name for op in first.writes]


def test_what_is_refused_is_told() -> None:
    it = JobWorld()
    (create,) = it.controller.reconcile(KEY, it.world, it.world.now_s).writes
    refusal = Refusal(create, "pods is forbidden: exceeded quota")
    (note,) = it.controller.refused(KEY, it.world, it.world.now_s, [refusal]).events
    assert (note.type, note.reason) == ("Warning", "FailedCreate")
    assert note.message == "Error creating: pods is forbidden: exceeded quota"


def test_creates_in_bursts_of_500() -> None:
    it = JobWorld(parallelism=1200, completions=1200)
    assert [len(it.world.reconcile(it.controller, KEY).writes) for _ in range(3)] == [500, 500, 200]


def test_more_than_500_that_end_together_are_counted_in_turns() -> None:
    it = JobWorld(parallelism=600, completions=600)
    it.settle()
    for pod in it.active:
        it.end(pod)
    it.world.now_s += 1  # so many are looked at less often
    it.world.reconcile(it.controller, KEY)
    assert len(it.status["uncountedTerminatedPods"]["succeeded"]) == 500
    it.world.reconcile(it.controller, KEY)
    assert sum("finalizers" not in pod["metadata"] for pod in it.pods) == 500
    assert "Complete" not in it.conditions
    it.settle(1)
    assert it.status["succeeded"] == 600
    assert it.conditions["Complete"] == REACHED
