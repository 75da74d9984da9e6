"""A pod's life as the kubelet plans it, on the sim runtime and a clock of the test's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pod_world import PodWorld, pod

from actors.kubelet.container_start import next_attempt
from actors.kubelet.pod_memory import PodMemory
from actors.runtime.protocol import (
    CREATE_CONTAINER,
    CREATED,
    EXITED,
    RUN_POD_SANDBOX,
    START_CONTAINER,
    ContainerState,
    PodSandbox,
)


def test_a_plain_pod_runs_at_once_and_is_ready() -> None:
    world = PodWorld(pod())
    assert world.status["phase"] == "Running"
    assert world.reasons() == ["Pulling", "Pulled", "Created", "Started"]
    assert [world.condition(kind)["status"] for kind in ("Initialized", "Ready", "ContainersReady")] == ["True"] * 3
    assert world.container()["ready"] is True
    assert world.container()["containerID"].startswith("sim://")
    assert world.status["podIP"] == "10.244.0.2"
    assert len(world.statuses) == 1, "one look is enough when the runtime answers at once"


def test_crash_loop_backs_off_ten_seconds_doubling_to_five_minutes() -> None:
    world = PodWorld(pod({"exit-code": "1", "run-seconds": "1"}))
    world.run(1500)
    starts = world.at("Started")
    ends = [at_s + 1 for at_s in starts]
    gaps = [round(start_s - end_s) for end_s, start_s in zip(ends, starts[1:], strict=False)]
    assert gaps[:9] == [0, 10, 20, 40, 80, 160, 300, 300, 300]
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    uid = world.pod["metadata"]["uid"]
    assert waiting["message"] == f"back-off 5m0s restarting failed container=web pod=web-0_default({uid})"
    assert world.container()["lastState"]["terminated"]["exitCode"] == 1
    assert world.container()["restartCount"] == len(starts) - 1
    assert world.status["phase"] == "Running"
    assert world.condition("Ready")["reason"] == "ContainersNotReady"
    assert world.condition("Ready")["message"] == "containers with unready status: [web]"


def test_a_container_that_ran_long_enough_starts_over_without_back_off() -> None:
    world = PodWorld(pod({"exit-code": "1", "run-seconds": "700"}))
    world.run(2900)
    starts = world.at("Started")
    assert [round(b - a) for a, b in itertools.pairwise(starts)] == [700] * 4


def test_image_pull_back_off() -> None:
    world = PodWorld(pod({"image-pull-error": "not found"}))
    assert world.container()["state"]["waiting"] == {"reason": "ErrImagePull", "message": "not found"}
    world.run(2)
    waiting = world.container()["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert waiting["message"] == 'Back-off pulling image "nginx:1.25": ErrImagePull: not found'
    world.run(800)
    pulls = world.at("Pulling")
    assert [round(b - a) for a, b in itertools.pairwise(pulls)][:6] == [10, 20, 40, 80, 160, 300]
    assert world.status["phase"] == "Pending"
    world.delete()
    world.run(1)
    assert world.stopped
    assert world.status["phase"] == "Failed"


def test_image_that_comes_after_two_failures() -> None:
    world = PodWorld(pod({"image-pull-error": "busy", "image-pull-failures": "2"}))
    world.run(31)
    assert world.status["phase"] == "Running"


def test_never_pull_policy() -> None:
    world = PodWorld(pod(containers=[{"name": "web", "image": "own", "imagePullPolicy": "Never"}]))
    assert world.container()["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    assert world.reasons() == ["ErrImageNeverPull", "Failed"]


def test_init_containers_run_one_after_the_other() -> None:
    manifest = pod(
        {"one.run-seconds": "2", "two.run-seconds": "3"},
        initContainers=[{"name": "one", "image": "a:1"}, {"name": "two", "image": "b:1"}],
    )
    world = PodWorld(manifest)
    assert world.status["phase"] == "Pending"
    assert world.container("web")["state"]["waiting"]["reason"] == "PodInitializing"
    assert world.condition("Initialized")["message"] == "containers with incomplete status: [one two]"
    world.run(2.5)
    assert world.condition("Initialized")["message"] == "containers with incomplete status: [two]"
    world.run(3)
    assert world.status["phase"] == "Running"
    assert world.at("Started") == [0.0, 2.0, 5.0]
    assert world.container("one")["ready"] is True


def test_a_failing_init_container() -> None:
    spec = {"initContainers": [{"name": "one", "image": "a:1"}]}
    never = PodWorld(pod({"one.exit-code": "3"}, restartPolicy="Never", **spec))
    never.run(5)
    assert never.status["phase"] == "Failed"
    assert "web" not in never.sandbox.containers
    again = PodWorld(pod({"one.exit-code": "3,3,0"}, **spec))
    again.run(60)
    assert again.status["phase"] == "Running"
    assert again.container("one")["restartCount"] == 2


def test_sidecars_start_first_and_end_last() -> None:
    manifest = pod(
        {"web.run-seconds": "5", "exit-code": "0", "proxy.run-seconds": "1000"},
        restartPolicy="Never",
        initContainers=[
            {
                "name": "proxy",
                "image": "p:1",
                "restartPolicy": "Always",
                "startupProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
            }
        ],
    )
    manifest["metadata"]["annotations"]["sim.podchain.dev/proxy.fail-startup-seconds"] = "2"
    world = PodWorld(manifest)
    assert world.container("web")["state"]["waiting"]["reason"] == "PodInitializing"
    world.run(3)
    assert world.at("Started") == [0.0, 2.0]
    assert world.status["phase"] == "Running"
    world.run(10)
    assert world.status["phase"] == "Succeeded"
    assert "terminated" in world.container("proxy")["state"]
    assert not world.sandbox.ready


def test_completed_and_failed_pods() -> None:
    done = PodWorld(pod({"exit-code": "0", "run-seconds": "3"}, restartPolicy="Never"))
    done.run(4)
    assert done.status["phase"] == "Succeeded"
    assert done.condition("Ready")["reason"] == "PodCompleted"
    assert done.container()["state"]["terminated"]["reason"] == "Completed"
    failed = PodWorld(pod({"exit-code": "2"}, restartPolicy="Never"))
    failed.run(4)
    assert failed.status["phase"] == "Failed"
    assert failed.condition("Ready")["reason"] == "PodFailed"
    on_failure = PodWorld(pod({"exit-code": "2", "exits": "1"}, restartPolicy="OnFailure"))
    on_failure.run(4)
    assert on_failure.status["phase"] == "Running"
    assert on_failure.container()["restartCount"] == 1


def test_readiness_comes_and_goes() -> None:
    probe = {"httpGet": {"port": 80}, "periodSeconds": 1, "failureThreshold": 2}
    world = PodWorld(
        pod(
            {"ready-after-seconds": "3", "fail-readiness-after-seconds": "6"},
            containers=[{"name": "web", "image": "n:1", "readinessProbe": probe}],
        )
    )
    assert world.container()["ready"] is False
    world.run(4)
    assert world.container()["ready"] is True
    assert world.condition("Ready")["status"] == "True"
    world.run(2.5)
    assert world.container()["ready"] is True, "one failure is not enough"
    world.run(1)
    assert world.container()["ready"] is False
    assert world.container()["restartCount"] == 0
    assert world.notes[-1][1].message == "Readiness probe failed: HTTP probe failed with statuscode: 500"


def test_liveness_failure_restarts() -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1, "failureThreshold": 3}
    world = PodWorld(
        pod(
            {"fail-liveness-after-seconds": "5"},
            containers=[{"name": "web", "image": "n:1", "livenessProbe": probe}],
        )
    )
    world.run(6.5)
    assert world.reasons("Killing") == []
    world.run(1)
    killing = [note for _, note in world.notes if note.reason == "Killing"]
    assert [note.message for note in killing] == ["Container web failed liveness probe, will be restarted"]
    assert world.container()["restartCount"] == 1
    assert world.container()["state"].get("running")


def test_post_start_holds_up_the_next_container() -> None:
    world = PodWorld(
        pod(
            containers=[
                {"name": "web", "image": "n:1", "lifecycle": {"postStart": {"exec": {"command": ["true"]}}}},
                {"name": "second", "image": "n:1"},
            ]
        )
    )
    assert world.reasons("Started") == ["Started"]
    world.run(1)
    assert world.at("Started") == [0.0, 0.5]


def test_delete_runs_pre_stop_then_signals_and_kills_after_the_grace_period() -> None:
    world = PodWorld(
        pod(
            {"stop-seconds": "100"},
            containers=[
                {"name": "web", "image": "n:1", "lifecycle": {"preStop": {"exec": {"command": ["true"]}}}},
            ],
        )
    )
    world.run(10)
    world.delete(grace_s=20)
    assert [note.message for _, note in world.notes[-1:]] == ["Stopping container web"]
    world.run(19.5)
    assert not world.stopped
    assert world.status["phase"] == "Running"
    world.run(1)
    assert world.stopped
    assert world.container()["state"]["terminated"]["exitCode"] == 137
    assert world.status["phase"] == "Failed"


def test_a_shorter_grace_period_overrules() -> None:
    world = PodWorld(pod({"stop-seconds": "100"}))
    world.delete(grace_s=60)
    world.run(5)
    world.delete(grace_s=10)
    world.run(5.1)
    assert world.stopped


def test_active_deadline() -> None:
    world = PodWorld(pod(activeDeadlineSeconds=30))
    world.run(29)
    assert world.status["phase"] == "Running"
    world.run(2)
    assert world.status["phase"] == "Failed"
    assert world.status["reason"] == "DeadlineExceeded"
    assert world.status["message"] == "Pod was active on the node longer than the specified deadline"


def test_a_runtime_that_forgot_makes_containers_anew_and_counts_a_restart() -> None:
    world = PodWorld(pod())
    world.forget()
    assert world.container()["restartCount"] == 0  # a sandbox that was just made isn't asked for again at once
    world.run(1.1)
    assert world.container()["restartCount"] == 1
    assert world.status["phase"] == "Running"


def test_a_runtime_that_forgot_a_crashing_container_makes_the_next_attempt_not_the_same_again() -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 5}
    world = PodWorld(
        pod(
            {"fail-liveness-after-seconds": "20"},
            initContainers=[{"name": "init", "image": "i:1"}],
            containers=[{"name": "web", "image": "w:1", "livenessProbe": probe}],
        )
    )
    world.run(600)
    assert world.container()["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    restarts = world.container()["restartCount"]
    assert restarts > 1
    told = len(world.statuses)
    world.forget()
    world.look()
    world.run(2)
    counts = [status["containerStatuses"][0]["restartCount"] for _, status in world.statuses[told:]]
    assert sorted(counts) == counts
    assert set(counts) == {restarts, restarts + 1}
    assert "running" in world.container()["state"], "what the probes said of the attempt before is not held against it"
    assert world.container()["lastState"]["terminated"]["containerID"] != world.container()["containerID"]
    world.run(20)
    assert world.container()["restartCount"] == restarts + 1, "it has as long as any other"


def test_an_attempt_that_was_forgotten_before_it_was_told_keeps_its_number() -> None:
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 5, "failureThreshold": 1}
    manifest = pod(
        {"fail-liveness-after-seconds": "20", "image-pull-error": "busy", "image-pull-failures": "1"},
        containers=[{"name": "web", "image": "w:1", "livenessProbe": probe}],
    )
    world = PodWorld(manifest)
    world.writes = False
    world.run(25)
    assert world.created == [("web", 0)]
    assert world.container()["restartCount"] == 0
    assert not world.container().get("containerID"), "the API heard of no attempt"
    world.forget()
    world.run(2)
    world.writes = True
    world.look()
    assert world.created == [("web", 0), ("web", 1)]
    assert world.container()["restartCount"] == 1
    assert world.container()["started"] is True


def test_an_attempt_that_was_forgotten_as_soon_as_it_was_made_keeps_its_number() -> None:
    world = PodWorld(pod({"pull-seconds": "1"}))
    world.forgets_after = CREATE_CONTAINER
    world.run(5)
    assert world.created == [("web", 0), ("web", 1)]
    assert world.container()["restartCount"] == 1


def test_a_new_kubelet_takes_the_highest_attempt_of_status_and_runtime() -> None:
    def sandbox(attempt: int, state: str) -> PodSandbox:
        made = PodSandbox("uid-1", "default", "web-0", "sandbox")
        made.containers["web"] = [ContainerState("c", "web", attempt, "nginx:1.25", state)]
        return made

    told = pod()
    told["status"]["containerStatuses"] = [{"name": "web", "restartCount": 5, "containerID": "sim://five"}]
    waiting = pod()
    waiting["status"]["containerStatuses"] = [{"name": "web", "restartCount": 0}]
    memory = PodMemory()
    assert next_attempt(pod(), memory, None, "web") == 0
    assert next_attempt(waiting, memory, None, "web") == 0
    assert next_attempt(told, memory, None, "web") == 6
    assert next_attempt(told, memory, sandbox(2, EXITED), "web") == 6
    assert next_attempt(told, memory, sandbox(2, CREATED), "web") == 6
    assert next_attempt(told, memory, sandbox(7, EXITED), "web") == 8
    assert next_attempt(told, memory, sandbox(7, CREATED), "web") == 7, "it is yet to be started"


def test_an_init_container_known_to_be_complete_from_the_status_alone_stays_ready() -> None:
    world = PodWorld(
        pod(
            {"good.exit-code": "0", "bad.exit-code": "1,0", "side.exit-code": "0", "side.run-seconds": "3"},
            restartPolicy="Never",
            initContainers=[
                {"name": "good", "image": "g:1"},
                {"name": "side", "image": "s:1", "restartPolicy": "Always"},
                {"name": "bad", "image": "b:1"},
            ],
        )
    )
    world.delete(grace_s=1)
    world.run(5)
    assert world.stopped
    before = [world.container(name) for name in ("good", "side", "bad")]
    assert [status["ready"] for status in before] == [True, False, False]
    world.forget()
    assert [world.container(name) for name in ("good", "side", "bad")] == before


def test_a_pod_that_ends_while_its_forgotten_container_waits_has_failed() -> None:
    world = PodWorld(
        pod(
            {"web.exit-code": "0", "web.run-seconds": "1", "init.run-seconds": "5"},
            initContainers=[{"name": "init", "image": "i:1"}],
        )
    )
    world.run(8)
    assert world.container()["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    before = world.container()
    world.forget()
    assert "running" in world.container("init")["state"]
    world.delete(grace_s=0)
    world.run(5)
    assert world.stopped
    assert world.status["phase"] == "Failed"
    assert world.container()["state"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert world.container()["state"]["terminated"]["exitCode"] == 137
    assert world.container()["lastState"] == before["lastState"]


def _ends(world: PodWorld) -> dict[str, str]:
    """How each container of a pod ended; of one that waits, nothing."""
    everybody = [*world.status.get("initContainerStatuses", []), *world.status["containerStatuses"]]
    return {c["name"]: (c["state"].get("terminated") or {}).get("reason", "") for c in everybody}


def test_a_container_that_never_ran_has_failed_when_its_pod_ends() -> None:
    world = PodWorld(pod({"image-pull-error": "not found"}))
    world.run(5)
    world.delete()
    world.run(1)
    assert world.stopped
    assert world.status["phase"] == "Failed"
    told = world.container()
    assert told["state"]["terminated"] == {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
    }
    assert (told["lastState"], told["restartCount"], told["ready"]) == ({}, 0, False)
    world.forget()
    assert world.container() == told, "it stays so when only the status knows"


def test_containers_whose_turn_never_came_wait_when_their_pod_ends() -> None:
    inits = [{"name": name, "image": f"{name}:1"} for name in ("one", "two", "three")]
    failed = PodWorld(pod({"two.exit-code": "3", "one.exit-code": "0"}, restartPolicy="Never", initContainers=inits))
    failed.run(5)
    assert failed.status["phase"] == "Failed"
    assert _ends(failed) == {"one": "Completed", "two": "Error", "three": "", "web": ""}

    never = PodWorld(pod({"one.image-pull-error": "not found"}, initContainers=inits))
    never.delete()
    never.run(1)
    assert never.status["phase"] == "Failed"
    assert _ends(never) == {"one": "ContainerStatusUnknown", "two": "", "three": "", "web": ""}


def test_containers_that_never_ran_have_failed_when_an_initialised_pod_ends() -> None:
    plain = [{"name": "one", "image": "one:1"}]
    side = [*plain, {"name": "side", "image": "s:1", "restartPolicy": "Always"}]
    for inits in (plain, side):
        world = PodWorld(pod({"one.exit-code": "0", "web.image-pull-error": "no"}, initContainers=inits))
        world.run(5)
        world.delete()
        world.run(40)
        assert world.stopped
        assert _ends(world)["web"] == "ContainerStatusUnknown"
        assert _ends(world)["one"] == "Completed"
        told = world.status
        world.look()
        assert world.status == told


def test_bad_annotation_is_told() -> None:
    world = PodWorld(pod({"run-seconds": "soon"}))
    assert "run-seconds" in world.container()["state"]["waiting"]["message"]


_durations = st.sampled_from(["0", "1", "7", "400"])
_names = st.sampled_from(["web", "log"])


@st.composite
def _pods(draw: Any) -> dict[str, Any]:
    annotations: dict[str, str] = {}
    for name in ("init", "web", "log", "side"):
        if draw(st.booleans()):
            annotations[f"{name}.exit-code"] = draw(st.sampled_from(["0", "1", "137"]))
            annotations[f"{name}.run-seconds"] = draw(_durations)
        if draw(st.integers(0, 3)) == 0:
            annotations[f"{name}.pull-seconds"] = draw(_durations)
        if draw(st.integers(0, 5)) == 0:
            annotations[f"{name}.image-pull-error"] = "no"
            annotations[f"{name}.image-pull-failures"] = "1"
        if draw(st.integers(0, 3)) == 0:
            annotations[f"{name}.fail-liveness-after-seconds"] = "20"
    live = {"exec": {"command": ["true"]}, "periodSeconds": 5}
    inits = [{"name": "init", "image": "i:1"}] if draw(st.booleans()) else []
    if draw(st.booleans()):
        inits.append({"name": "side", "image": "s:1", "restartPolicy": "Always", "livenessProbe": live})
    containers = [{"name": "web", "image": "w:1", "livenessProbe": live}, {"name": "log", "image": "l:1"}]
    policy = draw(st.sampled_from(["Always", "OnFailure", "Never"]))
    return pod(
        annotations, restartPolicy=policy, initContainers=inits, containers=containers[: draw(st.integers(1, 2))]
    )


#: What may befall a pod between two steps of its life: the runtime forgets now or after a call, the API takes no
#: statuses or takes them again, the kubelet starts anew.
_FATES: dict[str, Callable[[PodWorld], None]] = {
    "nothing": lambda world: None,
    "forgotten": lambda world: world.forget(),
    "forgotten after a sandbox": lambda world: setattr(world, "forgets_after", RUN_POD_SANDBOX),
    "forgotten after a creation": lambda world: setattr(world, "forgets_after", CREATE_CONTAINER),
    "forgotten after a start": lambda world: setattr(world, "forgets_after", START_CONTAINER),
    "unheard": lambda world: setattr(world, "writes", False),
    "heard": lambda world: setattr(world, "writes", True),
    "new kubelet": lambda world: world.restart(),
}
_steps = st.tuples(st.sampled_from([0.5, 3.0, 30.0, 600.0]), st.sampled_from(["nothing", "nothing", *_FATES]))


@settings(max_examples=60)
@given(_pods(), st.lists(_steps, max_size=8))
def test_laws_of_every_life(manifest: dict[str, Any], steps: list[tuple[float, str]]) -> None:
    world = PodWorld(manifest)
    policy = manifest["spec"]["restartPolicy"]
    forgets = any(fate.startswith("forgotten") for _, fate in steps)
    for step_s, fate in steps:
        world.run(step_s)
        _FATES[fate](world)
    world.writes = True
    world.delete(grace_s=5)
    world.run(20)
    assert world.stopped
    assert not world.sandbox or (not world.sandbox.ready and not world.sandbox.running())
    assert len(dict.fromkeys(world.created)) == len(world.created), "no kubelet gives an attempt's number twice"

    ended = ["terminated" in c["state"] for c in world.status["containerStatuses"]]
    first = world.status.get("initContainerStatuses", [])[:1]
    assert all(ended) or (first and not any(ended)), "only what waited for the init containers still waits at the end"
    assert all("terminated" in c["state"] for c in first)

    terminal = None
    counts: dict[str, int] = {}
    for _, status in world.statuses:
        phase = status["phase"]
        assert terminal is None or phase == terminal, "a phase that is final stays"
        terminal = phase if phase in ("Succeeded", "Failed") else None
        ready = next(c for c in status["conditions"] if c["type"] == "Ready")
        regular = status["containerStatuses"]
        if ready["status"] == "True":
            assert phase == "Running"
            assert all(c["ready"] and "running" in c["state"] for c in regular)
        if phase == "Succeeded":
            assert all(c["state"]["terminated"]["exitCode"] == 0 for c in regular)
        inits = status.get("initContainerStatuses", [])
        for container in (*inits, *regular):
            assert container["restartCount"] >= counts.get(container["name"], 0), "restarts only grow"
            counts[container["name"]] = container["restartCount"]
            assert len(container["state"]) == 1
        plain = [c for c in inits if c["name"] == "init"]
        if any("running" in c["state"] for c in regular) and plain and not forgets:
            assert plain[0]["state"]["terminated"]["exitCode"] == 0, "initialised before anything else runs"
        if policy == "Never" and not forgets:
            assert all(c["restartCount"] == 0 for c in (*plain, *regular))
